"""What a run of data.prepare knows of each recording, on disk until the manifest is complete."""

import json
from pathlib import Path
from typing import Any

from common.files import sha256_of, write_jsonl
from data.choose import Recording


class Journal:
    """A line a recording: the clip that was written of it, or why it cannot be used.

    The first line says what clips depend on; a journal that depends on something else is forgotten.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Go on with the journal at `path`, or begin one."""
        self.path = path
        self.unusable: dict[tuple[int, int], str] = {}
        self._written: dict[tuple[int, int], dict[str, Any]] = {}
        lines = _whole_lines(path)
        if not lines or lines[0] != {"key": key}:
            lines = [{"key": key}]
        write_jsonl(path, lines)  # once more, without a line that a kill cut short
        for line in lines[1:]:
            self._learn(line)

    def add(self, recording: Recording, **known: Any) -> None:
        """Note `unusable` (the reason), or `file`, `sha256` and what else is known of a clip."""
        line = {"at": [recording.file, recording.row], **known}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._learn(line)

    def is_usable(self, recording: Recording) -> bool:
        """Whether nothing is known against a recording."""
        return (recording.file, recording.row) not in self.unusable

    def clip(self, recording: Recording, wav: Path) -> dict[str, Any] | None:
        """What was noted of a recording, if it lies at `wav` and is whole, else None."""
        clip = self._written.get((recording.file, recording.row))
        if clip is None or clip["file"] != wav.name or not wav.is_file():
            return None
        return clip if sha256_of(wav) == clip["sha256"] else None

    def _learn(self, line: dict[str, Any]) -> None:
        key = (line["at"][0], line["at"][1])
        if "unusable" in line:
            self.unusable[key] = line["unusable"]
        else:
            self._written[key] = {name: line[name] for name in line if name != "at"}


def _whole_lines(path: Path) -> list[Any]:
    """The lines of a journal up to the first that was not written to its end."""
    lines = []
    for text in path.read_text(encoding="utf-8").split("\n") if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
