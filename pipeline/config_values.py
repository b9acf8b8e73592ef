"""What a configuration may hold at all, whatever the key: what a command can be given.

YAML reads more than that: numbers and dates as names, numbers that are infinite or none.
"""

import math
from collections.abc import Iterator
from typing import Any


def faults_of_values(value: Any, key: str = "") -> Iterator[str]:
    """A sentence for everything below a value that is no JSON; `key` is where the value stands."""
    if isinstance(value, dict):
        for name, one in value.items():
            if isinstance(name, str):
                yield from faults_of_values(one, f"{key}.{name}" if key else name)
            else:
                place = key or "the top level"
                yield f"{place} has the key `{name}`, which YAML reads as no text: put it in quotes"
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from faults_of_values(one, f"{key}.{number}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{key} is `{value}`, and must be a finite number"
    elif not isinstance(value, str | int | None):
        kind = type(value).__name__
        yield f"{key} is `{value}`, which YAML reads as a {kind}: put it in quotes, if it is a text"
