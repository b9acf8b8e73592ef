"""A tokenizer as fine-tunes leave it: taken, made, mended or refused.

Every case is the random checkpoint with one file edited.
"""

from pathlib import Path
from typing import Any

import pytest
from transformers import WhisperProcessor

from common.files import write_json
from data.cache import local_folder
from data.whisper import load_tokenizer
from tests.odd_checkpoints import (
    copy_of,
    edit,
    have,
    mended,
    sentence,
    with_more_rows,
    without_tokenizer,
)

Json = dict[str, Any]
GENERATION, TOKENIZER = "generation_config.json", "tokenizer.json"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """A copy of the random checkpoint, to be edited."""
    return copy_of(checkpoint, tmp_path)


def padded(tokenizer: Json) -> None:
    """As a trainer that pads to a fixed length leaves the file."""
    tokenizer["padding"] = {
        "strategy": {"Fixed": 448}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 1600, "pad_type_id": 0, "pad_token": "<|endoftext|>",
    }  # fmt: skip
    tokenizer["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip


def test_padding_and_truncation_are_switched_off(folder: Path) -> None:
    text = "one two three four five six seven"
    expected = load_tokenizer(have(folder)).encode(text, add_special_tokens=False).ids
    edit(folder / TOKENIZER, padded)
    manifest = have(folder)
    tokenizer = load_tokenizer(manifest)
    assert tokenizer.encode(text, add_special_tokens=False).ids == expected
    assert "padding of tokenizer.json is switched off" in mended(manifest)
    assert "truncation of tokenizer.json is switched off" in mended(manifest)


def test_a_tokenizer_of_lists_is_that_of_tokenizer_json(folder: Path) -> None:
    whole = WhisperProcessor.from_pretrained(folder).tokenizer
    text = "Ein Bär läuft. 火 #1 "
    ids = whole.convert_tokens_to_ids(["<|startoftranscript|>", "<|ko|>", "<|notimestamps|>"])
    ids += [
        *whole.encode(text, add_special_tokens=False),
        *whole.convert_tokens_to_ids(["<|0.02|>"]),
    ]
    without_tokenizer(folder)
    manifest = have(folder)
    made = WhisperProcessor.from_pretrained(local_folder(manifest)).tokenizer
    for tokenizer in (made, whole):
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert made.get_vocab() == whole.get_vocab()
    assert made.encode(text) == whole.encode(text)
    assert made.all_special_ids == whole.all_special_ids
    timed = {"skip_special_tokens": True, "decode_with_timestamps": True}
    assert made.decode(ids, **timed) == whole.decode(ids, **timed)
    mine = load_tokenizer(manifest)
    assert mine.encode(text, add_special_tokens=False).ids == ids[3:-1]
    assert "made of vocab.json, merges.txt and the added tokens" in mended(manifest)


def test_half_a_tokenizer_is_refused(folder: Path) -> None:
    without_tokenizer(folder)
    (folder / "merges.txt").unlink()
    assert "has no merges.txt, hence no tokenizer (vocab.json is half of one)" in sentence(folder)


def test_tokens_of_prompts_are_no_text(folder: Path) -> None:
    def plain(content: Json) -> None:
        content["added_tokens"] = [
            entry | {"special": entry["content"] == "<|endoftext|>"}
            for entry in content["added_tokens"]
        ]

    edit(folder / TOKENIZER, plain)
    edit(folder / "tokenizer_config.json", lambda c: c.pop("extra_special_tokens"))
    manifest = have(folder)
    tokenizer = load_tokenizer(manifest)
    ids = tokenizer.encode("<|startoftranscript|><|ko|><|transcribe|><|notimestamps|>one").ids
    assert tokenizer.decode(ids) == "one"
    assert "<|startoftranscript|> and 106 more is a special token" in mended(manifest)


@pytest.mark.parametrize("kept", [TOKENIZER, "added_tokens.json"])
def test_tokens_that_a_fine_tune_added_are_known(folder: Path, kept: str) -> None:
    more = {"[laugh]": 3209, "[cough]": 3210}
    if kept == TOKENIZER:
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        entries = [{"id": number, "content": token, **plain} for token, number in more.items()]
        edit(folder / TOKENIZER, lambda c: c["added_tokens"].extend(entries))
    else:
        write_json(folder / kept, more)
    with_more_rows(folder, 1)
    assert "the token [cough] with the id 3210, but config.json says that there are 3210" in (
        sentence(folder)
    )
    with_more_rows(folder, 1)
    tokenizer = load_tokenizer(have(folder))
    assert tokenizer.encode("[laugh]", add_special_tokens=False).ids == [3209]
    assert tokenizer.decode([3210, 3209]) == "[cough][laugh]"


def test_added_tokens_that_are_two_tokens_are_refused(folder: Path) -> None:
    write_json(folder / "added_tokens.json", {"<|ko|>": 1608})
    assert "says that <|ko|> is token 1608, but tokenizer.json says 1607" in sentence(folder)


def test_the_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    whole = (folder / TOKENIZER).read_text()
    model = {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    model |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    edit(folder / TOKENIZER, lambda c: c.update(model=model))
    assert "is a WordPiece, and no byte-level BPE" in sentence(folder)
    (folder / TOKENIZER).write_text(whole)
    edit(folder / TOKENIZER, lambda c: c.update(added_tokens=[]))
    assert "<|notimestamps|> is token 1707" in sentence(folder)


@pytest.mark.parametrize("change", [{"model": None}, {"added_tokens": [{}]}, {"decoder": {"a": 1}}])
def test_a_damaged_tokenizer_is_refused(folder: Path, change: Json) -> None:
    edit(folder / TOKENIZER, lambda c: c.update(change))
    assert f"the tokenizer of {folder} cannot be read (" in sentence(folder)


def test_merges_of_another_vocabulary_are_refused(folder: Path) -> None:
    without_tokenizer(folder)
    with (folder / "merges.txt").open("a", encoding="utf-8") as file:
        file.write("never before\n")
    assert f"the tokenizer of {folder} cannot be read (" in sentence(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
def test_small_files_that_only_the_library_reads_are_read(folder: Path, name: str) -> None:
    (folder / name).write_text("{")
    assert f"{name} of {folder} is not JSON" in sentence(folder)
