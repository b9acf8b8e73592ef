"""The gate: is the compiled model good enough; the sentence that says why not.

Example:
    python -m evaluation.scoring.gate evaluation/results/whisper-small/cpu/quality.json

Ends with status 1 and the sentence where a model has not passed. A check fails where compiling did
harm, which all checks together claim of a harmless change in 5 % of cases at most (evidence.py),
and where that harm is beyond its bound. docs/fidelity.md has how often it finds what. Where there
are too few clips for any check to fail, the model is not judged and let through, as is said.
"""

import argparse
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError, run
from common.files import write_text
from evaluation.scoring.checks import (
    RATE,
    WEIGHTS,
    Check,
    checks_of,
    condition_checks,
    kind_under,
)
from evaluation.scoring.evidence import LEVEL, evidence, largest_sum
from evaluation.scoring.gate_sentences import (
    FAILED,
    PASSED,
    UNKNOWN,
    let_through,
    named,
    passed,
    refused,
    too_few,
)
from evaluation.scoring.pairs import Pairs, pairs_of
from evaluation.scoring.result_files import read_result


class Weighed(NamedTuple):
    """A check of a task or condition, and how sure it is that compiling did harm there."""

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
        most = largest_sum(len(self.check.units))
        return UNKNOWN if most < self.critical else PASSED

    def needed(self) -> int:
        """With how many clips, all of them heard worse, it could fail."""
        return math.ceil(round(self.critical**2, 6))

    def told(self) -> dict[str, Any]:
        """The check in numbers and words."""
        return {
            **self.check.told(self.critical),
            "task": self.task,
            "chance": self.chance,
            "harm": self.harm(),
            "verdict": self.verdict(),
        }


def weigh(
    tasks: dict[str, Pairs], gate: dict[str, float], conditions: dict[str, Pairs] | None = None
) -> list[Weighed]:
    """The checks of all tasks and conditions, weighed together, of what the float model hears.

    Args:
        tasks: The pairs of each task.
        gate: The bounds.
        conditions: The pairs of each condition; they have too few clips to ask by language.
    """
    heard = {name: pairs.heard() for name, pairs in (tasks | (conditions or {})).items()}
    drawn = [
        (name, check)
        for name, pairs in heard.items()
        if len(pairs.units)
        for check in (checks_of if name in tasks else condition_checks)(pairs, gate)
    ]
    if not drawn:
        return []
    kinds = [check.kind if name in tasks else kind_under(name, check) for name, check in drawn]
    found = evidence(_table(drawn, heard), kinds, WEIGHTS)
    return [
        Weighed(name, check, chance, found.critical[kind])
        for (name, check), kind, chance in zip(drawn, kinds, found.chances, strict=True)
    ]


def _table(drawn: list[tuple[str, Check]], heard: dict[str, Pairs]) -> np.ndarray:
    """Differences of all checks, [recordings, checks].

    Results of a recording are swapped together, whatever was asked of it: a model that mishears it
    in one task mishears it in the other.
    """
    clips = dict.fromkeys(clip for pairs in heard.values() for clip in pairs.clip.tolist())
    places = {clip: place for place, clip in enumerate(clips)}
    table = np.zeros((len(places), len(drawn)))
    for column, (task, check) in enumerate(drawn):
        rows = [places[clip] for clip in heard[task].clip[check.chosen].tolist()]
        np.add.at(table, (rows, column), check.differences)
    return table


Rows = dict[str, list[dict[str, Any]]]  # scored, of each task or condition; at least one


def judge(tasks: Rows, gate: dict[str, float], conditions: Rows | None = None) -> dict[str, Any]:
    """All checks, whether the model has passed (None: it is not judged), and the sentence.

    Args:
        tasks: Rows of each task.
        gate: The bounds.
        conditions: Rows of each condition, if any was heard.
    """
    of_tasks = {task: pairs_of(rows) for task, rows in tasks.items()}
    others = {name: pairs_of(rows) for name, rows in (conditions or {}).items()}
    unheard = {name: one.unheard() for name, one in (of_tasks | others).items()}
    weighed = weigh(of_tasks, gate, others)
    checks = [one.told() for one in weighed]
    failed = [check for check in checks if check["verdict"] == FAILED]
    rates = [check for check in checks if check["task"] in tasks and check["what"] == RATE]
    decided = bool(rates) and any(check["verdict"] != UNKNOWN for check in checks)
    if not rates:
        sentence = "not judged: in no language does the float model hear anything"
    elif not decided:
        sentence = too_few([(len(one.check.units), one.needed()) for one in weighed])
    else:
        sentence = refused(failed, len(checks)) if failed else passed(checks, rates)
    return {
        "passed": not failed if decided else None,
        "sentence": sentence + named({task: unheard[task] for task in tasks}),
        "checks": checks,
        "unheard": unheard,
    }


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quality", type=Path, help="quality.json")
    parser.add_argument("--out", type=Path, help="written where it is let through")
    args = parser.parse_args(argv)
    quality = read_result(args.quality)
    gate = quality["gate"]
    sentence = gate["sentence"]
    if not let_through(gate):
        if gate["passed"] is None:
            unheard = any(gate["unheard"].values())
            advice = "" if unheard else "; give evaluation.run --float and --gate"
            raise UserError(f"{args.quality} was {sentence}{advice}")
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
