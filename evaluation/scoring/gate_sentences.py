"""The gate's verdicts in words."""

from typing import Any

from evaluation.scoring.checks import ACCURACY

AT_LEAST = (ACCURACY,)  # the other checks ask for a figure at most
PASSED, FAILED, UNKNOWN = "passed", "failed", "too few clips"
TOO_FEW = f"not judged: {UNKNOWN}"


def let_through(gate: dict[str, Any]) -> bool:
    """Whether a model has passed, or has too few clips to be judged."""
    return bool(gate["passed"]) or gate["sentence"].startswith(TOO_FEW)


def too_few(counts: list[tuple[int, int]]) -> str:
    """The sentence where no check could have failed.

    Args:
        counts: Of each check, how many clips it has and needs; that which lacks fewest is told.
    """
    clips, needed = min(counts, key=lambda pair: pair[1] - pair[0])
    return f"{TOO_FEW} ({clips} of {needed} needed)"


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
