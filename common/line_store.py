"""What is finished, on disk from the moment it is, to be found again by its key."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEY = "key"


class LineStore:
    """A file that only grows, a line of JSON an entry.

    Entries of other times stay: going back to them costs nothing. A line that a kill has cut short
    is ignored, wherever it stands.
    """

    def __init__(self, path: Path) -> None:
        """Read the entries at `path`, or begin there without any."""
        self._path = path
        self._entries: dict[str, dict[str, Any]] = {}
        data = path.read_bytes() if path.is_file() else b""
        # Without its line break, the next line would be lost together with the one cut short.
        self._begin = b"" if data.endswith(b"\n") or not data else b"\n"
        for text in data.split(b"\n"):
            try:
                line = json.loads(text)  # bytes: a cut may go through a character
            except (json.JSONDecodeError, UnicodeDecodeError):
                continue
            self._entries[line.pop(KEY)] = line

    def find(self, key: str) -> dict[str, Any] | None:
        """The entry that was made under `key`."""
        return self._entries.get(key)

    def add(self, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Keep some entries, each with its key; written at once: processes may share a file."""
        new = dict(entries)
        lines = [{KEY: key, **entry} for key, entry in new.items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            file.write(self._begin + text.encode())
        self._begin = b""
        self._entries |= new
