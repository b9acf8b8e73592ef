"""Labels that are finished, on disk from the batch in which they were made."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from common.line_store import LineStore


class Label(NamedTuple):
    """What is said in a clip, and that in English; None where nobody has translated it."""

    transcription: str
    translation: str | None


class LabelStore:
    """Labels by their keys; those of other clips and checkpoints stay."""

    def __init__(self, path: Path) -> None:
        """Read the labels at `path`, or begin there without any."""
        self._lines = LineStore(path)

    def find(self, key: str) -> Label | None:
        """The label that was made under `key`."""
        line = self._lines.find(key)
        return Label(**line) if line else None

    def add(self, labels: Iterable[tuple[str, Label]]) -> None:
        """Keep some labels, each with its key."""
        self._lines.add((key, label._asdict()) for key, label in labels)
