"""The gate: is the compiled model good enough; the sentence that says why not.

Example:
    python -m evaluation.scoring.gate evaluation/results/whisper-small/cpu/quality.json

Ends with status 1 and the sentence where a model has not passed. Every bound is held against the
interval of its figure: where a few clips leave both possible, it is too few clips to tell.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError, run
from common.files import read_json, write_text
from evaluation.scoring import bootstrap

FLOAT, COMPILED = "float+float", "compiled+compiled"
MANY = 100  # clips from which on the figure itself decides where the interval does not
FEW = 5  # clips below which nothing can be told: an interval drawn from so few is too narrow
AT_LEAST = ("accuracy kept", "clips no worse")  # the other checks ask for a figure at most
PASSED, FAILED, UNKNOWN = "passed", "failed", "too few clips"


def verdict(figure: float, bound: float, interval: tuple[float, float], clips: int) -> str:
    """Whether a figure that must be at least `bound` is."""
    low, high = interval
    if clips >= FEW and low >= bound:
        return PASSED
    if clips >= FEW and high < bound:
        return FAILED
    if clips < MANY:
        return UNKNOWN
    return PASSED if figure >= bound else FAILED


class Counts:
    """What is counted in each clip of a task, or of one language of it: arrays [clips]."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.before = np.array([row["errors"][FLOAT].edits for row in rows])
        self.after = np.array([row["errors"][COMPILED].edits for row in rows])
        self.units = np.array([row["errors"][COMPILED].units for row in rows])
        self.clips = len(rows)

    def accuracy(self) -> tuple[float, tuple[float, float]]:
        """Share of the float model's accuracy that is left, and its interval."""
        columns = self.before, self.after, self.units
        figure = bootstrap.accuracy_kept(*(column.sum() for column in columns))
        return float(figure), bootstrap.interval(bootstrap.accuracy_kept, *columns)


def accuracy_check(what: str, counts: Counts, bound: float) -> dict[str, Any]:
    """Accuracy kept, of the float model's."""
    figure, interval = counts.accuracy()
    held = verdict(figure, bound, interval, counts.clips)
    return _check(what, figure, bound, interval, held)


def _check(
    what: str, figure: float, bound: float, interval: tuple[float, float], held: str
) -> dict[str, Any]:
    return {
        "what": what,
        "language": None,
        "figure": figure,
        "bound": bound,
        "interval": list(interval),
        "verdict": held,
    }


def at_most_check(
    what: str, before: np.ndarray, after: np.ndarray, units: np.ndarray, factor: float, more: float
) -> dict[str, Any]:
    """A rate that may be at most the float model's times `factor`, and `more`.

    Held against the bound is the difference of the two, clip by clip; shown is the rate's interval.
    """
    float_rate, figure = (float(column.sum() / units.sum()) for column in (before, after))
    bound = factor * float_rate + more

    def room(sum_before: np.ndarray, sum_after: np.ndarray, sum_units: np.ndarray) -> np.ndarray:
        return bootstrap.rate(factor * sum_before - sum_after, sum_units) + more

    low, high = bootstrap.interval(room, before, after, units)
    held = verdict(bound - figure, 0, (low, high), len(units))
    own = bootstrap.interval(bootstrap.rate, after, units)
    return _check(what, figure, bound, own, held)


def checks_of(rows: list[dict[str, Any]], gate: dict[str, float]) -> list[dict[str, Any]]:
    """The checks of one task."""
    counts = Counts(rows)
    no_worse = (counts.after <= counts.before).astype(int)
    ones = np.ones(counts.clips)
    quality = float(no_worse.mean()), bootstrap.share(int(no_worse.sum()), counts.clips)
    found = [
        accuracy_check("accuracy kept", counts, gate["word_accuracy"]),
        at_most_check(
            "error rate", counts.before, counts.after, counts.units, 1 + gate["rate_rise"], 0
        ),
        _check(
            "clips no worse",
            quality[0],
            gate["no_worse"],
            quality[1],
            verdict(quality[0], gate["no_worse"], quality[1], counts.clips),
        ),
    ]
    for failure in rows[0]["failures"][COMPILED]:
        columns = [
            np.array([int(row["failures"][pairing][failure]) for row in rows])
            for pairing in (FLOAT, COMPILED)
        ]
        what = f"clips {failure.replace('_', ' ')}"
        found.append(at_most_check(what, *columns, ones, 1, gate["failures"]))
    for language in sorted({row["language"] for row in rows}):
        own = Counts([row for row in rows if row["language"] == language])
        check = accuracy_check("accuracy kept", own, gate["language_word_accuracy"])
        found.append({**check, "language": language})
    return found


def judge(tasks: dict[str, list[dict[str, Any]]], gate: dict[str, float]) -> dict[str, Any]:
    """All checks, whether the model has passed, and the sentence.

    Args:
        tasks: Scored rows of each task; at least one.
        gate: The bounds.
    """
    checks = [
        {**check, "task": task} for task, rows in tasks.items() for check in checks_of(rows, gate)
    ]
    failed = [check for check in checks if check["verdict"] == FAILED]
    unknown = sum(check["verdict"] == UNKNOWN for check in checks)
    if failed:
        # That of a language says more than that of all.
        first = max(failed, key=lambda c: (bool(c["language"]), abs(c["figure"] - c["bound"])))
        more = f"; {len(failed) - 1} more of {len(checks)} checks fail" if len(failed) > 1 else ""
        sentence = f"not passed: {said(first)}{more}"
    else:
        doubt = f"; on {unknown} of them there are too few clips to tell" if unknown else ""
        sentence = f"passed: {len(checks)} checks{doubt}"
    return {"passed": not failed, "sentence": sentence, "checks": checks}


def within(check: dict[str, Any]) -> bool:
    """Whether a check's figure itself keeps its bound, however sure that is."""
    if check["what"] in AT_LEAST:
        return check["figure"] >= check["bound"]
    return check["figure"] <= check["bound"]


def said(check: dict[str, Any]) -> str:
    """A check in words: language, figure and bound."""
    where = " ".join(filter(None, (check["language"], check["task"])))
    figure, bound = f"{100 * check['figure']:.1f} %", f"{100 * check['bound']:.1f} %"
    side = "least" if check["what"] in AT_LEAST else "most"
    return f"{where}: {check['what']} {figure}, where {bound} at {side} is asked"


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quality", type=Path, help="quality.json")
    parser.add_argument("--out", type=Path, help="written where it has passed")
    args = parser.parse_args(argv)
    quality = read_json(args.quality)
    sentence = quality["gate"]["sentence"]
    if quality["gate"]["passed"] is None:
        raise UserError(f"{args.quality} was {sentence}; give evaluation.run --float and --gate")
    if not quality["gate"]["passed"]:
        report = args.quality.with_name("report.html")
        raise UserError(
            f"{quality['model']} for {quality['target']} has {sentence}; see {report}. The folder"
            f" {quality['folder']} is kept and says so; the bounds are evaluation.gate"
        )
    print(f"{quality['model']} for {quality['target']}: {sentence}")
    if args.out:
        write_text(args.out, f"{sentence}\n")


if __name__ == "__main__":
    run(main)
