"""A recording drawn over time: its waveform, and what is said under it, as HTML to be played.

Whatever has `data-from` and `data-to`, in seconds, plays that part when it is clicked (page.js).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from evaluation.page.heard import Heard, Timed
from evaluation.page.marks import Beside, words_apart
from evaluation.page.texts import Column, other_text, tag
from evaluation.report.format import SPACE, number, significant

WIDTH = 130  # pixels a second, at least
LONGEST = 1200.0  # seconds of which each word is shown


def sound(address: str, seconds: float, peaks: np.ndarray, lanes: Iterable[Markup]) -> Markup:
    """The player: waveform, lanes under it, and the recording itself.

    Args:
        address: Where the recording is, for a browser.
        seconds: Of the recording.
        peaks: Amplitudes from 0 to 1, [bins].
        lanes: See `lane`.
    """
    strip = Markup("").join([waveform(peaks), Markup('<i class="now"></i>'), *lanes])
    return Markup(
        '<div class="sound"><audio preload="metadata" src="{0}"></audio><p class="bar">'
        '<button type="button" data-from="0" data-to="{1}" class="play">Play</button>'
        " <span>{2}</span></p>{3}</div>"
    ).format(address, seconds, clock(seconds), scrolled(strip, seconds))


def scrolled(strip: Markup, seconds: float, begin: float = 0.0) -> Markup:
    """A strip as wide as there is room, or wider, and then moved from side to side.

    Args:
        strip: What is in it.
        seconds: That it stands for.
        begin: Of the recording, where it begins.
    """
    return Markup(
        '<div class="scroll" tabindex="0"><div class="strip" data-begin="{}" data-seconds="{}"'
        ' style="min-width:{}px">{}</div></div>'
    ).format(begin, seconds, round(seconds * WIDTH), strip)


def waveform(peaks: np.ndarray) -> Markup:
    """The amplitudes as one shape, as wide as its place."""
    top = "".join(f"L{x} {1 - y:.3f}" for x, y in enumerate(peaks))
    low = "".join(f"L{x} {1 + y:.3f}" for x, y in reversed(list(enumerate(peaks))))
    return Markup(
        '<svg class="wave" viewBox="0 0 {} 2" preserveAspectRatio="none" aria-hidden="true">'
        '<path d="M0 1{}{}Z"/></svg>'
    ).format(max(len(peaks) - 1, 1), Markup(top), Markup(low))


def lane(column: Column, columns: list[Column], code: str, seconds: float) -> Markup:
    """The words of one text at their times, or its segments where words have none.

    Args:
        column: The text.
        columns: All of them.
        code: Whisper code of their language.
        seconds: Of the recording.
    """
    heard = column.heard
    found = shown(heard, seconds) if heard else []
    if not found:
        return Markup()
    beside = Beside(code, other=other_text(column.kind, columns))
    apart = words_apart([one.text for one in found], beside)
    rows = 2 if heard and found is heard.words else 1
    parts = [
        Markup(
            '<button type="button" class="row{}{}" style="left:{:.3f}%;max-width:{:.3f}%"'
            ' data-from="{:.2f}" data-to="{:.2f}" title="{}">{}</button>'
        ).format(
            at % rows,
            " apart" if at in apart else "",
            100 * one.begin / seconds,
            100 * room / seconds,
            one.begin,
            one.end,
            f"{one.begin:.2f} to {one.end:.2f}{SPACE}s",
            one.text.strip(),
        )
        for at, (one, room) in enumerate(zip(found, rooms(found, rows, seconds), strict=True))
    ]
    whole = '<div class="lane {0} rows{1}" lang="{2}"><b>{0}</b>{3}</div>'
    return Markup(whole).format(column.kind, rows, tag(code), Markup("").join(parts))


def shown(heard: Heard, seconds: float) -> list[Timed]:
    """The words; the segments where there are none, or too many to show each."""
    return heard.words if heard.words and seconds <= LONGEST else heard.segments


def rooms(found: Sequence[Timed], rows: int, seconds: float) -> list[float]:
    """Seconds from the begin of each to that of the next one in its row."""
    ends = [one.begin for one in found[rows:]] + [seconds] * rows
    return [max(end - one.begin, 0.0) for one, end in zip(found, ends, strict=False)]


def segments(columns: list[Column], code: str) -> Markup:
    """A list of segments and their times, of each text that has them."""
    parts = []
    for one in columns:
        if one.heard and one.heard.segments:
            lines = Markup("").join(
                Markup(
                    '<li><button type="button" data-from="{:.2f}" data-to="{:.2f}">{} – {}</button>'
                    ' <span lang="{}" dir="auto">{}</span></li>'
                ).format(at.begin, at.end, clock(at.begin), clock(at.end), tag(code), at.text)
                for at in one.heard.segments
            )
            head = Markup('<div class="{0}"><h4>{0}</h4><ol>{1}</ol></div>')
            parts.append(head.format(one.kind, lines))
    if not parts:
        return Markup()
    whole = '<details class="segments"><summary>Times of segments</summary><div>{}</div></details>'
    return Markup(whole).format(Markup("").join(parts))


def curve(values: list[float]) -> Markup:
    """Values at even distances over the time of a strip, between 0 and the largest."""
    largest = max([*values, 1e-9])
    line = "".join(f"L{at + 0.5} {1 - value / largest:.3f}" for at, value in enumerate(values))
    return Markup(
        '<div class="curve"><b>at most {0}</b><svg viewBox="0 0 {1} 1" preserveAspectRatio="none"'
        ' aria-hidden="true"><path d="M0 1{2}L{1} 1Z"/></svg></div>'
    ).format(significant(largest), len(values), Markup(line))


def clock(seconds: float) -> str:
    """`1:02:03.4`, `2:03.4`, `3.4 s`."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:04.1f}"
    return f"{minutes}:{rest:04.1f}" if minutes else f"{number(rest, 1)}{SPACE}s"
