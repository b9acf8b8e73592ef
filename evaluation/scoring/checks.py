"""The checks of a gate: the figure of each, its bound, and what its clips could show."""

from typing import Any, NamedTuple

import numpy as np

from evaluation.scoring import bootstrap
from evaluation.scoring.conditions import LONG
from evaluation.scoring.evidence import clips_needed, harm_found
from evaluation.scoring.pairs import Pairs

ACCURACY, RATE = "accuracy kept", "error rate"
ERRORS, LOOPS = "errors", "loops"  # kinds of evidence
APART = {ERRORS: "errors, conditions", LOOPS: "loops, conditions"}  # kinds of conditions' evidence
# Six loops where there were none are little for a test, and much for whoever must read them. What
# conditions are given is taken from the tasks: so little that these find what they found before.
WEIGHTS = {ERRORS: 1.0, LOOPS: 2.0, APART[ERRORS]: 0.05, APART[LOOPS]: 0.1}
LOOPED = ("clips looping", "clips at limit", "clips inventing text")
TIE = 0.1  # of texts that fail as often before and after, those with more errors are worse


class Check(NamedTuple):
    """A figure that a compiled model must keep: arrays [clips] of those that it looks at."""

    what: str
    language: str | None
    chosen: np.ndarray  # indices of these clips among all of the task
    before: np.ndarray  # what is counted: errors, or failing texts
    after: np.ndarray
    units: np.ndarray
    differences: np.ndarray  # what the evidence is drawn from
    bound: float

    @property
    def kind(self) -> str:
        """Which evidence it is compared with: a text that is nothing or another's is all errors."""
        return LOOPS if self.what in LOOPED else ERRORS

    def figure(self, count: float) -> float:
        """The figure where so much is counted after compiling."""
        units, before = float(self.units.sum()), float(self.before.sum())
        if self.what == ACCURACY:
            return max(units - count, 0) / (units - before) if units > before else 1.0
        return count / units

    def kept(self) -> bool:
        """Whether the figure itself keeps its bound, however sure that is."""
        figure = self.figure(float(self.after.sum()))
        return figure >= self.bound if self.what == ACCURACY else figure <= self.bound

    def allowed(self) -> float:
        """How much more the bound lets compiling add to what is counted."""
        units, before = float(self.units.sum()), float(self.before.sum())
        if self.what == ACCURACY:
            return (1 - self.bound) * (units - before)
        return self.bound * units - before

    def spread(self) -> float:
        """Sum of the squares of what the evidence is drawn from, ties left out."""
        return float(np.abs(self.after - self.before).sum())

    def found_from(self, critical: float) -> float:
        """How much more must be counted to be found in four of five draws of such clips."""
        return harm_found(self.spread(), critical)

    def interval(self) -> tuple[float, float]:
        """95 % interval of the figure."""
        if self.what == ACCURACY:
            columns = self.before, self.after, self.units
            return bootstrap.interval(bootstrap.accuracy_kept, *columns)
        return bootstrap.interval(bootstrap.rate, self.after, self.units)

    def told(self, critical: float) -> dict[str, Any]:
        """All that is told of a check but its verdict; see Evidence for `critical`.

        `seen` is the figure that would be found in four of five draws of such clips, `needed` the
        number of clips that would find one at the bound.
        """
        count, before = len(self.units), float(self.before.sum())
        seen = min(before + self.found_from(critical), float(self.units.sum()))
        return {
            "what": self.what,
            "language": self.language,
            "clips": count,
            "figure": self.figure(float(self.after.sum())),
            "float": self.figure(before),
            "bound": self.bound,
            "kept": self.kept(),
            "interval": list(self.interval()),
            "seen": self.figure(seen),
            "needed": clips_needed(self.allowed() / count, self.spread() / count, critical),
        }


def kind_under(condition: str, check: Check) -> str:
    """The kind of evidence of a condition's check: one apart, but for loops in long audio.

    These are as rare as those of the tasks, and what long audio is heard for: a handful is enough.
    """
    return check.kind if condition == LONG and check.kind == LOOPS else APART[check.kind]


def checks_of(pairs: Pairs, gate: dict[str, float]) -> list[Check]:
    """The checks of one task, of which there is at least a clip.

    Args:
        pairs: Of the languages that decide.
        gate: The bounds.
    """
    found = condition_checks(pairs, gate)
    for language in sorted(set(pairs.language.tolist())):
        chosen = np.flatnonzero(pairs.language == language)
        bound = gate["language_word_accuracy"]
        found.append(_of_errors(ACCURACY, language, chosen, pairs, bound))
    return found


def condition_checks(pairs: Pairs, gate: dict[str, float]) -> list[Check]:
    """The checks over all languages together; of silence, there are failures alone.

    Args:
        pairs: Of at least one clip, of the languages that decide.
        gate: The bounds.
    """
    everywhere = np.arange(len(pairs.units))
    found = []
    if pairs.units.any():
        rate = float(pairs.before.sum() / pairs.units.sum())
        found = [
            _of_errors(ACCURACY, None, everywhere, pairs, gate["word_accuracy"]),
            _of_errors(RATE, None, everywhere, pairs, (1 + gate["rate_rise"]) * rate),
        ]
    more_errors = TIE * (pairs.after - pairs.before) / np.maximum(pairs.units, 1)
    for name, columns in pairs.failures.items():
        before, after = (column.astype(float) for column in columns)
        bound = float(before.mean()) + gate["failures"]
        what, ones = f"clips {name.replace('_', ' ')}", np.ones(len(before))
        # Where no text fails in one model alone, errors are no evidence of it.
        differs = after - before
        differences = differs + more_errors if differs.any() else differs
        found.append(Check(what, None, everywhere, before, after, ones, differences, bound))
    return found


def _of_errors(
    what: str, language: str | None, chosen: np.ndarray, pairs: Pairs, bound: float
) -> Check:
    own = pairs.of(chosen)
    differences = own.after - own.before
    # By its root, or one text that goes wrong altogether hides what has happened to the others.
    roots = np.sign(differences) * np.sqrt(np.abs(differences))
    return Check(what, language, chosen, own.before, own.after, own.units, roots, bound)
