"""Files that a record or a manifest lists with their SHA-256: whether they still are those."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from common.cli import UserError
from common.files import is_unchanged, read_json


def check_listed(manifest: Path, names: Iterable[str] | None = None) -> None:
    """Refuse files beside a manifest that are not those that it lists.

    Args:
        manifest: The manifest.
        names: Of the files to look at; all where not given.

    Raises:
        UserError: One is missing or was changed; which, and what to do.
    """
    listed = {file["path"]: file["sha256"] for file in read_json(manifest)["files"]}
    for name in listed if names is None else names:
        check_file(manifest.parent / name, listed[name], manifest)


def check_file(path: Path, sha256: str, listing: Path) -> None:
    """Refuse a file that is not the one of which `listing` has this SHA-256.

    Raises:
        UserError: It is missing or was changed; what to do.
    """
    if not is_unchanged(path, sha256):
        raise UserError(
            f"{path} is missing or was changed; delete {listing} and run the same command again"
        )


def copy_listed(manifest: Path, places: dict[str, Path]) -> None:
    """Copy files that a manifest lists, checked.

    No links: what a copy is for must not change with the original, nor this with the copy.

    Args:
        manifest: The manifest.
        places: Where to, of each file by its name in the manifest.

    Raises:
        UserError: One is missing or was changed.
    """
    check_listed(manifest, places)
    for name, place in places.items():
        shutil.copyfile(manifest.with_name(name), place)
