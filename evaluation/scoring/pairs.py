"""The clips of a task as float and compiled model have heard them, in numbers."""

from typing import Any, NamedTuple

import numpy as np

FLOAT, COMPILED = "float+float", "compiled+compiled"
UNHEARD = 0.6  # error rate of the float model above which a comparison tells of noise only


class Pairs(NamedTuple):
    """What is compared of a task's clips: arrays [clips]."""

    language: np.ndarray  # FLEURS codes
    units: np.ndarray  # words or characters of the reference; 0 where nobody speaks
    before: np.ndarray  # errors of the float model, of each clip at most `units`
    after: np.ndarray  # and of the compiled model
    failures: dict[str, tuple[np.ndarray, np.ndarray]]  # whether a text fails, before and after
    clip: np.ndarray  # which recording it is; other tasks may have heard the same

    def of(self, chosen: np.ndarray) -> "Pairs":
        """Some of the clips.

        Args:
            chosen: A truth value for each clip, or indices.
        """
        columns = (column[chosen] for column in self[:4])
        failures = {name: (b[chosen], a[chosen]) for name, (b, a) in self.failures.items()}
        return Pairs(*columns, failures, self.clip[chosen])

    def unheard(self) -> dict[str, float]:
        """The languages that the float model does not hear, and its error rate there."""
        rates = {}
        for language in sorted(set(self.language.tolist())):
            own = self.language == language
            # Nobody speaks in silence, and there is nothing that it could not hear.
            rates[language] = float(self.before[own].sum() / max(self.units[own].sum(), 1))
        return {language: rate for language, rate in rates.items() if rate > UNHEARD}

    def heard(self) -> "Pairs":
        """The clips of all other languages: those that decide."""
        return self.of(~np.isin(self.language, list(self.unheard())))


def pairs_of(rows: list[dict[str, Any]]) -> Pairs:
    """The pairs of scored rows of a task (task_statistics.scored)."""
    errors = [[row["errors"][pairing] for row in rows] for pairing in (FLOAT, COMPILED)]
    failures = {
        name: tuple(
            np.array([bool(row["failures"][pairing][name]) for row in rows])
            for pairing in (FLOAT, COMPILED)
        )
        for name in rows[0]["failures"][COMPILED]
    }
    return Pairs(
        np.array([row["language"] for row in rows]),
        np.array([one.units for one in errors[1]]),
        *(np.array([one.capped for one in found]) for found in errors),
        failures,
        np.array([row["clip"] for row in rows]),
    )
