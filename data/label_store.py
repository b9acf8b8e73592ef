"""Labels that are finished, on disk from the batch in which they were made."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Label(NamedTuple):
    """What is said in a clip, and that in English; None where nobody has translated it."""

    transcription: str
    translation: str | None


class LabelStore:
    """A file that only grows, a line a label, found again by its key.

    Labels of other clips and checkpoints stay: going back to them costs nothing. A line that a
    kill has cut short is ignored, wherever it stands.
    """

    def __init__(self, path: Path) -> None:
        """Read the labels at `path`, or begin there without any."""
        self._path = path
        self._labels: dict[str, Label] = {}
        data = path.read_bytes() if path.is_file() else b""
        # Without its line break, the next line would be lost together with the one cut short.
        self._begin = b"" if data.endswith(b"\n") or not data else b"\n"
        for text in data.split(b"\n"):
            try:
                line = json.loads(text)  # bytes: a cut may go through a character
            except (json.JSONDecodeError, UnicodeDecodeError):
                continue
            self._labels[line["key"]] = Label(line["transcription"], line["translation"])

    def find(self, key: str) -> Label | None:
        """The label that was made under `key`."""
        return self._labels.get(key)

    def add(self, labels: Iterable[tuple[str, Label]]) -> None:
        """Keep some labels, each with its key."""
        new = dict(labels)
        lines = [{"key": key, **label._asdict()} for key, label in new.items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(self._begin + text.encode())
        self._begin = b""
        self._labels |= new
