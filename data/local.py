"""Speech in a local folder: its layout, and the files of a language in it. No network, no Hub."""

import os
from functools import cache
from pathlib import Path

from common.cli import UserError
from data.layouts import DEEPEST, detect, split_files
from data.own_audio import find_index, read_index

KINDS = (".parquet", ".tsv", ".tar.gz")


def local_layout(folder: Path) -> str | None:
    """The layout of a folder (see data/layouts.py), or None.

    Raises:
        UserError: it has several indexes of audio files.
    """
    return detect(_paths(folder)) or ("files" if find_index(folder) else None)


def local_split(folder: Path, language: str, split: str) -> list[str]:
    """Paths in a folder of a known layout of a language's files; own audio has no splits.

    Raises:
        UserError: there are none; the message says what there is instead.
    """
    layout, index = local_layout(folder), find_index(folder)
    if layout == "files" and index:
        return [index.name, *(entry.file for entry in read_index(index, language))]
    if layout is None:
        raise UserError(f"{folder} holds no speech in a known layout: correct data.source")
    return split_files(layout, _paths(folder), language, split, str(folder))


@cache
def _paths(folder: Path) -> tuple[str, ...]:
    """Relative paths, sorted, of the files that may be of one of FLEURS' layouts.

    Folders may be links, as where a disk holds what does not fit beside the rest.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        inside = Path(place).relative_to(folder)
        if len(inside.parts) == DEEPEST:  # which ends circles of links, too
            folders.clear()
        found += [(inside / name).as_posix() for name in names if name.endswith(KINDS)]
    return tuple(sorted(found))
