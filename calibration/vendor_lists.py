"""The lists of a decoder's calibration set, as the NPU vendor's compiler and tutorial read them."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from calibration.sample import ARRAYS
from common.files import write_json


def write_lists(
    folder: Path, samples: list[dict[str, Any]], shapes: list[list[int]], tokenizer: Tokenizer
) -> None:
    """Write both JSON files; paths are relative to the repository root.

    Args:
        folder: Of the set.
        samples: The manifest's entries.
        shapes: Of the two inputs; -1 is what differs from sample to sample.
        tokenizer: Writes the token sequences down for people.
    """
    info = {"input names": list(ARRAYS), "input shapes": shapes}
    paths = [[str(folder / sample[name]["file"]) for name in ARRAYS] for sample in samples]
    fields = ("language", "task", "token_ids")
    metadata = [{field: sample[field] for field in fields} for sample in samples]
    write_json(
        folder / "whisper_decoder_calib.json",
        {"info": info, "calib paths": paths, "metadata": metadata},
    )
    texts = [
        {**entry, "text": tokenizer.decode(entry["token_ids"], skip_special_tokens=False)}
        for entry in metadata
    ]
    write_json(folder / "whisper_decoder_calib_metadata.json", texts)
