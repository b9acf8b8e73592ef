"""What a checkpoint that does not take part as it is consists of, and where it is put together."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from data.base import parse
from data.checkpoint_check import read_json_of
from data.checkpoint_files import (
    PICKLE,
    PICKLE_INDEX,
    SMALL_FILES,
    WEIGHTS,
    base_files,
    checkpoint_files,
)

Manifest = dict[str, Any]


def small_base(base: str | None) -> tuple[dict[str, Path], Manifest]:
    """The small files of the base (see data/base.py), by name, and what identifies it."""
    if base is None:
        return {}, {}
    source, revision = parse(base)
    commit, home, names = checkpoint_files(source, revision, base_files)
    record = {"source": source, "revision": revision, "commit": commit}
    return {name: home / name for name in names}, record


def heads_of(own: dict[str, Path], base: dict[str, Path], where: str) -> list[Any] | None:
    """The base's alignment heads, where its decoder is of the checkpoint's size."""
    name, sizes = "generation_config.json", []
    if not {name, "config.json"} <= set(base):
        return None
    for files in (own, base):
        config = read_json_of(files["config.json"], "config.json", where)
        sizes.append([config.get(f"decoder_{key}") for key in ("layers", "attention_heads")])
    heads = read_json_of(base[name], name, where).get("alignment_heads")
    return heads if sizes[0] == sizes[1] else None


def pickled(weights: dict[str, Path]) -> dict[str, Path]:
    """Those of a checkpoint's weights that torch has pickled; none where there are safetensors."""
    return {name: path for name, path in weights.items() if name.startswith(Path(PICKLE).stem)}


def unpickle(weights: dict[str, Path], folder: Path, where: str) -> dict[str, Path]:
    """The safetensors file, in a folder, that torch's pickled files are written to."""
    from data.checkpoint_pickle import to_safetensors  # imports torch, which few checkpoints need

    files = [path for name, path in weights.items() if name != PICKLE_INDEX]
    to_safetensors(files, folder / WEIGHTS, where)
    return {WEIGHTS: folder / WEIGHTS}


def fill(folder: Path, files: dict[str, Path], changed: dict[str, str]) -> None:
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
