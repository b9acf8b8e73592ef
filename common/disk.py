"""Whether what is about to be written fits on the disk."""

import shutil
from pathlib import Path

from common.cli import UserError


def free_bytes(folder: Path) -> int:
    """Bytes that the disk of a folder, which need not exist yet, can still take."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free


def require_space(folder: Path, need: int, what: str, less: str = "") -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: Where it is written; need not exist yet.
        need: Bytes.
        what: What needs them.
        less: How to need less, as a piece of the sentence.

    Raises:
        UserError: it cannot; with both numbers.
    """
    if need > (free := free_bytes(folder)):
        raise UserError(
            f"{what} needs {need / 1e9:.2f} GB more, but the disk of {folder} has {free / 1e9:.2f}"
            f" GB left; free some space{less}, or put the project on a larger disk"
        )
