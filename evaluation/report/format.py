"""Numbers as the reports show them; what was not measured is a dash."""

from collections.abc import Sequence
from typing import Any

DASH = "–"
SPACE = "\u202f"  # between a number and its unit: narrow, no line breaks there
Interval = Sequence[float | None] | None


def number(value: float | None, digits: int = 1) -> str:
    """A number with this many digits after the point, with a true minus and spaced thousands."""
    if value is None:
        return DASH
    text = f"{value:,.{digits}f}"
    if not float(text.replace(",", "")):
        text = text.removeprefix("-")  # no -0.0
    return text.replace(",", SPACE).replace("-", "−")


def significant(value: float | None, digits: int = 3) -> str:
    """A number with about this many significant digits, never in powers of ten."""
    if value is None:
        return DASH
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if value and not whole:
        whole = -next((i for i in range(12) if abs(value) >= 10 ** -(i + 1)), 12)
    text = number(value, max(0, digits - whole))
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(rate: float | None, digits: int = 1) -> str:
    """A share or rate in percent, with the sign."""
    return DASH if rate is None else f"{number(100 * rate, digits)}{SPACE}%"


def bare_percent(rate: float | None, digits: int = 1) -> str:
    """A share or rate in percent, without the sign: where the column's head has it."""
    return DASH if rate is None else number(100 * rate, digits)


def points(difference: float | None, digits: int = 1) -> str:
    """A difference of rates in percentage points, always with plus or minus but for zero."""
    if difference is None:
        return DASH
    text = number(100 * difference, digits)
    return f"+{text}" if difference > 0 and text.strip("0.") else text


def spans(interval: Interval, digits: int = 1, factor: float = 100) -> str:
    """`0.2 to 1.3`; empty where there is no interval."""
    if not interval or None in interval:
        return ""
    return " to ".join(number(factor * end, digits) for end in interval)


def certain(interval: Interval) -> bool | None:
    """Whether an interval of a difference leaves zero out; None where there is none."""
    if not interval or None in interval:
        return None
    low, high = interval
    return low > 0 or high < 0


def beyond_chance(change: dict[str, Any]) -> bool | None:
    """Whether a cell's change is more than chance makes; None where nothing is known.

    A rise is where the gate has found harm: its verdict and all figures say the same.
    """
    if change["difference"] is None:
        return None
    return change["harm"] if change["difference"] > 0 else certain(change["interval"])


def size(count: float | None) -> str:
    """Bytes in kB, MB or GB, with three digits at most: `253 MB`."""
    if count is None:
        return DASH
    unit, name = next(
        ((unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB")) if count >= unit), (1e3, "kB")
    )
    return f"{significant(count / unit)}{SPACE}{name}"


def times(ratio: float) -> str:
    """How many times as much: `2.4`, `12`."""
    return number(ratio, 1 if ratio < 9.95 else 0)


def counted(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{number(count, 0)} {noun}{'' if count == 1 else 's'}"
