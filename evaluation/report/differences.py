"""Any two compiled models against each other, clip by clip: whose error rate is higher, how surely.

Of the clips that both have heard, each with at most as many errors as its text has words. Both are
scored on the same draws of clips (evaluation.scoring.bootstrap): an interval of the difference is
much narrower than those of the two rates.
"""

from collections.abc import Iterable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from evaluation.report.format import certain, counted, points, spans
from evaluation.report.languages import name_of
from evaluation.scoring import bootstrap
from evaluation.scoring.pairs import COMPILED
from evaluation.scoring.text_errors import count_errors, language_of

Result = tuple[dict[str, Any], dict[str, Any]]  # quality.json, and by name what else there is
Key = tuple[str, str]  # a clip's name, and what is said in it: boards have folders of their own


class Clip(NamedTuple):
    """A clip as a compiled model has heard it."""

    language: str
    errors: int  # at most `units`
    units: int  # words or characters of the reference


Heard = dict[str, dict[Key, Clip]]  # by task


def heard_of(rows: Iterable[dict[str, Any]]) -> Heard:
    """What a compiled model has heard, of the rows of transcripts.json."""
    found: Heard = {}
    for row in rows:
        code = language_of(row["task"], row)
        errors = count_errors(row["reference"], row["texts"][COMPILED], code)
        key = row["clip"].rpartition("/")[2], row["reference"]
        clip = Clip(row["language"], errors.capped, errors.units)
        found.setdefault(row["task"], {})[key] = clip
    return found


def difference(pairs: list[tuple[Clip, Clip]]) -> dict[str, Any] | None:
    """How much higher the second one's error rate is, with its interval; None without clips."""
    if not pairs:
        return None
    errors = [np.array([pair[side].errors for pair in pairs]) for side in (0, 1)]
    units = np.array([first.units for first, _ in pairs])
    return {
        "difference": float(bootstrap.difference(*(e.sum() for e in errors), units.sum())),
        "interval": bootstrap.interval_of_difference(*errors, units),
        "clips": len(pairs),
    }


def compared(first: dict[Key, Clip], second: dict[Key, Clip], unheard: set[str]) -> dict[str, Any]:
    """Two models on the clips of a task that both have heard.

    Args:
        first: What one has heard.
        second: What the other has heard.
        unheard: Languages that the float model does not hear: they do not count over all.
    """
    pairs = [(first[key], second[key]) for key in sorted(first.keys() & second.keys())]
    languages = sorted({one.language for one, _ in pairs})
    return {
        "all": difference([pair for pair in pairs if pair[0].language not in unheard] or pairs),
        "languages": {
            language: difference([pair for pair in pairs if pair[0].language == language])
            for language in languages
        },
        "clips": (len(pairs), len(first), len(second)),
    }


def pairs_of(results: list[Result]) -> list[dict[str, Any]]:
    """Every two results whose texts are there: their numbers, and by task how they compare."""
    heard = {
        index: heard_of(files["transcripts"]["rows"])
        for index, (_, files) in enumerate(results, 1)
        if "transcripts" in files
    }
    found = []
    for one, other in combinations(heard, 2):
        tasks = {
            task: compared(
                heard[one][task], heard[other][task], _unheard(results, task, one, other)
            )
            for task in heard[one]
            if task in heard[other]
        }
        found.append({"first": one, "second": other, "tasks": tasks})
    return found


def _unheard(results: list[Result], task: str, *indices: int) -> set[str]:
    cells = [results[index - 1][0]["tasks"].get(task, {}) for index in indices]
    return {language for own in cells for language in own.get("unheard", {})}


def sections(results: list[Result]) -> dict[str, Any]:
    """All that the template is given of them.

    Args:
        results: In the order in which they are numbered.
    """
    pairs = pairs_of(results)
    tasks = list(dict.fromkeys(task for pair in pairs for task in pair["tasks"]))
    return {
        "tasks": tasks,
        "rows": [
            {
                "names": (pair["first"], pair["second"]),
                "cells": [_cell(pair["tasks"].get(task, {}).get("all")) for task in tasks],
            }
            for pair in pairs
        ],
        "languages": [_languages(pairs, task) for task in tasks],
        "notes": notes_of(results, pairs),
    }


def _cell(found: dict[str, Any] | None) -> dict[str, Any]:
    """A difference as it is shown."""
    if found is None:
        return {"points": points(None), "interval": "", "certain": None, "clips": ""}
    return {
        "points": points(found["difference"]),
        "interval": spans(found["interval"]),
        "certain": certain(found["interval"]),
        "clips": counted(found["clips"], "clip"),
    }


def _languages(pairs: list[dict[str, Any]], task: str) -> dict[str, Any]:
    """A row a language, with a cell for each pair."""
    own = [pair["tasks"].get(task, {"languages": {}})["languages"] for pair in pairs]
    codes = sorted({code for one in own for code in one}, key=name_of)
    rows = [(name_of(code), code, [_cell(one.get(code)) for one in own]) for code in codes]
    return {"task": task, "rows": rows}


def notes_of(results: list[Result], pairs: list[dict[str, Any]]) -> list[str]:
    """What is not compared, or only in part."""
    without = [
        str(index) for index, (_, files) in enumerate(results, 1) if "transcripts" not in files
    ]
    notes = []
    if without:
        beside = "Without transcripts.json beside quality.json, and so not compared"
        notes.append(f"{beside}: {', '.join(without)}.")
    for pair in pairs:
        names = f"{pair['first']} and {pair['second']}"
        counts = {task: one["clips"] for task, one in pair["tasks"].items()}
        if not any(common for common, *_ in counts.values()):
            notes.append(f"{names} have heard no clip in common, and are not compared.")
            continue
        for numbers in dict.fromkeys(counts.values()):
            common, first, second = numbers
            if common == first == second:
                continue
            tasks = [task for task, own in counts.items() if own == numbers]
            of = f"{counted(common, 'clip')} in common, of {first} and {second}"
            notes.append(f"{names}, {' and '.join(tasks)}: {of}; only these are compared.")
    return notes


def lines_of(shown: dict[str, Any], labels: list[str]) -> list[str]:
    """What `sections` gives, in lines of text: who is who, every pair, and the notes.

    Args:
        shown: What it gives.
        labels: Names of the results.
    """
    lines = [f"{index} {label}" for index, label in enumerate(labels, 1)]
    for row in shown["rows"]:
        names = " to ".join(map(str, row["names"]))
        for task, cell in zip(shown["tasks"], row["cells"], strict=True):
            if cell["clips"]:
                figure = f"{cell['points']} points ({cell['interval']})"
                lines.append(f"{names}, {task}: {figure}, {cell['clips']}")
    return [*lines, *shown["notes"]]
