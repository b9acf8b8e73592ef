"""Why float and compiled text differ, as HTML; evaluation.page.explain finds it."""

import numpy as np
from markupsafe import Markup

from evaluation.page.heard import Why
from evaluation.page.marks import Beside, marked
from evaluation.page.texts import tag
from evaluation.page.timeline import clock, curve, scrolled, waveform
from evaluation.report.format import percent
from evaluation.scoring.pairs import FLOAT

KINDS = ("float", "compiled")


def panel(why: Why, peaks: np.ndarray, code: str, reference: str) -> Markup:
    """All of it.

    Args:
        why: What was found.
        peaks: Of the window's sound, [bins].
        code: Whisper code of the language of the texts.
        reference: What is said in the window; may be empty.
    """
    end = why.begin + why.seconds
    head = Markup("<h3>Why <small>{} to {}</small></h3>").format(clock(why.begin), clock(end))
    return Markup('<div class="why">{}</div>').format(
        head + _pairings(why, code, reference) + _distances(why, peaks) + _moved(why, code)
    )


def _pairings(why: Why, code: str, reference: str) -> Markup:
    """Encoders in rows, decoders in columns: the half that broke is where texts change."""
    beside = Beside(code, reference or why.texts[FLOAT])
    rows = Markup("").join(
        Markup('<tr><th scope="row">{} encoder</th>{}</tr>').format(
            encoder,
            Markup("").join(
                Markup('<td lang="{}" dir="auto" data-decoder="{} decoder">{}</td>').format(
                    tag(code), decoder, marked(why.texts[f"{encoder}+{decoder}"], beside)
                )
                for decoder in KINDS
            ),
        )
        for encoder in KINDS
    )
    against = "what is said" if reference else "what float hears by both"
    return Markup(
        '<table class="halves"><caption>Each half with each other one'
        " <small>marked: not {}</small></caption><thead><tr><td></td>"
        '<th scope="col">float decoder</th><th scope="col">compiled decoder</th></tr></thead>'
        "<tbody>{}</tbody></table>"
    ).format(against, rows)


def _distances(why: Why, peaks: np.ndarray) -> Markup:
    drawn = waveform(peaks) + curve(why.distances)
    return Markup(
        "<h4>Encoder states <small>1 − cosine of float and compiled, over time</small></h4>{}"
    ).format(scrolled(drawn, why.seconds, why.begin))


def _moved(why: Why, code: str) -> Markup:
    if not why.moved:
        return Markup('<p class="note">No token became likelier or less likely by a point.</p>')
    rows = Markup("").join(
        Markup(
            '<tr><td lang="{0}" dir="auto"><span class="quiet">{1}</span><b>{2}</b></td>'
            '<td class="n">{3}</td><td class="n">{4}</td><td lang="{0}" dir="auto">{5}</td></tr>'
        ).format(
            tag(code),
            f"…{one.before}" if one.before else "",
            one.token,
            percent(one.float, 0),
            percent(one.compiled, 0),
            one.instead,
        )
        for one in why.moved
    )
    return Markup(
        '<table class="moved"><caption>Tokens whose probability moved most <small>of the float'
        " text, fed to both</small></caption><thead><tr>"
        '<th scope="col" class="token">token</th><th scope="col" class="n">float</th>'
        '<th scope="col" class="n">compiled</th><th scope="col">instead</th></tr></thead>'
        "<tbody>{}</tbody></table>"
    ).format(rows)
