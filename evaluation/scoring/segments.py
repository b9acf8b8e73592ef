"""Where segments end, by the timestamps among a text's tokens."""

from itertools import pairwise
from typing import Any

import numpy as np

STEP = 0.02  # seconds from one timestamp token to the next


def segment_ends(tokens: list[int], first: int) -> list[float]:
    """Seconds at which segments end: the timestamps that stand right after text.

    Args:
        tokens: After the prompt.
        first: The token of 0.00 s; all from it on are timestamps.
    """
    return [
        round(STEP * (token - first), 2)
        for before, token in pairwise(tokens)
        if before < first <= token
    ]


def distances(before: list[float], after: list[float]) -> list[float]:
    """Milliseconds from every end to the nearest other one; none where there is no other."""
    return [1000 * min(abs(end - other) for other in after) for end in before if after]


def end_figures(rows: list[dict[str, Any]], kinds: dict[str, str]) -> dict[str, Any]:
    """How far apart float and compiled model end the segments of some clips.

    Args:
        rows: With `ends` of each pairing.
        kinds: The pairings of `float` and `compiled`.

    Returns:
        `median_ms` and `p90_ms` over all ends of the float model, None where there are none, and of
        each kind `without`: the clips in which no segment ends.
    """
    found = [row["ends"] for row in rows]
    apart = [
        one for ends in found for one in distances(ends[kinds["float"]], ends[kinds["compiled"]])
    ]
    return {
        "median_ms": float(np.median(apart)) if apart else None,
        "p90_ms": float(np.percentile(apart, 90)) if apart else None,
        "without": {
            kind: sum(not ends[pairing] for ends in found) for kind, pairing in kinds.items()
        },
    }
