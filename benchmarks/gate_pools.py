"""Real pairs that the gate is tried on: errors and failures of clips, in a file without texts."""

from pathlib import Path
from typing import Any

import numpy as np

from common.files import read_json
from evaluation.scoring.pairs import Pairs, pairs_of
from evaluation.scoring.task_statistics import by_task, scored

TASK = "transcribe"
Pools = dict[str, Pairs]  # of TASK, and of each condition


def pools_in(path: Path) -> Pools:
    """The pairs of a file."""
    return {name: _pairs(stored) for name, stored in read_json(path).items()}


def pools_of(folder: Path) -> dict[str, Any]:
    """What a file has of a folder of results: of its transcripts.json and conditions.json."""
    rows = [row for row in read_json(folder / "transcripts.json")["rows"] if row["task"] == TASK]
    rows += read_json(folder / "conditions.json")["rows"]
    return {name: _numbers(pairs_of(own)) for name, own in by_task(map(scored, rows)).items()}


def _numbers(pairs: Pairs) -> dict[str, Any]:
    failures = {
        name: [column.astype(int).tolist() for column in both]
        for name, both in pairs.failures.items()
    }
    columns = zip(pairs._fields, pairs[:4], strict=False)
    return {name: column.tolist() for name, column in columns} | {"failures": failures}


def _pairs(stored: dict[str, Any]) -> Pairs:
    failures = {
        name: tuple(np.array(column, bool) for column in both)
        for name, both in stored["failures"].items()
    }
    columns = [np.array(stored[name]) for name in Pairs._fields[:4]]
    return Pairs(*columns, failures, np.arange(len(columns[0])))
