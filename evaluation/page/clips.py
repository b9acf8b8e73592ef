"""The evaluation's clips, by language, the worst first, with what went wrong."""

from pathlib import Path
from typing import Any, NamedTuple

from common.files import read_json
from evaluation.report.format import SPACE, bare_percent
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.task_statistics import Row, scored

WORDS = {
    "empty": "empty",
    "looping": "loops",
    "at_limit": "cut off",
    "wrong_script": "wrong script",
}


class EvaluationClip(NamedTuple):
    """A clip that was evaluated, and how it went."""

    path: Path
    language: str  # FLEURS code
    whisper_language: str
    task: str
    reference: str
    label: str  # for a list: file, error rates, what went wrong


def worst_first(transcripts: Path, root: Path) -> list[EvaluationClip]:
    """The clips of a transcripts.json that are there; those that lost most by compiling first.

    Args:
        transcripts: Of the evaluation; no clips where there was none.
        root: What its paths are relative to.
    """
    if not transcripts.is_file():
        return []
    rows = [row for row in read_json(transcripts)["rows"] if row["reference"]]
    rows = [scored(row) for row in rows if (root / row["clip"]).is_file()]
    return [_clip(row, root) for row in sorted(rows, key=_key)]


def _key(row: Row) -> tuple[Any, ...]:
    rates = [row["errors"][one].rate for one in (COMPILED, FLOAT) if one in row["errors"]]
    failed = any(row["failures"][COMPILED].values())
    return not failed, rates[-1] - rates[0], -rates[0], row["clip"], row["task"]


def _clip(row: Row, root: Path) -> EvaluationClip:
    return EvaluationClip(
        path=root / row["clip"],
        language=row["language"],
        whisper_language=row["whisper_language"],
        task=row["task"],
        reference=row["reference"],
        label=f"{Path(row['clip']).stem}, {row['task']}: {_what(row)}",
    )


def _what(row: Row) -> str:
    """`float 0 %, compiled 20 %: worse`."""
    names = {"float": FLOAT, "compiled": COMPILED}
    rates = {kind: row["errors"][one].rate for kind, one in names.items() if one in row["errors"]}
    shown = ", ".join(f"{kind} {bare_percent(rate, 0)}{SPACE}%" for kind, rate in rates.items())
    failures = [word for name, word in WORDS.items() if row["failures"][COMPILED][name]]
    if failures:
        return f"{shown}, {', '.join(failures)}"
    before, after = rates.get("float", rates["compiled"]), rates["compiled"]
    if after == before:
        return f"{shown}{'' if after else ', right'}"
    return f"{shown}, {'worse' if after > before else 'better'}"
