"""The figures of one task over some clips: a cell of quality.json."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import sacrebleu

from common.repetition import loop_in
from data.languages import UNSPACED
from evaluation.scoring import bootstrap
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.text_errors import (
    Errors,
    count_errors,
    in_wrong_script,
    language_of,
    normalise,
)

KINDS = {"float": FLOAT, "compiled": COMPILED}
PAIRINGS = tuple(f"{encoder}+{decoder}" for encoder in KINDS for decoder in KINDS)
NOT_COMPARED = {
    "change": {"difference": None, "interval": None, "harm": None},
    "no_worse": {"share": None, "clips": None},
}
FAILURES = ("empty", "looping", "at_limit", "wrong_script")
Row = dict[str, Any]  # a row of transcripts.json, and `errors` of each pairing


def scored(row: Row) -> Row:
    """A row with the errors and failures of each pairing."""
    code = language_of(row["task"], row)
    if not row["reference"]:
        return _scored_silence(row, code)
    reference, failures = row["reference"], {}
    for pairing, text in row["texts"].items():
        failures[pairing] = {
            "empty": not text,
            "looping": loop_in(text) is not None,
            "at_limit": row["at_limit"][pairing],
            "wrong_script": in_wrong_script(reference, text),
        }
    errors = {
        pairing: count_errors(reference, text, code) for pairing, text in row["texts"].items()
    }
    unit = "characters" if code in UNSPACED else "words"
    return {**row, "errors": errors, "failures": failures, "unit": unit}


def _scored_silence(row: Row, code: str) -> Row:
    """A row of which nobody says anything: whatever a model writes, it has invented."""
    failures = {
        pairing: {
            "inventing_text": bool(normalise(text, code)),
            "looping": loop_in(text) is not None,
        }
        for pairing, text in row["texts"].items()
    }
    errors = dict.fromkeys(row["texts"], Errors(0, 0, 0, 0))
    return {**row, "errors": errors, "failures": failures}


def by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows of each task."""
    found = defaultdict(list)
    for row in rows:
        found[row["task"]].append(row)
    return found


def edits(rows: list[Row], pairing: str) -> np.ndarray:
    """Errors of each row, [rows], of each at most as many as its reference has units."""
    return np.array([row["errors"][pairing].capped for row in rows])


def units(rows: list[Row]) -> np.ndarray:
    """Words or characters of each row's reference, [rows]."""
    return np.array([row["errors"][COMPILED].units for row in rows])


def cell(rows: list[Row], harm: bool | None = None) -> dict[str, Any]:
    """All figures of one task over some clips; None stands for those of pairings not heard.

    Args:
        rows: Of these clips.
        harm: Whether the gate has found that compiling did harm there.
    """
    size = units(rows)
    pairings: dict[str, dict[str, Any]] = {}
    for pairing in PAIRINGS:
        pairings[pairing] = dict.fromkeys([*Errors(0, 0, 0, 1).as_dict(), "uncapped", "interval"])
        if pairing in rows[0]["texts"]:
            total = sum((row["errors"][pairing] for row in rows), start=Errors(0, 0, 0, 0))
            errors = edits(rows, pairing)
            pairings[pairing] = total.as_dict() | {
                "rate": float(errors.sum() / size.sum()),
                "uncapped": total.rate,
                "interval": bootstrap.interval(bootstrap.rate, errors, size),
            }
    found = {row["unit"] for row in rows}
    kinds = heard_kinds(rows)
    return {
        "unit": found.pop() if len(found) == 1 else "mixed",
        "clips": len(rows),
        "pairings": pairings,
        **(compared(rows, harm) if "float" in kinds else NOT_COMPARED),
        "rates": {
            kind: {
                name: share(rows, KINDS[kind], name) if kind in kinds else None for name in FAILURES
            }
            for kind in KINDS
        },
        "chrf": chrf(rows) if rows[0]["task"] == "translate" else None,
    }


def heard_kinds(rows: list[Row]) -> dict[str, str]:
    """Float and compiled, as far as rows have them, and their pairings."""
    return {kind: pairing for kind, pairing in KINDS.items() if pairing in rows[0]["texts"]}


def compared(rows: list[Row], harm: bool | None) -> dict[str, Any]:
    """Compiled against float, clip by clip."""
    before, after, size = edits(rows, FLOAT), edits(rows, COMPILED), units(rows)
    no_worse = after <= before
    return {
        "change": {
            "difference": float((after - before).sum() / size.sum()),
            "interval": bootstrap.interval_of_difference(before, after, size),
            "harm": harm,
        },
        "no_worse": {"share": float(np.mean(no_worse)), "clips": int(no_worse.sum())},
    }


def share(rows: list[Row], pairing: str, failure: str) -> float:
    """Share of clips that fail in a way."""
    return float(np.mean([row["failures"][pairing][failure] for row in rows]))


def chrf(rows: list[Row]) -> dict[str, float | None]:
    """Corpus chrF (0 to 100) of float and compiled translations, by sacrebleu's defaults."""
    references = [[row["reference"] for row in rows]]
    found = {
        kind: sacrebleu.corpus_chrf([row["texts"][pairing] for row in rows], references).score
        for kind, pairing in heard_kinds(rows).items()
    }
    return dict.fromkeys(KINDS) | found
