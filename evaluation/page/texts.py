"""The texts side by side, and beside each other what they took, as HTML."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from markupsafe import Markup, escape

from data.languages import FLEURS_TO_WHISPER
from evaluation.page.heard import Heard, Settings, spoken
from evaluation.page.marks import NOTHING, Beside, marked
from evaluation.report.format import DASH, SPACE, number, percent, significant, size
from evaluation.report.languages import NAMES, TAGS
from evaluation.scoring.text_errors import count_errors, normalise

WINDOW = 30  # seconds


class Column(NamedTuple):
    """What one of them makes of a recording, so far."""

    kind: str  # float, compiled or device
    note: str  # what runs it
    said: str = ""  # of the text, while it is decoded
    pieces: int = 0  # of which that is
    heard: Heard | None = None
    state: str = ""  # waiting, hearing, stopped; empty where it is done
    probability: float | None = None  # of the detected language


def refused(reason: object) -> Markup:
    """A sentence about why something is not done."""
    sentence = str(reason)
    whole = sentence[:1].upper() + sentence[1:] + ("" if sentence.endswith("?") else ".")
    return Markup('<p class="refused" role="alert">{}</p>').format(whole)


def note(sentence: str) -> Markup:
    """A sentence about what was done."""
    return Markup('<p class="note" role="status">{}</p>').format(sentence)


def panel(columns: list[Column], settings: Settings, reference: str, seconds: float) -> Markup:
    """All of it.

    Args:
        columns: Float first.
        settings: What was asked for.
        reference: What is said, in the language of the texts; may be empty.
        seconds: Of the recording.
    """
    code = language_of(columns, settings)
    parts = [_article(one, columns, code, reference, seconds) for one in columns]
    if reference.strip():
        said = (
            '<article class="reference"><h3>What is said</h3>'
            '<p class="text" lang="{}" dir="auto">{}</p></article>'
        )
        parts.append(Markup(said).format(tag(code), reference))
    body = Markup('<div class="texts">{}</div>').format(Markup("").join(parts))
    return body + _legend(columns, reference) + _figures(columns, settings, reference, code)


def language_of(columns: list[Column], settings: Settings) -> str:
    """Whisper code of the language that the texts are in."""
    detected = next((one.heard.language for one in columns if one.heard), None)
    return spoken(settings, detected)


def other_text(kind: str, columns: list[Column]) -> str:
    """The text that another one is held against: float's; for float, that of the compiled one."""
    others = [one for one in columns if one.kind != kind and one.heard]
    return others[0].heard.text if others and others[0].heard else ""


def tag(code: str) -> str:
    """BCP 47 tag of a Whisper code: fonts and voices go by it."""
    return TAGS.get(code, code)


def name_of(code: str | None) -> str:
    """English name of a Whisper or FLEURS code."""
    return NAMES.get(FLEURS_TO_WHISPER.get(code or "", code or ""), code or DASH)


def _article(
    column: Column, columns: list[Column], code: str, reference: str, seconds: float
) -> Markup:
    if column.heard:
        beside = Beside(code, reference, other_text(column.kind, columns))
        text = marked(column.heard.text, beside)
    else:
        text = escape(column.said) if column.said or column.state else NOTHING
    head = Markup('<article class="{0}"><h3>{0} <small>{1}</small></h3>').format(
        column.kind, column.note
    )
    body = Markup('<p class="text" lang="{}" dir="auto">{}</p>').format(tag(code), text)
    return head + body + _state(column, seconds) + Markup("</article>")


def _state(column: Column, seconds: float) -> Markup:
    """How far it is: by windows, where the recording is longer than one."""
    if not column.state:
        return Markup()
    share = Markup()
    if column.state == "hearing" and seconds > WINDOW:
        windows = max(round(seconds / WINDOW + 0.5), column.pieces + 1)
        share = Markup('<progress max="{}" value="{}"></progress>').format(windows, column.pieces)
    return Markup('<p class="state">{}{}</p>').format(column.state, share)


def _legend(columns: list[Column], reference: str) -> Markup:
    if not any(one.heard for one in columns):
        return Markup()
    items = []
    if reference.strip():
        items.append(Markup("<li><mark>not what is said</mark></li><li><del>missing</del></li>"))
    if len(columns) > 1:
        items.append(Markup('<li><span class="apart">not what the other one hears</span></li>'))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _figures(columns: list[Column], settings: Settings, reference: str, code: str) -> Markup:
    """A table: a figure a row, a column each."""
    if not any(one.heard for one in columns):
        return Markup()
    rows: Mapping[str, list[str]] = {
        "language": [_language(one, settings) for one in columns],
        "word errors": [_errors(one, reference, code) for one in columns],
        "first token after": [_of(one, lambda h: _seconds(h.first_token)) for one in columns],
        "whole text after": [_of(one, lambda h: _seconds(h.seconds)) for one in columns],
        "tokens a second": [
            _of(one, lambda h: significant(h.tokens_per_second)) for one in columns
        ],
        "real-time factor": [
            _of(one, lambda h: significant(h.real_time_factor, 2)) for one in columns
        ],
        "peak memory": [_of(one, lambda h: size(h.peak_bytes)) for one in columns],
    }
    if Beside(code).unit == "characters":
        rows = {
            ("character errors" if name == "word errors" else name): row
            for name, row in rows.items()
        }
    heads = Markup("").join(
        Markup('<th scope="col" class="{0}">{0}</th>').format(one.kind) for one in columns
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            name, Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for name, row in rows.items()
        if any(cell != DASH for cell in row)
    )
    table = '<table class="figures"><thead><tr><td></td>{}</tr></thead><tbody>{}</tbody></table>'
    return Markup(table).format(heads, body)


def _of(column: Column, figure: Callable[[Heard], str]) -> str:
    return figure(column.heard) if column.heard else DASH


def _seconds(value: float) -> str:
    return f"{significant(value)}{SPACE}s"


def _language(column: Column, settings: Settings) -> str:
    if settings.language or not column.heard or not column.heard.language:
        return name_of(settings.language)
    share = "" if column.probability is None else f", {percent(column.probability, 0)}"
    return name_of(column.heard.language) + share


def _errors(column: Column, reference: str, code: str) -> str:
    if not column.heard or not normalise(reference, code):
        return DASH
    found = count_errors(reference, column.heard.text, code)
    return f"{percent(found.rate)} ({number(found.edits, 0)} of {number(found.units, 0)})"
