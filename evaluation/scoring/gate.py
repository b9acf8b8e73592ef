"""The gate: is the compiled model good enough; the sentence that says why not.

Example:
    python -m evaluation.scoring.gate evaluation/results/whisper-small/cpu/quality.json

Ends with status 1 and the sentence where a model has not passed. A check fails where compiling did
harm, which all checks together claim of a harmless change in 5 % of cases at most (evidence.py),
and where that harm is beyond its bound. docs/fidelity.md has how often it finds what.
"""

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError, run
from common.files import read_json, write_text
from evaluation.scoring.checks import ACCURACY, RATE, WEIGHTS, Check, checks_of
from evaluation.scoring.evidence import LEVEL, evidence
from evaluation.scoring.pairs import Pairs, pairs_of

AT_LEAST = (ACCURACY,)  # the other checks ask for a figure at most
PASSED, FAILED, UNKNOWN = "passed", "failed", "too few clips"


class Weighed(NamedTuple):
    """A check of a task, and how sure it is that compiling did harm there."""

    task: str
    check: Check
    chance: float  # that a harmless change makes any check look as bad
    critical: float  # standard deviations from which on it is too small

    def harm(self) -> bool:
        """Whether compiling did harm there, and not chance."""
        return self.chance <= LEVEL

    def verdict(self) -> str:
        """Failed, passed, or unknown: not even with every clip of it heard worse would it fail."""
        if self.harm() and not self.check.kept():
            return FAILED
        # The sum of so many equal differences, in standard deviations.
        most = math.sqrt(len(self.check.units))
        return UNKNOWN if most < self.critical else PASSED

    def told(self) -> dict[str, Any]:
        """The check in numbers and words."""
        return {
            **self.check.told(self.critical),
            "task": self.task,
            "chance": self.chance,
            "harm": self.harm(),
            "verdict": self.verdict(),
        }


def weigh(tasks: dict[str, Pairs], gate: dict[str, float]) -> list[Weighed]:
    """The checks of all tasks, weighed together; none where the float model hears no language.

    Args:
        tasks: The pairs of each task.
        gate: The bounds.
    """
    heard = {task: pairs.heard() for task, pairs in tasks.items()}
    drawn = [
        (task, check)
        for task, pairs in heard.items()
        if len(pairs.units)
        for check in checks_of(pairs, gate)
    ]
    if not drawn:
        return []
    found = evidence(_table(drawn, heard), [check.kind for _, check in drawn], WEIGHTS)
    return [
        Weighed(task, check, chance, found.critical[check.kind])
        for (task, check), chance in zip(drawn, found.chances, strict=True)
    ]


def _table(drawn: list[tuple[str, Check]], heard: dict[str, Pairs]) -> np.ndarray:
    """Differences of all checks, [clips of all tasks, checks]."""
    blocks = {task: np.zeros((len(pairs.units), len(drawn))) for task, pairs in heard.items()}
    for column, (task, check) in enumerate(drawn):
        blocks[task][check.chosen, column] = check.differences
    return np.concatenate(list(blocks.values()))


def judge(tasks: dict[str, list[dict[str, Any]]], gate: dict[str, float]) -> dict[str, Any]:
    """All checks, whether the model has passed, and the sentence.

    Args:
        tasks: Scored rows of each task; at least one.
        gate: The bounds.
    """
    pairs = {task: pairs_of(rows) for task, rows in tasks.items()}
    unheard = {task: one.unheard() for task, one in pairs.items()}
    checks = [weighed.told() for weighed in weigh(pairs, gate)]
    failed = [check for check in checks if check["verdict"] == FAILED]
    if not checks:
        sentence = "not judged: in no language does the float model hear anything"
    else:
        sentence = refused(failed, len(checks)) if failed else passed(checks)
    return {
        "passed": not failed if checks else None,
        "sentence": sentence + named(unheard),
        "checks": checks,
        "unheard": unheard,
    }


def refused(failed: list[dict[str, Any]], count: int) -> str:
    """The sentence of a model that fails some of its checks."""
    # That of a language says more than that of all.
    first = max(failed, key=lambda c: (bool(c["language"]), abs(c["figure"] - c["bound"])))
    more = f"; {len(failed) - 1} more of {count} checks fail" if len(failed) > 1 else ""
    return f"not passed: {said(first)}{more}"


def passed(checks: list[dict[str, Any]]) -> str:
    """The sentence of a model that passes: how many checks, and what they cannot have seen."""
    unknown = sum(check["verdict"] == UNKNOWN for check in checks)
    doubt = f"; on {unknown} of them there are too few clips to tell" if unknown else ""
    rates = [check for check in checks if check["what"] == RATE]
    clips = max(check["clips"] for check in rates)
    rises = [f"{rise_of(check)} ({check['task']})" for check in rates]
    hidden = " and ".join(rises) if len(rises) > 1 else rise_of(rates[0])
    return (
        f"passed: {len(checks)} checks{doubt}; with {clips} clips a rise of the error rate below"
        f" {hidden} cannot be seen"
    )


def rise_of(check: dict[str, Any]) -> str:
    """The least rise of an error rate that its clips show, in words."""
    more = check["seen"] - check["float"]
    if more <= check["float"]:
        return f"{100 * more / check['float']:.0f} %"
    return f"{100 * more:.1f} points"  # several times a rate that is next to nothing


def named(unheard: dict[str, dict[str, float]]) -> str:
    """The languages that decide nothing, as the end of a sentence."""
    found = [
        f"{language} ({task}, error rate {100 * rate:.0f} %)"
        for task, languages in unheard.items()
        for language, rate in languages.items()
    ]
    return f"; the float model does not hear {', '.join(found)}" if found else ""


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
        unheard = any(quality["gate"]["unheard"].values())
        advice = "" if unheard else "; give evaluation.run --float and --gate"
        raise UserError(f"{args.quality} was {sentence}{advice}")
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
