"""How sure it is that compiling did harm, over all checks of a gate together.

Where compiling does no harm, either of a clip's two results may as well be the float model's: to
swap them turns the sign of the clip's difference, and changes nothing else. A harm is as likely to
be chance as such swaps, of every clip at random, make one as large (Fisher, "The Design of
Experiments", 1935, chapter 3). Of several checks the largest of each swap is compared, and so
chance has its 5 % once, and not with every check (Westfall and Young, "Resampling-Based Multiple
Testing", 1993: max T); correlated checks cost nothing. A difference that is rare, as loops are,
never grows as large as one of errors: each of both kinds is compared with its own (min P).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.05  # share of harmless changes that may look like harm, all checks together
FOUND = 0.8416212  # 80 % of the standard normal distribution lie below
DRAWS = 4000
BLOCK = 500  # draws at a time, for memory
DIGITS = 9  # sums that are equal on paper differ in their last digits


class Evidence(NamedTuple):
    """What the swaps say."""

    chances: list[float]  # of each check, that a harmless change makes any look as bad as this one
    critical: dict[str, float]  # of each kind, standard deviations from which on that is too rare


def evidence(
    differences: np.ndarray, kinds: Sequence[str], weights: dict[str, float], seed: int = 0
) -> Evidence:
    """Compare what was found with what swaps make.

    Args:
        differences: Compiled minus float of each clip in each check, [clips, checks]; 0 where a
            check does not look at a clip.
        kinds: The kind of each check.
        weights: Of each kind; one of weight 2 may claim harm twice as easily as one of weight 1.
        seed: Of the swaps: the same clips give the same evidence.
    """
    sums = _sums(differences / _deviations(differences), seed)
    found = sorted(set(kinds))
    masks = [np.array([kind == name for kind in kinds]) for name in found]
    largest = {name: sums[:, mask].max(axis=1) for name, mask in zip(found, masks, strict=True)}
    rare = {name: _shares_above(column, column) / weights[name] for name, column in largest.items()}
    rarest = np.sort(np.min(list(rare.values()), axis=0))

    def corrected(shares: np.ndarray) -> np.ndarray:
        return np.searchsorted(rarest, shares, side="right") / len(rarest)

    chances = [
        float(corrected(_shares_above(largest[kind], total) / weights[kind]))
        for kind, total in zip(kinds, sums[0], strict=True)
    ]
    critical = {}
    for name, column in largest.items():
        enough = column[corrected(rare[name]) <= LEVEL]
        beyond = enough.min() if len(enough) else _above(column.max())
        critical[name] = max(float(beyond), largest_sum(fewest_clips(weights[name])))
    return Evidence(chances, critical)


def _above(largest: float) -> float:
    """What one clip more would make, where swaps make the largest sum that there is too often."""
    return largest_sum(math.floor(round(largest**2, 6)) + 1) if largest else 0.0


def fewest_clips(weight: float) -> int:
    """How many clips that all differ the same way are no chance, where no others differ.

    Five at 5 %, and nine at a weight of 0.05. A kind may claim twice as easily where others do not
    use what they are given: less than five it never takes.
    """
    return math.ceil(-math.log2(LEVEL * min(weight, 1)))


def largest_sum(clips: int) -> float:
    """The sum of so many equal differences, in standard deviations, rounded as all sums are."""
    return round(math.sqrt(clips), DIGITS)


def _deviations(differences: np.ndarray) -> np.ndarray:
    """Standard deviation of each check's sum under swaps; 1 where all clips are the same."""
    deviations = np.sqrt((np.asarray(differences, np.float64) ** 2).sum(axis=0))
    return np.where(deviations, deviations, 1)


def _sums(scaled: np.ndarray, seed: int) -> np.ndarray:
    """Sums over clips, as found and after every draw of swaps, [1 + DRAWS, checks]."""
    draws = np.random.default_rng(seed)
    scaled = scaled[scaled.any(axis=1)]  # most clips differ in nothing
    sums = [scaled.sum(axis=0, keepdims=True)]
    for _ in range(DRAWS // BLOCK):
        signs = 2.0 * draws.integers(0, 2, (BLOCK, len(scaled)), dtype=np.int8) - 1
        sums.append(signs @ scaled)
    return np.round(np.concatenate(sums), DIGITS)


def _shares_above(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Share of values that are at least as large as each bound."""
    return 1 - np.searchsorted(np.sort(values), bounds, side="left") / len(values)


def harm_found(spread: float, critical: float) -> float:
    """Smallest harm, in errors or clips, that is found in four of five draws of such clips.

    One error more on each of so many clips: it adds to the sum, and to its variance under swaps.

    Args:
        spread: Sum of the squares of what the evidence is drawn from.
        critical: Standard deviations from which on a sum is too rare for chance.
    """
    square = (critical + FOUND) ** 2
    return (square + math.sqrt(square**2 + 4 * square * spread)) / 2


def clips_needed(allowed: float, spread: float, critical: float) -> int | None:
    """How many clips find a harm of `allowed` in four of five draws; None where it is 0.

    Args:
        allowed: Errors, or failing clips, a clip.
        spread: Mean of the squares of what the evidence is drawn from.
        critical: As for harm_found.
    """
    if allowed <= 0:
        return None
    return math.ceil((critical + FOUND) ** 2 * (allowed + spread) / allowed**2)
