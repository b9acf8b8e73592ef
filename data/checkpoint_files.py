"""Which files a Whisper checkpoint takes, and having them on this disk."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.folders import files_in
from data.base import ADAPTER
from data.cache import Repo, cached_commit, is_offline, is_whole, local_folder_of, snapshot
from data.checkpoint_check import EXTRACTORS, is_extractor, look, read_json_of
from data.checkpoint_tokenizer import FILES as TOKENIZER

# Everything that Whisper's config, generation config, tokenizer and processor are read from.
SMALL_FILES = tuple(sorted(("config.json", "generation_config.json", *EXTRACTORS, *TOKENIZER)))
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
LAYOUT = "name a Whisper checkpoint in the layout of openai/whisper-small"

Have = Callable[[str], Path]  # the path of a file by its name
Pick = Callable[[str, Sequence[str], Have], list[str]]  # what to take of what there is


class Lacking(UserError):
    """A checkpoint lacks a file."""


def is_adapter(names: Sequence[str]) -> bool:
    """Whether files are those of an adapter, and of no whole model."""
    return ADAPTER in names and "config.json" not in names


def base_files(where: str, names: Sequence[str], have: Have) -> list[str]:
    """What to take of a checkpoint that only completes another: its small files."""
    del where, have
    return [name for name in SMALL_FILES if name in names]


def whisper_files(
    where: str, names: Sequence[str], have: Have, base: dict[str, Path] | None = None
) -> list[str]:
    """The files to take of a Whisper checkpoint that holds `names`; `have` gives the path of one.

    Args:
        where: Its name, for messages.
        names: The files that there are.
        have: Gives the path of one, which it fetches if need be.
        base: The small files of the checkpoint that it was trained from, where that is known.

    Raises:
        UserError: It is not a Whisper checkpoint, or its files contradict each other; the message
            names the missing file, the wrong key or both values.
    """

    def require(*alternatives: str, among: Sequence[str], what: str) -> None:
        if not set(alternatives) & set(among):
            hint = "" if base or what.endswith("weights") else ", or the one that it was trained"
            hint += " from under models.<name>.base" if hint else ""
            raise Lacking(
                f"{where} has no {' or '.join(alternatives)}, hence no {what}: {LAYOUT}{hint}"
            )

    if is_adapter(names):
        require(*ADAPTER_WEIGHTS, among=names, what="adapter weights")
        weights = next(name for name in ADAPTER_WEIGHTS if name in names)
        return [ADAPTER, weights, *(name for name in SMALL_FILES if name in names)]
    require("config.json", among=names, what="model configuration")
    kind = read_json_of(have("config.json"), "config.json", where).get("model_type")
    if kind != "whisper":
        raise UserError(
            f"{where} is not a Whisper checkpoint: its config.json says model_type {kind!r}"
        )
    own = [name for name in SMALL_FILES if name in names]
    files = completed({name: have(name) for name in own}, base or {}, where)
    require("generation_config.json", among=files, what="language and task tokens")
    require("tokenizer.json", "vocab.json", among=files, what="tokenizer")
    if "tokenizer.json" not in files:
        require("merges.txt", among=files, what="tokenizer (vocab.json is half of one)")
    found = [name for name in EXTRACTORS if name in files and _tells(files, name, where)]
    require(*EXTRACTORS, among=found, what="feature extractor")
    look(files, where)
    return [*own, *weight_files(where, names, have)]


def weight_files(where: str, names: Sequence[str], have: Have) -> list[str]:
    """The weights to take: safetensors if there are any, else what torch has pickled.

    Raises:
        UserError: There are none, a shard is missing, or the index names none.
    """
    for single, index in ((WEIGHTS, INDEX), (PICKLE, PICKLE_INDEX)):
        if single in names:
            return [single]
        if index in names:
            shards = _shards(read_json_of(have(index), index, where), index, where)
            for shard in shards:
                if shard not in names:
                    raise Lacking(
                        f"{where} has no {shard}, hence no shard that {index} lists: {LAYOUT}"
                    )
            return [index, *shards]
    raise Lacking(
        f"{where} has no {WEIGHTS} or {INDEX} or {PICKLE} or {PICKLE_INDEX}, hence no weights:"
        f" {LAYOUT}, with safetensors weights"
    )


def _shards(content: dict[str, Any], index: str, where: str) -> list[str]:
    """The files that an index of weights names."""
    places = content.get("weight_map")
    names = list(places.values()) if isinstance(places, dict) else [places]
    if not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{index} of {where} has no weight_map that names the file of each tensor: take the one"
            " that was saved with the weights"
        )
    return sorted(set(names))


def completed(own: dict[str, Path], base: dict[str, Path], where: str) -> dict[str, Path]:
    """The small files of a checkpoint, with those of its base for what it lacks as a whole."""
    files = {name: path for name, path in base.items() if name == "generation_config.json"} | own
    if base and not _has_tokenizer(own):
        # Tokens that were added are the fine-tune's own.
        for half in ("vocab.json", "merges.txt"):
            files.pop(half, None)
        files = {name: base[name] for name in TOKENIZER if name in base} | files
    if base and not any(name in own and _tells(own, name, where) for name in EXTRACTORS):
        files = {name: path for name, path in files.items() if name not in EXTRACTORS}
        files |= {name: base[name] for name in EXTRACTORS if name in base}
    return files


def _tells(files: dict[str, Path], name: str, where: str) -> bool:
    """Whether one of EXTRACTORS says how features are made."""
    return name == EXTRACTORS[0] or is_extractor(read_json_of(files[name], name, where))


def _has_tokenizer(own: dict[str, Path]) -> bool:
    return "tokenizer.json" in own or {"vocab.json", "merges.txt"} <= set(own)


def checkpoint_files(
    source: str, revision: str, pick: Pick = whisper_files
) -> tuple[str | None, Path, list[str]]:
    """Have a checkpoint: its commit (None for a local folder), its folder, its files' names.

    Args:
        source: Hub name or local folder.
        revision: Branch, tag or commit on the Hub.
        pick: Says which of its files to take.

    Raises:
        UserError: it is not there, cannot be fetched whole, or is not a Whisper.
    """
    folder = local_folder_of(source, "model")
    if folder is not None:
        return None, folder, pick(source, files_in(folder), lambda name: folder / name)
    repo = Repo("model", source)
    if is_offline():
        return _in_cache(repo, revision, pick)
    from data import download, hub  # takes a second to import, and a local folder needs none of it

    try:
        commit = hub.resolve(repo, revision)
        listed = {file.path: file for file in hub.list_folder(repo, commit)[0]}
    except hub.Unreachable as error:
        if cached_commit(repo, revision) is None:
            raise
        print(f"{error}; going on with what is cached", file=sys.stderr)
        return _in_cache(repo, revision, pick)
    names = pick(
        f"{source} at {commit}",
        list(listed),
        lambda name: download.download(repo, commit, listed[name]),
    )
    download.check_space(repo, commit, [listed[name] for name in names])
    for name in names:
        download.download(repo, commit, listed[name])
    return commit, snapshot(repo, commit), names


def _in_cache(repo: Repo, revision: str, pick: Pick) -> tuple[str, Path, list[str]]:
    """A checkpoint that the cache holds whole: nothing is asked."""
    from data import hub_errors

    commit = cached_commit(repo, revision)
    if commit is None:
        raise UserError(hub_errors.offline(repo, revision))
    folder = snapshot(repo, commit)

    def have(name: str) -> Path:
        if not is_whole(folder / name):
            raise Lacking(name)
        return folder / name

    try:
        names = pick(repo.name, files_in(folder), have)
        for name in names:
            have(name)
    except Lacking:  # what is missing was never fetched
        raise UserError(hub_errors.offline(repo, revision)) from None
    return commit, folder, names
