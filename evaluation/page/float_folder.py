"""The float model in OpenVINO's layout, so that the same library runs it as the compiled one."""

import argparse
import shutil
from pathlib import Path

from common.cli import run
from common.files import read_json, write_json
from common.listing import check_listed
from compilation.hand_off.openvino_folder import write_tokenizer
from runtime.folder import GRAPHS
from runtime.ir import read_model, save_model
from runtime.stateful import make_stateful
from runtime.tables import TABLES, load_tables

DONE = "config.json"  # is written last


def make(graphs: Path, folder: Path, out: Path) -> None:
    """Write the folder of a float model, in float32: gigabytes for a large one.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: A hand-off folder of the checkpoint, whose tokenizer and settings it is.
        out: The folder to make.

    Raises:
        UserError: A float graph is not the one that its manifest lists.
    """
    check_listed(graphs)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    names = sorted(path.name for path in folder.glob("*.json") if path.name != DONE)
    tokenizers = sorted(path.name for path in folder.glob("openvino_*tokenizer.*"))
    for name in [*names, *tokenizers]:
        shutil.copyfile(folder / name, out / name)
    if not tokenizers:
        write_tokenizer(out)
    # In float32, as the evaluation has them: of weights in 16 bits, OpenVINO takes other kernels.
    save_model(read_model(graphs.with_name("encoder.xml")), out / f"{GRAPHS['encoder']}.xml")
    decoder = read_model(graphs.with_name("decoder.xml"))
    tables = load_tables(graphs.with_name(TABLES))
    save_model(make_stateful(decoder, tables), out / f"{GRAPHS['decoder']}.xml")
    # In an NPU's folder, the type is the one of the vendor's runtime.
    write_json(out / DONE, read_json(folder / DONE) | {"model_type": "whisper"})


def main(argv: list[str] | None = None) -> None:
    """Command line; see `make`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=Path, required=True, help="manifest of the float graphs")
    parser.add_argument("--folder", type=Path, required=True, help="hand-off folder")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    args = parser.parse_args(argv)
    make(args.graphs, args.folder, args.out)


if __name__ == "__main__":
    run(main)
