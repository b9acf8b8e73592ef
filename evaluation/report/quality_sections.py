"""What the report shows of quality.json: errors, pairings, failures, and the other measures."""

from typing import Any

from markupsafe import Markup

from evaluation.report import charts
from evaluation.report.format import (
    bare_percent,
    beyond_chance,
    number,
    percent,
    points,
    significant,
    spans,
)
from evaluation.report.languages import name_of
from evaluation.scoring.pairs import COMPILED, FLOAT

KINDS = ("float", "compiled")
FAILURES = {
    "empty": "nothing heard",
    "looping": "the text repeats itself",
    "at_limit": "cut off at the longest text",
    "wrong_script": "in another script than the reference",
}
UNITS = {
    "words": "words",
    "characters": "characters",
    "mixed": "words, or characters where words are not spaced",
}
WIDEST = 1.2  # error rate at which a bar is cut off, or one looping language would flatten all


def loss_of(cell: dict[str, Any]) -> float:
    """By how much the error rate has risen; where that is unknown, less than any."""
    difference = cell["change"]["difference"]
    return float("-inf") if difference is None else difference


def accuracy(quality: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each task, a row for all languages and one for each, the biggest loss first."""
    return [_accuracy(task, cells) for task, cells in quality["tasks"].items()]


def _accuracy(task: str, cells: dict[str, Any]) -> dict[str, Any]:
    languages = sorted(cells["languages"].items(), key=lambda item: (-loss_of(item[1]), item[0]))
    unheard = cells["unheard"]
    highs = []
    for _, cell in [("", cells["all"]), *languages]:
        for pairing in (FLOAT, COMPILED):
            result = cell["pairings"][pairing]
            highs += [result["rate"], *(result["interval"] or [])]
    scale = charts.scale_from_zero(highs, 0.04, WIDEST)
    rows = [_row("All", "", cells["all"], scale)]
    rows += [
        _row(name_of(language), language, cell, scale) | {"heard": language not in unheard}
        for language, cell in languages
    ]
    return {
        "task": task,
        "unit": cells["all"]["unit"],
        "axis": charts.axis(scale, [significant(100 * tick) for tick in scale.ticks()], " %"),
        "rows": rows,
    }


def _row(name: str, language: str, cell: dict[str, Any], scale: charts.Scale) -> dict[str, Any]:
    pair = [cell["pairings"][pairing] for pairing in (FLOAT, COMPILED)]
    described = [
        f"{kind} {percent(one['rate'])} ({spans(one['interval']) or 'no interval'})"
        for kind, one in zip(KINDS, pair, strict=True)
    ]
    change = cell["change"]
    return {
        "name": name,
        "language": language,
        "unit": cell["unit"],
        "rates": [bare_percent(one["rate"]) for one in pair],
        "change": points(change["difference"]),
        "interval": spans(change["interval"]),
        "certain": beyond_chance(change),
        "worse": (change["difference"] or 0) > 0,
        "plot": charts.bars(pair, scale, f"{name}: {', '.join(described)}"),
    }


def failures(quality: dict[str, Any]) -> dict[str, Any]:
    """Shares of clips that fail in each way, by task, and the languages where they have risen."""
    risen = []
    for task, cells in quality["tasks"].items():
        for language, cell in cells["languages"].items():
            for failure, words in FAILURES.items():
                before, after = (cell["rates"][kind][failure] for kind in KINDS)
                if None not in (before, after) and after > before:
                    change = f"{bare_percent(before)} → {percent(after)}"
                    risen.append(f"{name_of(language)}, {task}, {words}: {change}")
    rows = [
        (words, [_failure(cells["all"]["rates"], failure) for cells in quality["tasks"].values()])
        for failure, words in FAILURES.items()
    ]
    return {"tasks": list(quality["tasks"]), "rows": rows, "risen": risen}


def _failure(rates: dict[str, Any], failure: str) -> dict[str, Any]:
    before, after = (rates[kind][failure] for kind in KINDS)
    worse = None not in (before, after) and after > before
    return {"float": percent(before), "compiled": percent(after), "worse": worse}


def others(quality: dict[str, Any]) -> dict[str, Any]:
    """Clips no worse than float, chrF and language detection: heads, and rows by language."""
    tasks, detection = quality["tasks"], quality["detection"]
    heads = [f"no worse, {task}" for task in tasks]
    translated = [task for task, cells in tasks.items() if cells["all"]["chrf"]]
    heads += ["chrF" for _ in translated]
    heads += ["language detected"] if detection else []

    def cells_of(language: str) -> list[Markup | str]:
        own = {
            task: cells["all"] if not language else cells["languages"].get(language)
            for task, cells in tasks.items()
        }
        shares = [percent(cell and cell["no_worse"]["share"], 0) for cell in own.values()]
        scores = [_change((own[task] or {}).get("chrf"), 1, 1) for task in translated]
        found = detection and (
            detection["languages"].get(language) if language else detection["all"]
        )
        return [*shares, *scores, *([_change(found, 100, 0)] if detection else [])]

    rows = [("All", "", cells_of(""))]
    rows += [
        (name_of(language), language, cells_of(language)) for language in languages_of(quality)
    ]
    return {"heads": heads, "rows": rows}


def _change(pair: dict[str, Any] | None, factor: float, digits: int) -> str:
    """`54.3 → 53.9`."""
    values = [None if not pair or pair[kind] is None else factor * pair[kind] for kind in KINDS]
    return " → ".join(number(value, digits) for value in values) if any_known(values) else "–"


def any_known(values: list[float | None]) -> bool:
    """Whether one of them was measured."""
    return any(value is not None for value in values)


def languages_of(quality: dict[str, Any]) -> list[str]:
    """All languages of a result, by name."""
    found = {language for cells in quality["tasks"].values() for language in cells["languages"]}
    return sorted(found, key=name_of)
