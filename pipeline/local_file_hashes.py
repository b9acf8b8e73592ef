"""What local files hold, known by content: their times and sizes are set at will by copying."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from common.files import sha256_of, write_text
from common.progress import Progress

SETTLED = 2.0  # seconds after which another change surely gives a file another time


class Contents:
    """Hashes of files, each computed once: it is remembered with the file's size, inode and times.

    Args:
        memory: File to remember in; need not exist.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[int | str]] = {}
        with suppress(OSError, ValueError):  # what is not remembered is hashed again
            self._known = json.loads(memory.read_text(encoding="utf-8"))
        self._changed = False

    def of(self, folder: Path, names: Iterable[str]) -> str:
        """One SHA-256 over names and bytes of files of a folder; of one that is unreadable, why.

        Never raises: the job that reads the files says what is to be done about them.
        """
        digest = hashlib.sha256()
        for name in Progress(sorted(names), desc=f"hashing {folder}", unit="file"):
            try:
                found = self._sha256(folder / name)
            except OSError as error:
                found = str(error.strerror)
            digest.update(f"{name} {found}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def keep(self) -> None:
        """Remember what was hashed."""
        if self._changed:
            with suppress(OSError):  # likewise
                write_text(self._memory, json.dumps(self._known))

    def _sha256(self, path: Path) -> str:
        key, found = os.path.realpath(path), path.stat()
        facts = [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]
        *known, digest = self._known.get(key, [""])
        if known == facts:
            return str(digest)
        digest = sha256_of(path)
        if time.time() - found.st_ctime > SETTLED:
            self._known[key] = [*facts, digest]
            self._changed = True
        return digest
