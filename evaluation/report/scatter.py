"""A plot of error rates over sizes or speeds, each compiled model beside its float one."""

import math
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup, escape

from evaluation.report import charts
from evaluation.report.format import percent, significant

HEIGHT, TOP, BOTTOM = 340, 22, 296  # pixels: of the plot, and where its y axis ends
RADIUS = 9
LEFT, RIGHT = 12.0, 93.0  # percent of the width: where the x axis begins and ends
WIDE = 6  # from this ratio of the largest to the smallest value on, the x axis is logarithmic
APART = 10  # percent of the width: labels of the x axis are at least so far from each other
EDGE = 98.0  # percent of the width: where markers end
NEAR = 6  # percent of the width: markers that are nearer, and overlap in height, are moved apart
Pair = tuple[float | None, float | None]  # x and y


class Point(NamedTuple):
    """A result: its number and name, its float and its compiled model."""

    index: int
    name: str
    before: Pair
    after: Pair


class Place(NamedTuple):
    """Where something is drawn: percent of the width, pixels from the top."""

    x: float
    y: float


def plot(points: list[Point], unit: str, *, more_is_better: bool) -> Markup | None:
    """The plot; None where nothing can be drawn.

    Args:
        points: All results; those that were not measured are left out.
        unit: Of the x axis.
        more_is_better: Of x; of y, less is better.
    """
    drawn = [point for point in points if None not in point.after]
    pairs = [pair for point in drawn for pair in point[2:] if None not in pair]
    if not drawn:
        return None
    x, y = _scales(pairs)
    front = front_of([point.after for point in drawn], more_is_better=more_is_better)
    shapes = [_grid(x, y)]
    places = [Place(x.at(a), y.at(b)) for a, b in front]
    for one, other in pairwise(places):
        shapes.append(charts.line("front", (one.x, other.x), (one.y, other.y)))
    shapes += _markers(drawn, x, y, unit)
    title = f"Error rate over {unit}: {', '.join(f'{point.index} {point.name}' for point in drawn)}"
    return charts.image("scatter", HEIGHT, title, *shapes)


def _scales(pairs: list[Pair]) -> tuple[charts.Scale, charts.Scale]:
    """Of x, logarithmic where values are far apart, and of y, upwards."""
    xs, ys = zip(*pairs, strict=True)
    low, high = min(xs), max(xs)
    if low > 0 and high / low >= WIDE:
        x = charts.Scale(low / 1.15, high * 1.15, log=True, begin=LEFT, end=RIGHT)
    else:
        around = charts.scale_around(xs)
        x = around._replace(low=max(around.low, 0.0), begin=LEFT, end=RIGHT)
    around = charts.scale_around(ys)
    return x, around._replace(low=max(around.low, 0.0), begin=BOTTOM, end=TOP)


def front_of(pairs: list[Pair], *, more_is_better: bool) -> list[Pair]:
    """Those that no other beats in x and y, by x, the best first."""
    sign = -1 if more_is_better else 1
    best: list[Pair] = []
    for pair in sorted(pairs, key=lambda pair: (sign * pair[0], pair[1])):
        if not best or pair[1] < best[-1][1]:
            best.append(pair)
    return best


def _grid(x: charts.Scale, y: charts.Scale) -> str:
    shapes = []
    for tick in y.ticks(5):
        place = y.at(tick)
        shapes.append(charts.line("grid", (0, 100), (place, place)))
        shapes.append(f'<text x="0" y="{place - 4}">{significant(100 * tick)} %</text>')
    last = 0.0
    for tick in x.ticks(5):
        place = x.at(tick)
        if place - last < APART:
            continue
        last = place
        shapes.append(charts.line("grid", (place, place), (BOTTOM, BOTTOM + 6)))
        text = f'x="{place}%" y="{BOTTOM + 22}" text-anchor="middle">{significant(tick)}'
        shapes.append(f"<text {text}</text>")
    shapes.append(charts.line("base", (0, 100), (BOTTOM, BOTTOM)))
    return "".join(shapes)


def _markers(points: list[Point], x: charts.Scale, y: charts.Scale, unit: str) -> list[str]:
    """Of each result a numbered circle, a hollow one for its float model, and a line between."""
    lines, hollow, numbered = [], [], []
    taken: list[Place] = []
    for point in points:
        own = Place(x.at(point.after[0]), y.at(point.after[1]))
        shown = free(own, taken)
        taken.append(shown)
        if None not in point.before:
            old = Place(x.at(point.before[0]), y.at(point.before[1]))
            lines.append(charts.line("link", (old.x, own.x), (old.y, own.y)))
            hollow.append(f'<circle class="hollow" cx="{old.x}%" cy="{old.y}" r="4"/>')
        lines.append(charts.line("link", (own.x, shown.x), (own.y, shown.y)))
        told = f"{point.name}: {percent(point.after[1])}, {significant(point.after[0])} {unit}"
        numbered.append(
            f"<g><title>{escape(told)}</title>"
            f'<circle class="compiled" cx="{shown.x}%" cy="{shown.y}" r="{RADIUS}"/>'
            f'<text class="mark" x="{shown.x}%" y="{shown.y + 4}" text-anchor="middle">'
            f"{point.index}</text></g>"
        )
    return [*lines, *hollow, *numbered]


def free(place: Place, taken: list[Place]) -> Place:
    """The same place, or the nearest one above where no marker lies over another.

    Where there is no room above, below, or the same beside, always within the plot; where all of it
    is full, the same place.
    """
    steps = range(1, math.ceil(EDGE / NEAR) + 1)
    asides = (round(place.x + way * NEAR * step, 2) for step in steps for way in (1, -1))
    for x in (place.x, *asides):
        for way in (-1, 1):
            one = _moved(Place(x, place.y), taken, way)
            if LEFT <= one.x <= EDGE and RADIUS <= one.y <= BOTTOM:
                return one
    return place


def _moved(place: Place, taken: list[Place], way: int) -> Place:
    """The nearest place above (-1) or below (1) where no marker lies over another."""
    while clash := [
        other
        for other in taken
        if abs(other.x - place.x) < NEAR and abs(other.y - place.y) < 2 * RADIUS
    ]:
        farthest = max(way * other.y for other in clash) + 2 * RADIUS + 1
        place = Place(place.x, round(way * farthest, 2))
    return place
