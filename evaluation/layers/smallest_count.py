"""The smallest number that is enough, found in few tries."""

from collections.abc import Callable
from typing import NamedTuple


class Found(NamedTuple):
    """How a search ended."""

    count: int | None  # the fewest that passed, if any did
    at_least: int  # it is known that fewer do not pass


def fewest(most: int, passes: Callable[[int], bool], budget: int) -> Found:
    """The smallest count, 1 to `most`, that passes: in at most `budget` calls, as far as they go.

    Few are likely to be enough, and many cost size: so counts grow from 1, doubling, before the gap
    between the last that did not pass and the first that did is halved. 0 is known not to pass.
    """
    failed, passed = 0, None
    for _ in range(budget if most else 0):
        count = min(max(1, 2 * failed), most) if passed is None else (failed + passed) // 2
        if passes(count):
            passed = count
        else:
            failed = count
        if failed == most or passed == failed + 1:
            break
    return Found(passed, failed + 1)
