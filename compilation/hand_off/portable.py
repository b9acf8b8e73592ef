"""Processor files that transformers 4.54 to 5 read, whichever version has saved the checkpoint.

The versions from 5.0 on write other names than those before can read, and read both.
"""

from pathlib import Path

from common.files import read_json, write_json

PROCESSOR = "processor_config.json"  # from 5.0 on
EXTRACTOR = "preprocessor_config.json"  # before
TOKENIZER = "tokenizer_config.json"


def make_portable(folder: Path) -> None:
    """Give the processor files of a folder the names of before 5.0."""
    processor = read_json(folder / PROCESSOR) if (folder / PROCESSOR).is_file() else {}
    extractor = processor.get("feature_extractor")
    if isinstance(extractor, dict):
        if not (folder / EXTRACTOR).is_file():
            kind = {"processor_class": processor.get("processor_class", "WhisperProcessor")}
            write_json(folder / EXTRACTOR, extractor | kind)
        (folder / PROCESSOR).unlink()  # before 5.0 it holds no nested values
    tokenizer = read_json(folder / TOKENIZER) if (folder / TOKENIZER).is_file() else {}
    if isinstance(tokenizer.get("extra_special_tokens"), list):
        tokens = tokenizer.pop("extra_special_tokens")
        write_json(folder / TOKENIZER, {"additional_special_tokens": tokens} | tokenizer)
