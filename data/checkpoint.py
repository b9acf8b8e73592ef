r"""Have a Whisper checkpoint on this disk: all that `from_pretrained` reads, checked and listed.

Example:
    python -m data.checkpoint --source openai/whisper-small --revision main \
        --out data/checkpoints/whisper-small.json

Files of a Hub checkpoint go to the Hub's ordinary cache; a local folder stays where it is. Writes
{"source", "revision", "commit", "files": [{"path", "bytes", "sha256"}]}; the commit is null for a
local folder. Of the weights only one safetensors copy is taken: no .bin, Flax, ONNX, no float32
duplicate.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from common.cli import UserError, run
from common.files import listed, write_json
from data.cache import (
    Repo,
    cached_commit,
    is_offline,
    is_whole,
    local_folder_of,
    snapshot,
)

# Everything that Whisper's config, generation config, tokenizer and processor are read from.
SMALL_FILES = (
    "added_tokens.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "normalizer.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
)
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def whisper_files(where: str, names: Sequence[str], have: Callable[[str], Path]) -> list[str]:
    """The files to take of a Whisper checkpoint that holds `names`; `have` gives the path of one.

    Raises:
        UserError: it is not a Whisper checkpoint; the message names the missing file or wrong key.
    """

    def require(*alternatives: str, what: str) -> None:
        if not set(alternatives) & set(names):
            raise UserError(
                f"{where} has no {' or '.join(alternatives)}, hence no {what}: name a Whisper"
                " checkpoint in the layout of openai/whisper-small, with safetensors weights"
            )

    require("config.json", what="model configuration")
    kind = _read_json(have("config.json"), where).get("model_type")
    if kind != "whisper":
        raise UserError(
            f"{where} is not a Whisper checkpoint: its config.json says model_type {kind!r}"
        )
    require("generation_config.json", what="language and task tokens")
    _check_generation(_read_json(have("generation_config.json"), where), where)
    require("tokenizer.json", "vocab.json", what="tokenizer")
    require("preprocessor_config.json", "processor_config.json", what="feature extractor")
    require(WEIGHTS, INDEX, what="safetensors weights")
    weights = [WEIGHTS]
    if WEIGHTS not in names:
        weights = [INDEX, *sorted(set(_read_json(have(INDEX), where)["weight_map"].values()))]
        for shard in weights:
            require(shard, what=f"shard that {INDEX} lists")
    return [*(name for name in SMALL_FILES if name in names), *weights]


def _check_generation(generation: dict[str, Any], where: str) -> None:
    """Refuse a generation configuration of before 2023: it does not say which prompt is right."""
    needed = ["is_multilingual", "no_timestamps_token_id"]
    if generation.get("is_multilingual"):
        needed += ["lang_to_id", "task_to_id"]
    for key in needed:
        if key not in generation:
            raise UserError(
                f"generation_config.json of {where} has no {key}: replace it by that of the OpenAI"
                " checkpoint that the model was trained from"
            )


def _check_weights(path: Path, where: str) -> None:
    """Refuse a weight file that is cut off or is none: its header does not fit its size."""
    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise UserError(f"{path.name} of {where} is damaged ({error}): get it again") from error


def _read_json(path: Path, where: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} of {where} is not JSON ({error}): replace it") from error


def checkpoint_files(source: str, revision: str) -> tuple[str | None, Path, list[str]]:
    """Have a checkpoint: its commit (None for a local folder), its folder, its files' names.

    Raises:
        UserError: it is not there, cannot be fetched whole, or is not a Whisper.
    """
    folder = local_folder_of(source)
    if folder is not None:
        names = [path.name for path in folder.iterdir() if path.is_file()]
        return None, folder, whisper_files(source, names, lambda name: folder / name)
    repo = Repo("model", source)
    if is_offline():
        return _in_cache(repo, revision)
    from data import download, hub  # takes a second to import, and a local folder needs none of it

    try:
        commit = hub.resolve(repo, revision)
        listed = {file.path: file for file in hub.list_folder(repo, commit)[0]}
    except hub.Unreachable as error:
        if cached_commit(repo, revision) is None:
            raise
        print(f"{error}; going on with what is cached", file=sys.stderr)
        return _in_cache(repo, revision)
    names = whisper_files(
        f"{source} at {commit}",
        list(listed),
        lambda name: download.download(repo, commit, listed[name]),
    )
    download.check_space(repo, commit, [listed[name] for name in names])
    for name in names:
        download.download(repo, commit, listed[name])
    return commit, snapshot(repo, commit), names


def _in_cache(repo: Repo, revision: str) -> tuple[str, Path, list[str]]:
    """A checkpoint that the cache holds whole: nothing is asked."""
    commit = cached_commit(repo, revision)
    if commit:
        folder = snapshot(repo, commit)
        names = [path.name for path in folder.iterdir() if path.is_file()]
        with suppress(UserError):  # what is missing was never fetched
            names = whisper_files(repo.name, names, lambda name: folder / name)
            if all(is_whole(folder / name) for name in names):
                return commit, folder, names
    from data import hub_errors

    raise UserError(hub_errors.offline(repo, revision))


def main(argv: list[str] | None = None) -> None:
    """Have a checkpoint and write its manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="Hub name (owner/name) or local folder")
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the Hub")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args(argv)
    commit, folder, names = checkpoint_files(given.source, given.revision)
    for name in names:
        if name.endswith(".safetensors"):
            _check_weights(folder / name, given.source)
    files = listed(folder, names)
    write_json(
        given.out,
        {"source": given.source, "revision": given.revision, "commit": commit, "files": files},
    )


if __name__ == "__main__":
    run(main)
