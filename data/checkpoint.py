r"""Have a Whisper checkpoint on this disk: all that `from_pretrained` reads, checked and listed.

Example:
    python -m data.checkpoint --source openai/whisper-small --revision main \
        --out data/checkpoints/whisper-small.json

Files of a Hub checkpoint go to the Hub's ordinary cache; a local folder stays where it is. Writes
{"source", "revision", "commit", "files": [{"path", "bytes", "sha256"}]}; the commit is null for a
local folder. Of the weights only one safetensors copy is taken: no Flax, ONNX, no float32
duplicate; pytorch_model.bin where there is no other, and kept as safetensors.

The files are compared with one another (docs/what_you_can_bring.md). Where they do not take part
as they are, because a setting is the pipeline's, a file comes from the base or is of another
format, the folder {name}.files beside the manifest has what takes part, the rest as links, and the
manifest says so: {"folder", "mended": [sentences], "original": [files], "base": {...}}.
"""

import argparse
import shutil
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import listed, write_json
from data.cache import folder_beside
from data.checkpoint_check import Look, look, read_json_of
from data.checkpoint_files import (
    PICKLE,
    PICKLE_INDEX,
    SMALL_FILES,
    WEIGHTS,
    base_files,
    checkpoint_files,
    completed,
    whisper_files,
)
from data.checkpoint_weights import check_weights

Manifest = dict[str, Any]


def have_checkpoint(source: str, revision: str, base: str | None, out: Path) -> Manifest:
    """Have a checkpoint, look at it, and make the folder beside `out` where there is need of one.

    Args:
        source: Hub name or local folder.
        revision: Branch, tag or commit on the Hub.
        base: Hub name or local folder of the checkpoint that it was trained from.
        out: The manifest that will list it.

    Raises:
        UserError: It cannot be had, or its files contradict each other.
    """
    based, base_record = _base(base)
    pick = partial(whisper_files, base=based)
    commit, home, names = checkpoint_files(source, revision, pick)
    own = {name: home / name for name in names if name in SMALL_FILES}
    small = completed(own, based, source)
    seen = look(small, source, _heads(own, based, source))
    weights = {name: home / name for name in names if name not in SMALL_FILES}
    pickled = [name for name in weights if name.startswith(Path(PICKLE).stem)]
    record: Manifest = {"source": source, "revision": revision, "commit": commit}
    folder = folder_beside(out)
    building = folder.with_name(f".{folder.name}.part")
    if home.resolve() == folder.resolve():
        raise UserError(f"source {source} is where its own copy is made: move it elsewhere")
    for old in (folder, building):
        shutil.rmtree(old, ignore_errors=True)
    if small == own and not seen.changed and not pickled:
        _check(weights, seen, source)
        return record | {"files": listed(home, names)}
    building.mkdir(parents=True)
    try:
        if pickled:
            weights = {WEIGHTS: _unpickled(weights, building / WEIGHTS, source)}
        _check(weights, seen, source)
        _fill(building, small | weights, seen.changed)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    from_base = [name for name, path in small.items() if own.get(name) != path]
    mended = [*seen.said, *(f"{name} is the base's" for name in from_base)]
    mended += [f"{WEIGHTS} is made of {PICKLE}"] if pickled else []
    print(f"{source} is used with changes: {'; '.join(mended)}", file=sys.stderr)
    record |= {
        "files": listed(folder, sorted(small | weights | seen.changed)),
        "folder": folder.name,
    }
    replaced = sorted(set(seen.changed) & set(own) | set(pickled))
    record |= {"mended": mended, "original": listed(home, replaced)}
    if from_base:
        record["base"] = base_record | {"files": listed(based[from_base[0]].parent, from_base)}
    return record


def _base(base: str | None) -> tuple[dict[str, Path], Manifest | None]:
    """The small files of the base, and what identifies it."""
    if base is None:
        return {}, None
    commit, home, names = checkpoint_files(base, "main", base_files)
    record = {"source": base, "revision": "main", "commit": commit}
    return {name: home / name for name in names}, record


def _heads(own: dict[str, Path], base: dict[str, Path], where: str) -> list[Any] | None:
    """The base's alignment heads, where its decoder is of the checkpoint's size."""
    name, sizes = "generation_config.json", []
    if not {name, "config.json"} <= set(base):
        return None
    for files in (own, base):
        config = read_json_of(files["config.json"], "config.json", where)
        sizes.append([config.get(f"decoder_{key}") for key in ("layers", "attention_heads")])
    heads = read_json_of(base[name], name, where).get("alignment_heads")
    return heads if sizes[0] == sizes[1] else None


def _unpickled(weights: dict[str, Path], out: Path, where: str) -> Path:
    """The safetensors file that torch's pickled files are written to."""
    from data.checkpoint_pickle import to_safetensors  # imports torch, which few checkpoints need

    files = [path for name, path in weights.items() if name != PICKLE_INDEX]
    to_safetensors(files, out, where)
    return out


def _check(weights: dict[str, Path], seen: Look, where: str) -> None:
    """Refuse weights of which nothing can come; see `check_weights`."""
    paths = [path for name, path in weights.items() if name.endswith(".safetensors")]
    check_weights(paths, seen.config, where)


def _fill(folder: Path, files: dict[str, Path], changed: dict[str, str]) -> None:
    """Put what takes part into a folder: what was changed, copies of small files, links."""
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, path in files.items():
        place = folder / name
        if name in changed or path == place:
            continue
        if name not in SMALL_FILES:
            with suppress(OSError):  # a file system without links
                place.symlink_to(path.resolve())
        if not place.exists():
            shutil.copyfile(path, place)


def main(argv: list[str] | None = None) -> None:
    """Have a checkpoint and write its manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="Hub name (owner/name) or local folder")
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the Hub")
    parser.add_argument("--base", help="of a fine-tune: source of the checkpoint that it is of")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args(argv)
    given.out.unlink(missing_ok=True)  # it would not describe the folder while that is replaced
    write_json(given.out, have_checkpoint(given.source, given.revision, given.base, given.out))


if __name__ == "__main__":
    run(main)
