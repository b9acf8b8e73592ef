"""Ratios of powers."""

import math


def decibels(signal: float, noise: float) -> float | None:
    """10 log10 of signal over noise, both powers or sums of squares of the same elements.

    None where it cannot be told: no signal, no noise, or values that are not finite.
    """
    if not (math.isfinite(signal) and math.isfinite(noise) and signal > 0 and noise > 0):
        return None
    return 10 * math.log10(signal / noise)
