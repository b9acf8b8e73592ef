"""The figures of conditions.json: how float and compiled model hear under each condition."""

from collections import defaultdict
from typing import Any

from data.languages import UNSPACED
from evaluation.scoring.segments import end_figures
from evaluation.scoring.task_statistics import KINDS, Row, cell, share
from evaluation.scoring.text_errors import normalise

LONG, NOISE, TIMESTAMPS, SILENCE = CONDITIONS = ("long audio", "noise", "timestamps", "silence")


def figures_of(condition: str, rows: list[Row], cells: dict[str, Any]) -> dict[str, Any]:
    """What quality.json has of a condition.

    Args:
        condition: One of CONDITIONS.
        rows: Scored rows of it.
        cells: Its cells, as of a task; of silence, None.

    Returns:
        The number of recordings and their seconds, and the cells. Of noise also `levels`, a cell
        for each ratio of speech to noise; of timestamps `ends`. Of silence: `invented`.
    """
    found = {"recordings": len(rows), "seconds": sum(row["seconds"] for row in rows)}
    if condition == SILENCE:
        return found | {"invented": _everywhere(rows, invented)}
    found |= cells
    if condition == NOISE:
        heard = [row for row in rows if row["language"] not in cells["unheard"]]
        levels = by_column(heard or rows, "noise_db")
        found["levels"] = {f"{level:g}": cell(levels[level]) for level in sorted(levels)[::-1]}
    if condition == TIMESTAMPS:
        found["ends"] = _everywhere(rows, lambda some: end_figures(some, KINDS))
    return found


def invented(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Of float and compiled model: shares of recordings without text and with loops, and words."""
    return {
        kind: {
            "wordless": 1 - share(rows, pairing, "inventing_text"),
            "looping": share(rows, pairing, "looping"),
            "words": sum(_length(row["texts"][pairing], row["whisper_language"]) for row in rows),
        }
        for kind, pairing in KINDS.items()
    }


def _length(text: str, code: str) -> int:
    """Words of a text; characters where words are not spaced."""
    known = normalise(text, code)
    return len(known if code in UNSPACED else known.split())


def _everywhere(rows: list[Row], of: Any) -> dict[str, Any]:
    """A figure of all rows, and of those of each language."""
    languages = by_column(rows, "language")
    return {"all": of(rows), "languages": {name: of(own) for name, own in languages.items()}}


def by_column(rows: list[Row], column: str) -> dict[Any, list[Row]]:
    """Rows by what a column says, sorted by it."""
    found = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return dict(sorted(found.items()))
