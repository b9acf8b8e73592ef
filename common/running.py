"""One run at a time in a folder.

The kernel releases the lock with the process that holds it, so a killed run needs no unlocking.
"""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from common.cli import RUN, UserError


def hold(path: Path) -> TextIO:
    """Take the lock at `path` for as long as the returned file stays open.

    Raises:
        UserError: Another run holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise UserError(
            f"another run is at work in this folder (process {file.read().strip()}); wait for it,"
            " or stop it with Ctrl-C in its terminal"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def announce() -> None:
    """Let the jobs that this process starts know whose they are: they end with it."""
    os.environ[RUN] = f"{socket.gethostname()}:{os.getpid()}"
