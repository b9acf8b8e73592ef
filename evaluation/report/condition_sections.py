"""What the report shows of the conditions in quality.json: long, noisy and silent audio."""

from typing import Any

from evaluation.report.format import (
    DASH,
    SPACE,
    bare_percent,
    beyond_chance,
    counted,
    number,
    percent,
    points,
    spans,
)
from evaluation.report.languages import name_of
from evaluation.report.quality_sections import COMPILED, FLOAT, KINDS
from evaluation.scoring.conditions import LONG, NOISE, SILENCE, TIMESTAMPS

NAMES = {
    LONG: "long audio",
    NOISE: "clips in noise",
    TIMESTAMPS: "clips with timestamps",
    SILENCE: "nobody speaks",
}


def conditions(found: dict[str, Any]) -> dict[str, Any]:
    """A row for each condition, and a table by language.

    Args:
        found: `conditions` of quality.json.
    """
    heard = found["heard"]
    rows = []
    for name, own in heard.items():
        if name == SILENCE:
            rows.append(_silent(own))
            continue
        rows.append(_row(NAMES[name], own["all"]))
        for level, cell in own.get("levels", {}).items():
            rows.append(_row(f"{NAMES[name]}, {number(float(level), 0)}{SPACE}dB", cell))
    return {
        "rows": rows,
        "unheard": [
            _unheard(NAMES[name], own) for name, own in heard.items() if own.get("unheard")
        ],
        "ends": _ends(heard[TIMESTAMPS]) if TIMESTAMPS in heard else "",
        "heads": _heads(heard),
        "languages": [
            (name_of(language), language, _cells(heard, language)) for language in _languages(heard)
        ],
        "missing": [_with_name(sentence) for sentence in found["missing"]],
    }


def _row(name: str, cell: dict[str, Any]) -> dict[str, Any]:
    """A row of the recordings that its rates are of."""
    change = cell["change"]
    return {
        "name": name,
        "recordings": number(cell["clips"], 0),
        "rates": _rates(cell),
        "change": points(change["difference"]),
        "interval": spans(change["interval"]),
        "certain": beyond_chance(change),
        "worse": (change["difference"] or 0) > 0,
        "looping": _pair({kind: cell["rates"][kind]["looping"] for kind in KINDS}),
        "wordless": _pair({kind: cell["rates"][kind]["empty"] for kind in KINDS}),
        "invented": DASH,
    }


def _unheard(name: str, own: dict[str, Any]) -> str:
    """Whose recordings decide nothing: they are in the figures only where there are no others."""
    names = " and ".join(sorted(map(name_of, own["unheard"])))
    less = own["recordings"] - own["all"]["clips"]
    left_out = f"; {counted(less, 'recording')} left out of its figures" if less else ""
    told = f"{name}, {names}: not heard by the float model, decides nothing{left_out}."
    return told[:1].upper() + told[1:]


def _silent(own: dict[str, Any]) -> dict[str, Any]:
    """Of silence and of noise alone, there are no errors: what is written is invented."""
    shares = own["invented"]["all"]
    return {
        "name": NAMES[SILENCE],
        "recordings": number(own["recordings"], 0),
        "rates": DASH,
        "change": DASH,
        "interval": "",
        "certain": False,
        "worse": False,
        "looping": _pair({kind: shares[kind]["looping"] for kind in KINDS}),
        "wordless": _pair({kind: shares[kind]["wordless"] for kind in KINDS}),
        "invented": " → ".join(number(shares[kind]["words"], 0) for kind in KINDS),
    }


def _rates(cell: dict[str, Any]) -> str:
    rates = (cell["pairings"][pairing]["rate"] for pairing in (FLOAT, COMPILED))
    return " → ".join(map(bare_percent, rates))


def _pair(shares: dict[str, float | None]) -> dict[str, Any]:
    """Shares of recordings, float and compiled, and whether they have risen."""
    before, after = (shares[kind] for kind in KINDS)
    more = None not in (before, after) and after > before
    return {"text": f"{bare_percent(before)} → {percent(after)}", "more": more}


def _ends(own: dict[str, Any]) -> str:
    """How far apart segments end, in a sentence."""
    ends, clips = own["ends"]["all"], own["recordings"]
    without = ends["without"]
    if ends["median_ms"] is None and set(without.values()) == {clips}:
        return "Neither model ends a segment with a timestamp."
    lost = f"{without['float']} → {without['compiled']} clips have no end"
    if ends["median_ms"] is None:
        return f"In no clip do both models end a segment with a timestamp; {lost}."
    told = (
        "With timestamps, segments of the compiled model end"
        f" {number(ends['median_ms'], 0)}{SPACE}ms from the float model's in the median, and"
        f" {number(ends['p90_ms'], 0)}{SPACE}ms at the 90th percentile"
    )
    if any(without.values()):
        told += f"; {lost}"
    return f"{told}."


def _languages(heard: dict[str, Any]) -> list[str]:
    found = set()
    for name, own in heard.items():
        found |= set((own["invented"] if name == SILENCE else own)["languages"])
    return sorted(found, key=name_of)


def _heads(heard: dict[str, Any]) -> list[str]:
    heads = [f"{NAMES[name]}, %" for name in heard if name != SILENCE]
    heads += ["ends apart, ms"] if TIMESTAMPS in heard else []
    return heads + (["words invented"] if SILENCE in heard else [])


def _cells(heard: dict[str, Any], language: str) -> list[str]:
    """A language's figures under each condition; a dash where it was not heard."""
    cells = []
    for name, own in heard.items():
        if name != SILENCE:
            cell = own["languages"].get(language)
            cells.append(_rates(cell) if cell else DASH)
    if TIMESTAMPS in heard:
        ends = heard[TIMESTAMPS]["ends"]["languages"].get(language)
        cells.append(number(ends and ends["median_ms"], 0))
    if SILENCE in heard:
        found = heard[SILENCE]["invented"]["languages"][language]
        cells.append(" → ".join(number(found[kind]["words"], 0) for kind in KINDS))
    return cells


def _with_name(sentence: str) -> str:
    """A sentence of a language, with its name instead of its code."""
    language, told = sentence.split(": ", 1)
    return f"{name_of(language)}: {told}."
