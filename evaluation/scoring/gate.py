"""The gate: is the compiled model good enough; the sentence that says why not.

Example:
    python -m evaluation.scoring.gate evaluation/results/whisper-small/cpu/quality.json

Ends with status 1 and the sentence where a model has not passed. A check fails where compiling did
harm, which all checks together claim of a harmless change in 5 % of cases at most (evidence.py),
and where that harm is beyond its bound. docs/fidelity.md has how often it finds what.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import UserError, run
from common.files import write_text
from evaluation.scoring.checks import (
    ACCURACY,
    RATE,
    WEIGHTS,
    Check,
    checks_of,
    condition_checks,
    kind_under,
)
from evaluation.scoring.evidence import LEVEL, evidence, largest_sum
from evaluation.scoring.pairs import Pairs, pairs_of
from evaluation.scoring.result_files import read_result

AT_LEAST = (ACCURACY,)  # the other checks ask for a figure at most
PASSED, FAILED, UNKNOWN = "passed", "failed", "too few clips"


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
    """Differences of all checks, [clips of all tasks, checks]."""
    blocks = {task: np.zeros((len(pairs.units), len(drawn))) for task, pairs in heard.items()}
    for column, (task, check) in enumerate(drawn):
        blocks[task][check.chosen, column] = check.differences
    return np.concatenate(list(blocks.values()))


Rows = dict[str, list[dict[str, Any]]]  # scored, of each task or condition; at least one


def judge(tasks: Rows, gate: dict[str, float], conditions: Rows | None = None) -> dict[str, Any]:
    """All checks, whether the model has passed, and the sentence.

    Args:
        tasks: Rows of each task.
        gate: The bounds.
        conditions: Rows of each condition, if any was heard.
    """
    of_tasks = {task: pairs_of(rows) for task, rows in tasks.items()}
    others = {name: pairs_of(rows) for name, rows in (conditions or {}).items()}
    unheard = {name: one.unheard() for name, one in (of_tasks | others).items()}
    checks = [weighed.told() for weighed in weigh(of_tasks, gate, others)]
    failed = [check for check in checks if check["verdict"] == FAILED]
    rates = [check for check in checks if check["task"] in tasks and check["what"] == RATE]
    if not rates:
        sentence = "not judged: in no language does the float model hear anything"
    else:
        sentence = refused(failed, len(checks)) if failed else passed(checks, rates)
    return {
        "passed": not failed if rates else None,
        "sentence": sentence + named({task: unheard[task] for task in tasks}),
        "checks": checks,
        "unheard": unheard,
    }


def refused(failed: list[dict[str, Any]], count: int) -> str:
    """The sentence of a model that fails some of its checks."""
    # That of a language says more than that of all.
    first = max(failed, key=lambda c: (bool(c["language"]), abs(c["figure"] - c["bound"])))
    more = f"; {len(failed) - 1} more of {count} checks fail" if len(failed) > 1 else ""
    return f"not passed: {said(first)}{more}"


def passed(checks: list[dict[str, Any]], rates: list[dict[str, Any]]) -> str:
    """The sentence of a model that passes: how many checks, and what they cannot have seen.

    Args:
        checks: All of them.
        rates: Those of the tasks' error rates, at least one.
    """
    unknown = sum(check["verdict"] == UNKNOWN for check in checks)
    doubt = f"; on {unknown} of them there are too few clips to tell" if unknown else ""
    clips = max(check["clips"] for check in rates)
    rises = [f"{rise_of(check)} ({check['task']})" for check in rates]
    hidden = " or by ".join(rises) if len(rises) > 1 else rise_of(rates[0])
    return (
        f"passed: {len(checks)} checks{doubt}; with {clips} clips a rise of the error rate by"
        f" {hidden} cannot be seen"
    )


def rise_of(check: dict[str, Any]) -> str:
    """The least rise of an error rate that its clips show, in words."""
    more = check["seen"] - check["float"]
    if more <= check["float"]:
        return f"less than {100 * more / check['float']:.0f} % of itself"
    # Several times a rate that is next to nothing.
    return f"less than {100 * more:.1f} percentage points"


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
    quality = read_result(args.quality)
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
