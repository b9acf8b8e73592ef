"""A checkpoint's tokenizer as it takes part: tokenizer.json, made or mended where need be.

Worked on as JSON: what is shipped is then the checkpoint's own file, but for what is said.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from common.cli import UserError

Json = dict[str, Any]
END, LAST = "<|endoftext|>", "<|notimestamps|>"  # the tokens of prompts stand between these
# As transformers' WhisperTokenizer sets up the byte-level BPE of GPT-2.
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
FILES = (
    "added_tokens.json",
    "merges.txt",
    "normalizer.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)


def effective_tokenizer(
    files: dict[str, Path], read: Callable[[str], Json], where: str
) -> tuple[Json, list[str]]:
    """Content of tokenizer.json, and what of it is not the checkpoint's own, a sentence each.

    Padding and truncation, which a trainer leaves in the file, are switched off; the tokens of
    prompts are special, so that they are no part of a text; tokens that only added_tokens.json has
    are added.

    Args:
        files: The checkpoint's, by name.
        read: Gives the content of one of its JSON files.
        where: The checkpoint's name, for messages.

    Raises:
        UserError: There is no whole tokenizer, it is none of Whisper's kind, or two of its files
            say different things of a token.
    """
    said = []
    added = read("added_tokens.json") if "added_tokens.json" in files else {}
    if "tokenizer.json" in files:
        content = read("tokenizer.json")
    else:
        content = _from_lists(read("vocab.json"), files["merges.txt"])
        said.append("tokenizer.json is made of vocab.json, merges.txt and the added tokens")
        decoder = read("tokenizer_config.json") if "tokenizer_config.json" in files else {}
        decoder = decoder.get("added_tokens_decoder", {})
        added = {entry["content"]: int(number) for number, entry in decoder.items()} | added
    _check(content, where)
    content = content | {"added_tokens": content.get("added_tokens") or []}
    for key in ("padding", "truncation"):
        if content.get(key):
            content = content | {key: None}
            said.append(f"{key} of tokenizer.json is switched off")
    ids = token_ids(content)
    for token, number in sorted(added.items(), key=lambda item: item[1]):
        if ids.get(token, number) != number:
            raise UserError(
                f"added_tokens.json of {where} says that {token} is token {number}, but"
                f" tokenizer.json says {ids[token]}: take both from one checkpoint"
            )
    missing = {token: number for token, number in added.items() if token not in ids}
    if missing and "tokenizer.json" in files:
        said.append(f"{_some(sorted(missing))} of added_tokens.json is added to tokenizer.json")
    content, marked = _with_added(content, missing)
    if marked and "tokenizer.json" in files:
        said.append(f"{_some(marked)} is a special token, and no part of a text")
    return content, said


def _check(content: Json, where: str) -> None:
    """Refuse what is no tokenizer of Whisper's kind."""
    try:
        Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the library raises nothing narrower
        raise UserError(
            f"the tokenizer of {where} cannot be read ({error}): take its files from the checkpoint"
            " that the model was trained from"
        ) from error
    if content["model"]["type"] != "BPE":
        raise UserError(
            f"tokenizer.json of {where} is a {content['model']['type']}, and no byte-level BPE as"
            " Whisper's: take that of the checkpoint that the model was trained from"
        )


def _from_lists(vocabulary: Json, merges: Path) -> Json:
    """tokenizer.json of a vocabulary and its merges, a pair a line."""
    lines = merges.read_text(encoding="utf-8").split("\n")
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": pairs,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": BYTE_LEVEL | {"use_regex": True},
        "post_processor": None,
        "decoder": BYTE_LEVEL | {"add_prefix_space": True, "use_regex": True},
        "model": model,
    }


def _with_added(content: Json, missing: dict[str, int]) -> tuple[Json, list[str]]:
    """The content with more added tokens, and all tokens of prompts special; which were not."""
    entries = {entry["content"]: entry for entry in content["added_tokens"]}
    ids = token_ids(content) | missing
    first, last = ids.get(END, 0), ids.get(LAST, -1)
    marks = {token: number for token, number in ids.items() if first <= number <= last}
    wrong = [token for token in marks if not entries.get(token, {}).get("special")]
    if not missing and not wrong:
        return content, []
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    for token, number in (missing | marks).items():
        entry = entries.get(token) or {"id": number, "content": token, **plain}
        entries[token] = entry | ({"special": True} if token in marks else {})
    added = sorted(entries.values(), key=lambda entry: entry["id"])
    return content | {"added_tokens": added}, wrong


def settings_of(content: Json) -> Json:
    """tokenizer_config.json for a tokenizer.json that was made: which tokens are no text."""
    special = [entry["content"] for entry in content["added_tokens"] if entry["special"]]
    named = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), END)
    kind = {"tokenizer_class": "WhisperTokenizer"}
    return {**named, **kind, "additional_special_tokens": special}


def _some(tokens: list[str]) -> str:
    """The first of some tokens, and how many more."""
    return tokens[0] + (f" and {len(tokens) - 1} more" if len(tokens) > 1 else "")


def token_ids(content: Json) -> dict[str, int]:
    """The id of every token of a tokenizer.json."""
    added = {entry["content"]: entry["id"] for entry in content["added_tokens"]}
    return content["model"]["vocab"] | added
