"""Folders that a configuration names, which may be anyone's: there, absent or locked."""

import errno
import os
from pathlib import Path

from common.cli import UserError
from common.files import expanded


def folder_at(source: str) -> Path | None:
    """The folder at a path; None if there is none.

    Raises:
        UserError: This user may not look at it, or it can be no path.
    """
    folder = expanded(source)
    try:
        found = folder.is_dir()
    except OSError as error:
        raise _cannot_be_read(folder, error.strerror) from error
    if found and not os.access(folder, os.R_OK | os.X_OK):
        raise _cannot_be_read(folder, os.strerror(errno.EACCES))
    return folder if found else None


def _cannot_be_read(folder: Path, why: str | None) -> UserError:
    return UserError(f"{folder} cannot be read ({why}): let this user read it, or name another one")


def files_in(folder: Path) -> list[str]:
    """Names of the files in a folder; no links among them that lead nowhere or to what is locked.

    Raises:
        OSError: The folder itself cannot be read.
    """
    # Path.is_file raises where such a link is followed.
    return [path.name for path in folder.iterdir() if os.path.isfile(path)]  # noqa: PTH113
