"""Texts with what differs marked: from what is said, and from what another has heard."""

from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup, escape

from data.languages import UNSPACED
from evaluation.report.worst_clips import Pieces, cut_as, differences, pieces_of

NOTHING = Markup('<em class="nothing">nothing</em>')


class Beside(NamedTuple):
    """What a text is held against, each where there is one."""

    code: str  # Whisper code of the language of all of them
    reference: str = ""
    other: str = ""

    @property
    def unit(self) -> str:
        """What errors are counted in."""
        return "characters" if self.code in UNSPACED else "words"


def marked(text: str, beside: Beside) -> Markup:
    """A text as HTML.

    In `mark` is what the reference does not have, in `del` what is missing of it; of class `apart`
    is what the other one does not have.
    """
    if not text.strip():
        return NOTHING
    heard = pieces_of(text, beside.code, beside.unit)
    wrong, missing = _against(heard, beside.reference, beside)
    apart = places_apart(heard, beside)
    parts = []
    runs = groupby(
        range(len(heard.shown)), lambda at: (at in wrong, at in apart, at if at in missing else -1)
    )
    for (is_wrong, is_apart, gone), places in runs:
        run = "".join(heard.shown[at] for at in places)
        parts.append(_tagged("del", missing[gone]) if gone in missing else Markup())
        tag = "mark" if is_wrong else "span" if is_apart else ""
        parts.append(_tagged(tag, run, "apart" if is_apart else "") if tag else escape(run))
    if gone_last := missing.get(len(heard.shown)):
        parts.append(Markup(" ") + _tagged("del", gone_last))
    return Markup("").join(parts)


def places_apart(heard: Pieces, beside: Beside) -> set[int]:
    """The pieces of a text that the other one does not have."""
    return _against(heard, beside.other, beside)[0]


def words_apart(words: list[str], beside: Beside) -> set[int]:
    """The words, of a text cut into them, that the other one does not have."""
    return places_apart(cut_as(words, beside.code, beside.unit), beside)


def _against(heard: Pieces, right: str, beside: Beside) -> tuple[set[int], dict[int, str]]:
    if not right.strip():
        return set(), {}
    return differences(pieces_of(right, beside.code, beside.unit), heard, beside.unit)


def _tagged(tag: str, text: str, kind: str = "") -> Markup:
    """A text in a tag, its last space outside."""
    inner = text.rstrip()
    given = Markup(' class="{}"').format(kind) if kind else Markup()
    return Markup("<{0}{1}>{2}</{0}>{3}").format(Markup(tag), given, inner, text[len(inner) :])
