"""Paired bootstrap over clips: how sure a figure is that is a ratio of sums.

After Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation"
(ICASSP 2004): clips are drawn with replacement, and both models are scored on the same draw.
"""

import math
from collections.abc import Callable

import numpy as np

from evaluation.scoring.evidence import fewest_clips

DRAWS = 2000
COUNTS = 4_000_000  # that are drawn at a time, for memory: how often a draw has a clip
NORMAL = 1.959964  # 97.5 % of the standard normal distribution lie below
Figure = Callable[..., np.ndarray | float]


def interval(figure: Figure, *columns: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a figure of per-clip columns.

    Args:
        figure: Takes the sums of the columns (arrays, one value a draw) and gives the figure.
        columns: A number for each clip, [clips] each.
        seed: Of the draws: the same clips give the same interval.
    """
    clips = len(columns[0])
    rng, each = np.random.default_rng(seed), np.full(clips, 1 / clips)
    floats = [np.asarray(column, np.float64) for column in columns]
    sums = []
    at_once = max(1, COUNTS // clips)
    for begin in range(0, DRAWS, at_once):
        draws = rng.multinomial(clips, each, min(at_once, DRAWS - begin))
        sums.append([draws @ column for column in floats])
    values = figure(*np.concatenate(sums, axis=1))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def interval_of_difference(
    before: np.ndarray, after: np.ndarray, units: np.ndarray
) -> tuple[float, float]:
    """95 % interval of how much the error rate has risen; see `interval`.

    Draws of a single clip are all the same, and those of few are nearly: where fewer clips differ
    than the gate asks for at least, the interval reaches to zero.

    Args:
        before: Errors of each clip, [clips].
        after: Errors of the other model.
        units: Words or characters.
    """
    low, high = interval(difference, before, after, units)
    if np.count_nonzero(before != after) < fewest_clips(1):
        return min(low, 0.0), max(high, 0.0)
    return low, high


def share(count: int, clips: int) -> tuple[float, float]:
    """95 % interval of a share of clips, which has a width where all clips agree.

    The score interval of Wilson, "Probable inference, the law of succession, and statistical
    inference" (JASA 22, 1927).
    """
    squared = NORMAL**2
    middle = (count + squared / 2) / (clips + squared)
    half = NORMAL * math.sqrt(count * (clips - count) / clips + squared / 4) / (clips + squared)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rate(errors: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Errors per unit; 0 where a draw has no units."""
    return errors / np.maximum(units, 1)


def difference(before: np.ndarray, after: np.ndarray, units: np.ndarray) -> np.ndarray:
    """How much the error rate has risen."""
    return rate(after - before, units)


def accuracy_kept(before: np.ndarray, after: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Share of the float model's accuracy (1 - error rate, at least 0) that is left."""
    left = np.maximum(units - after, 0)
    return np.where(units > before, left / np.maximum(units - before, 1), 1.0)
