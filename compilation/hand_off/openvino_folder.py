"""The files of a folder for the target cpu, as OpenVINO GenAI and optimum-intel load them.

openvino_encoder_model.xml, .bin       the compiled encoder, as it is
openvino_decoder_model.xml, .bin       the compiled decoder, embedding tables included, stateful
openvino_tokenizer.xml, .bin           the checkpoint's tokenizer as a graph, and its inverse
openvino_detokenizer.xml, .bin
transcribe.py                          runs the folder by itself
"""

import shutil
from pathlib import Path
from typing import Any

from common.files import listed, read_json
from common.listing import check_listed, copy_listed
from runtime.folder import GRAPHS
from runtime.ir import read_model, save_model
from runtime.stateful import make_stateful
from runtime.tables import TABLES, load_tables

TRANSCRIBE = Path(__file__).with_name("transcribe.py")


def fill(folder: Path, graphs: Path, records: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Write the files; of each part's record, what is another in the folder.

    Args:
        folder: Has the checkpoint's tokenizer.
        graphs: Manifest of the checkpoint's float graphs, which come with the embedding tables.
        records: Of each part, the record of what NNCF has made.

    Raises:
        UserError: A file is not the one that its manifest lists.
    """
    check_listed(graphs, [TABLES])
    check_listed(records["decoder"])
    encoder = {f"encoder{kind}": folder / (GRAPHS["encoder"] + kind) for kind in (".xml", ".bin")}
    copy_listed(records["encoder"], encoder)
    decoder = read_model(records["decoder"].with_name("decoder.xml"))
    whole = make_stateful(decoder, load_tables(graphs.with_name(TABLES)))
    save_model(whole, folder / f"{GRAPHS['decoder']}.xml")
    write_tokenizer(folder)
    shutil.copyfile(TRANSCRIBE, folder / TRANSCRIBE.name)
    changes: dict[str, dict[str, Any]] = {
        part: {"files": listed(folder, [f"{name}.xml", f"{name}.bin"])}
        for part, name in GRAPHS.items()
    }
    tables = listed(graphs.parent, [TABLES])
    changes["decoder"]["float_weights"] = read_json(records["decoder"])["float_weights"] + tables
    return changes


def write_tokenizer(folder: Path) -> None:
    """Write the tokenizer of a folder, and its inverse, as OpenVINO graphs."""
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    graphs = convert_tokenizer(tokenizer, with_detokenizer=True)
    for graph, name in zip(graphs, ("openvino_tokenizer", "openvino_detokenizer"), strict=True):
        save_model(graph, folder / f"{name}.xml")
