"""Drawings for the reports: small SVG images, made by pure functions.

Places along the x axis are percentages of the image's width, so that a drawing takes the width that
it is given while lines and letters keep their size. Colours come from the page's style sheet, by
class. Every image has a title, which a pointer shows and a screen reader says.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from evaluation.report.format import Interval

HEIGHTS = {
    "float": 5,
    "compiled": 8,
    "published": 7,
}  # of bars, in pixels: told apart without colour
GAP = 3  # pixels between two bars, and around them
ROW = HEIGHTS["float"] + HEIGHTS["compiled"] + 3 * GAP  # height of a row with two bars


class Scale(NamedTuple):
    """Where the values of an axis lie, in percent of its length."""

    low: float
    high: float
    log: bool = False
    begin: float = 0.0
    end: float = 100.0

    def at(self, value: float) -> float:
        """Place of a value; those beyond an end are put there."""
        low, high, value = (self._plain(one) for one in (self.low, self.high, value))
        share = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
        return round(self.begin + share * (self.end - self.begin), 2)

    def _plain(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.log else value

    def ticks(self, count: int = 4) -> list[float]:
        """Round values inside, about `count` of them."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        else:
            step = nice_step((self.high - self.low) / count)
            first = math.ceil(self.low / step - 1e-9)
            values = [round(n * step, 12) for n in range(first, first + 6 * count)]
        return [value for value in values if self.low <= value <= self.high * (1 + 1e-9)]


def nice_step(wanted: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not under `wanted`."""
    if wanted <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= wanted * (1 - 1e-9))


def scale_from_zero(values: Iterable[float | None], least: float, most: float) -> Scale:
    """From 0 to the largest value; not under `least`, nor over `most`."""
    highest = max((value for value in values if value is not None), default=least)
    return Scale(0.0, min(max(highest * 1.02, least), most))


def scale_around(values: Iterable[float | None]) -> Scale | None:
    """From the smallest to the largest value, with some room; None where there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return Scale(low - room, high + room)


def image(kind: str, height: float, title: str, *content: str) -> Markup:
    """An SVG image of the width that it is given.

    Args:
        kind: Class of the image.
        height: In pixels.
        title: What it shows; an image without one is hidden from screen readers.
        content: Markup.
    """
    label = f'role="img"><title>{escape(title)}</title>' if title else 'aria-hidden="true">'
    body = "".join(content)
    return Markup(f'<svg class="{kind}" width="100%" height="{height}" {label}{body}</svg>')


def line(kind: str, x: Sequence[float], y: Sequence[float]) -> str:
    """A straight line: two x in percent, two y in pixels."""
    return f'<line class="{kind}" x1="{x[0]}%" x2="{x[1]}%" y1="{y[0]}" y2="{y[1]}"/>'


def grid(scale: Scale, height: float) -> str:
    """Upright lines at the ticks."""
    places = [scale.at(tick) for tick in scale.ticks()]
    return "".join(line("grid", (place, place), (0, height)) for place in places)


def axis(scale: Scale, labels: Sequence[str], unit: str = "") -> Markup:
    """The labels of the ticks; the unit stands after the last one."""
    texts = []
    for tick, label in zip(scale.ticks(), labels, strict=True):
        place = scale.at(tick)
        anchor = "start" if place < 4 else "end" if place > 92 else "middle"
        texts.append(f'<text x="{place}%" y="11" text-anchor="{anchor}">{escape(label)}</text>')
    if texts and unit:
        texts[-1] = texts[-1].replace("</text>", f"{escape(unit)}</text>")
    return image("axis", 14, "", *texts)


def bars(values: Sequence[dict[str, Any]], scale: Scale, title: str) -> Markup:
    """Two bars with their intervals, the float model's above the compiled one's.

    Args:
        values: `rate` and `interval` of float and compiled.
        scale: Of the rates.
        title: In words.
    """
    shapes = [grid(scale, ROW)]
    top = GAP
    for kind, value in zip(("float", "compiled"), values, strict=True):
        if value["rate"] is not None:
            shapes.append(bar(kind, value["rate"], scale, top))
            shapes.append(whisker(value["interval"], scale, top + HEIGHTS[kind] / 2))
        top += HEIGHTS[kind] + GAP
    return image("bars", ROW, title, *shapes)


def bar(kind: str, value: float, scale: Scale, top: float) -> str:
    """A bar from 0; one that goes beyond the scale ends in a mark."""
    width, height = max(scale.at(value), 0.4), HEIGHTS[kind]
    shape = f'<rect class="{kind}" x="0" y="{top}" width="{width}%" height="{height}"/>'
    cut = value > scale.high
    return shape + (line("cut", (97.5, 96.5), (top - 1, top + height + 1)) if cut else "")


def whisker(interval: Interval, scale: Scale, middle: float) -> str:
    """A thin line from one end of an interval to the other; nothing where they are the same."""
    if not interval or None in interval or interval[0] == interval[1]:
        return ""
    ends = [scale.at(end) for end in interval]
    caps = [line("whisker", (end, end), (middle - 2.5, middle + 2.5)) for end in ends]
    return line("whisker", ends, (middle, middle)) + "".join(caps)


def single_bar(
    kind: str, value: float | None, scale: Scale, title: str = "", interval: Interval = None
) -> Markup:
    """One bar, with what it may range over where there is that."""
    shapes = [bar(kind, value, scale, GAP)] if value is not None else []
    height = HEIGHTS[kind]
    whiskers = whisker(interval, scale, GAP + height / 2)
    return image("bars", height + 2 * GAP, title, *shapes, whiskers)


def dots(mean: float | None, least: float | None, scale: Scale | None, title: str) -> Markup:
    """A mean as a dot, and a line from it to the smallest value."""
    if scale is None or mean is None:
        return image("dots", 12, "")
    shapes = [line("track", (0, 100), (6, 6))]
    if least is not None:
        shapes.append(line("reach", (scale.at(least), scale.at(mean)), (6, 6)))
        shapes.append(line("reach", (scale.at(least),) * 2, (3, 9)))
    shapes.append(f'<circle class="compiled" cx="{scale.at(mean)}%" cy="6" r="3.5"/>')
    return image("dots", 12, title, *shapes)


def ranges(outer: Sequence[float], inner: Sequence[float], title: str) -> Markup:
    """Two ranges on one axis: a wide band, and a line that may leave it.

    Args:
        outer: First and last value of the band.
        inner: Those of the line.
        title: In words.
    """
    scale = scale_around([*outer, *inner])
    (b0, b1), (l0, l1) = [scale.at(end) for end in outer], [scale.at(end) for end in inner]
    band = f'<rect class="band" x="{b0}%" y="2" width="{round(b1 - b0, 2)}%" height="14"/>'
    caps = [line("seen", (end, end), (4, 14)) for end in (l0, l1)]
    return image("ranges", 18, title, band, line("seen", (l0, l1), (9, 9)), *caps)
