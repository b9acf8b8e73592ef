"""The worst clips of a report: their sound, and their texts with what is wrong marked."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jiwer
from markupsafe import Markup, escape

from evaluation.report.audio import address
from evaluation.report.format import bare_percent, counted, number
from evaluation.report.languages import code_of, name_of, tag_of, unit_of
from evaluation.scoring.text_errors import normalise

LONGEST = {"words": 90, "characters": 300}  # shown of a text: a loop fills the longest there is


def clips_of(quality: dict[str, Any]) -> list[dict[str, Any]]:
    """The worst clips as cards."""
    return [card(clip) for clip in quality["worst"]]


def card(clip: dict[str, Any]) -> dict[str, Any]:
    """A clip's facts, its sound as an address, its texts with marks."""
    language, task = clip["language"], clip["task"]
    code = "en" if task == "translate" else code_of(language)
    unit = unit_of(language, task)
    path = Path(clip["clip"])
    return {
        "name": name_of(language),
        "task": task,
        "file": path.name,
        "seconds": f"{number(clip['seconds'], 1)} s",
        "unit": unit,
        "errors": [bare_percent(clip["errors"][kind], 0) for kind in ("float", "compiled")],
        "tag": tag_of(language, task),
        "audio": address(path) if path.is_file() else None,
        "texts": [
            ("reference", escape(clip["reference"])),
            *(
                (kind, marked(clip["reference"], clip[kind], code, unit))
                for kind in ("float", "compiled")
                if clip[kind] is not None
            ),
        ],
    }


class Pieces(NamedTuple):
    """A text as it is shown, cut up, and the units that its errors are counted in."""

    shown: list[str]  # joined, they are the text
    units: list[str]
    owners: list[int]  # of each unit, the piece that it is of


def pieces_of(text: str, code: str, unit: str) -> Pieces:
    """Cut a text into words with the space after them, or characters with the marks on them.

    Args:
        text: Any text.
        code: Whisper code of its language.
        unit: `words` or `characters`.
    """
    return cut_as(_words(text) if unit == "words" else _characters(text), code, unit)


def cut_as(shown: list[str], code: str, unit: str) -> Pieces:
    """The pieces of a text that is cut up already; see `pieces_of`."""
    units, owners = [], []
    for index, piece in enumerate(shown):
        kept = normalise(piece, code)
        parts = kept.split() if unit == "words" else list(kept)
        units += parts
        owners += [index] * len(parts)
    return Pieces(shown, units, owners)


def _words(text: str) -> list[str]:
    words = text.split()
    return [f"{word} " for word in words[:-1]] + words[-1:]


def _characters(text: str) -> list[str]:
    found: list[str] = []
    for char in unicodedata.normalize("NFC", text.strip()):
        if found and unicodedata.category(char)[0] in "MZ":
            found[-1] += char
        else:
            found.append(char)
    return found


def marked(reference: str, text: str, code: str, unit: str) -> Markup:
    """A text as HTML: what is wrong in a `mark`, what is missing in a `del`.

    Args:
        reference: The right text.
        text: What was heard.
        code: Whisper code of the language of both.
        unit: What errors are counted in.
    """
    if not text.strip():
        return Markup('<em class="nothing">nothing</em>')
    right, heard = pieces_of(reference, code, unit), pieces_of(text, code, unit)
    wrong, missing = differences(right, heard, unit)
    most = LONGEST[unit]
    parts = []
    for is_wrong, run in _runs(heard.shown[:most], wrong, missing):
        parts.append(_tagged("mark", run) if is_wrong else escape(run))
    if len(heard.shown) > most:
        left = counted(len(heard.shown) - most, unit.removesuffix("s"))
        parts.append(Markup('<span class="more"> … and {} more</span>').format(left))
    elif gone := missing.get(len(heard.shown)):
        parts.append(Markup(" ") if unit == "words" else "")
        parts.append(_tagged("del", gone))
    return Markup("").join(parts)


def _runs(
    shown: list[str], wrong: set[int], missing: dict[int, str]
) -> Iterator[tuple[bool, Markup | str]]:
    """Pieces of one kind that stand together, with what is missing before them."""
    start = 0
    for place in range(len(shown) + 1):
        breaks = place == len(shown) or place in missing or (place in wrong) != (start in wrong)
        if breaks and place > start:
            yield start in wrong, "".join(shown[start:place])
        if breaks:
            start = place
        if place in missing and place < len(shown):
            yield False, _tagged("del", missing[place])


def _tagged(tag: str, text: str) -> Markup:
    """A text in a tag, its last space outside."""
    inner = text.rstrip()
    return Markup(f"<{tag}>{{}}</{tag}>{{}}").format(inner, text[len(inner) :])


def differences(right: Pieces, heard: Pieces, unit: str) -> tuple[set[int], dict[int, str]]:
    """The pieces heard wrongly, and what is missing before which piece.

    The alignment is the one by which errors are counted.
    """
    if not right.units:
        return set(), {}
    if unit == "words":
        result = jiwer.process_words(" ".join(right.units), " ".join(heard.units))
    else:
        result = jiwer.process_characters("".join(right.units), "".join(heard.units))
    wrong: set[int] = set()
    missing: dict[int, str] = {}
    for chunk in result.alignments[0]:
        if chunk.type == "delete":
            owners = dict.fromkeys(right.owners[chunk.ref_start_idx : chunk.ref_end_idx])
            after = chunk.hyp_start_idx
            place = heard.owners[after] if after < len(heard.owners) else len(heard.shown)
            gone = "".join(right.shown[i] for i in owners)
            last = unit == "words" and not gone.endswith(" ")
            missing[place] = missing.get(place, "") + gone + (" " if last else "")
        elif chunk.type != "equal":
            wrong.update(heard.owners[chunk.hyp_start_idx : chunk.hyp_end_idx])
    return wrong, missing
