"""The page that compares several results: size, error rate and speed, and what differs."""

from typing import Any

from evaluation.report import differences
from evaluation.report.format import (
    DASH,
    bare_percent,
    beyond_chance,
    counted,
    percent,
    points,
    significant,
    size,
)
from evaluation.report.languages import name_of
from evaluation.report.provenance import differing
from evaluation.report.quality_sections import COMPILED, FLOAT
from evaluation.report.ranking import (
    measures_of,
    on_front,
    ordered,
    orders,
    rate_of,
    tokens_per_second,
)
from evaluation.report.scatter import Point, plot
from evaluation.report.speed_sections import sides, value_of
from evaluation.report.summary import verdict
from evaluation.report.twins import twins

Result = tuple[dict[str, Any], dict[str, Any]]  # quality.json, and by name what else there is


def sections(results: list[Result]) -> dict[str, Any]:
    """All that the template is given.

    Args:
        results: In the order in which they are numbered.
    """
    tasks = list(dict.fromkeys(task for quality, _ in results for task in quality["tasks"]))
    measures = [measures_of(result, tasks[0]) for result in results]
    front = on_front(measures)
    passed = sum(quality["gate"]["passed"] is True for quality, _ in results)
    labels = labels_of(results)
    rows = [_row(result, tasks) for result in results]
    return {
        "title": "Comparison of compiled models",
        "count": len(results),
        "passed": passed,
        "best": [label for label, is_on in zip(labels, front, strict=True) if is_on],
        "rows": [
            {**row, "label": label, "front": is_on}
            for row, label, is_on in zip(rows, labels, front, strict=True)
        ],
        "tasks": tasks,
        "orders": orders(measures),
        "plots": _plots(results, labels, tasks),
        "differing": differing(results),
        "changes": [_changes(results, task) for task in tasks],
        "pairs": differences.sections(results),
        "warnings": warnings_of(results),
        "twins": twins(results),
    }


def in_order(results: list[Result]) -> list[Result]:
    """The best first, by the first task."""
    return ordered(results, next(iter(results[0][0]["tasks"])))


def labels_of(results: list[Result]) -> list[str]:
    """A name for each result.

    With its folder where model and target are those of another, and with the path of its
    quality.json where the folder is, too.
    """
    labels = [f"{quality['model']} for {quality['target']}" for quality, _ in results]
    for more in (
        [one["folder"] for one, _ in results],
        [files.get("path") for _, files in results],
    ):
        labels = [
            f"{label}, {told}" if told and labels.count(label) > 1 else label
            for label, told in zip(labels, more, strict=True)
        ]
    return labels


def _row(result: Result, tasks: list[str]) -> dict[str, Any]:
    quality, files = result
    sizes, judged = quality["sizes"]["both"], verdict(quality)
    timed = sides(files.get("speed"))[1]
    known = sizes["float"] and sizes["compiled"]
    return {
        "kind": judged["kind"],
        "verdict": judged["label"],
        "size": size(sizes["compiled"]),
        "share": percent(sizes["compiled"] / sizes["float"], 0) if known else DASH,
        "rates": [_task(quality, task) for task in tasks],
        "tokens": significant(tokens_per_second(files, 1)),
        "factor": significant(value_of(timed, "real_time_factor")[0]) if timed else DASH,
    }


def _task(quality: dict[str, Any], task: str) -> dict[str, Any]:
    both = [bare_percent(rate_of(quality, task, pairing)) for pairing in (FLOAT, COMPILED)]
    found = quality["tasks"].get(task)
    return {"rates": " → ".join(both), **_change(found and found["all"])}


def _change(cell: dict[str, Any] | None) -> dict[str, Any]:
    """How much a cell's error rate has risen, and whether that is more than chance makes."""
    change = cell["change"] if cell else {"difference": None}
    more = max(change["difference"] or 0, 0)
    return {
        "change": points(change["difference"]),
        "certain": beyond_chance(change),
        "more": more,
    }


def _plots(results: list[Result], labels: list[str], tasks: list[str]) -> list[dict[str, Any]]:
    """Of each task, error rates over sizes and over speeds; a plot of nothing is left out."""
    found = []
    for task in tasks:
        sizes, speeds = [], []
        for index, (name, (quality, files)) in enumerate(zip(labels, results, strict=True), 1):
            both = quality["sizes"]["both"]
            rates = [rate_of(quality, task, pairing) for pairing in (FLOAT, COMPILED)]
            bytes_of = [both[kind] and both[kind] / 1e6 for kind in ("float", "compiled")]
            sizes.append(Point(index, name, (bytes_of[0], rates[0]), (bytes_of[1], rates[1])))
            tokens = [tokens_per_second(files, side) for side in (0, 1)]
            speeds.append(Point(index, name, (tokens[0], rates[0]), (tokens[1], rates[1])))
        found += [
            {
                "head": f"Error rate and size, {task}",
                "note": "MB of weights; left and low is better",
            }
            | {"plot": plot(sizes, "MB", more_is_better=False)},
            {
                "head": f"Error rate and speed, {task}",
                "note": "tokens a second; right and low is better",
            }
            | {"plot": plot(speeds, "tokens a second", more_is_better=True)},
        ]
    return [one for one in found if one["plot"]]


def _changes(results: list[Result], task: str) -> dict[str, Any]:
    """How much the error rate has risen in each language and result, the worst language first."""
    cells = [quality["tasks"].get(task, {"languages": {}})["languages"] for quality, _ in results]
    languages = dict.fromkeys(language for own in cells for language in own)
    rows = [(language, [_change(own.get(language)) for own in cells]) for language in languages]
    most = max((one["more"] for _, row in rows for one in row), default=0) or 1
    rows.sort(key=lambda row: (-max(one["more"] for one in row[1]), name_of(row[0])))
    shaded = [
        (
            name_of(language),
            language,
            [one | {"shade": round(one["more"] / most, 2)} for one in row],
        )
        for language, row in rows
    ]
    return {"task": task, "rows": shaded}


def warnings_of(results: list[Result]) -> list[str]:
    """Where figures cannot be set against each other as they stand."""
    found = []
    heard = {
        (quality["clips"], *sorted(quality["encoder_states"]["languages"]))
        for quality, _ in results
    }
    named = {_clips(files["transcripts"]) for _, files in results if "transcripts" in files}
    if len(heard) > 1 or len(named) > 1:
        found.append("Error rates are of different clips or languages.")
    beams = sorted({quality.get("beams", 1) for quality, _ in results})
    if len(beams) > 1:
        numbers = " and ".join(map(str, beams))
        found.append(f"Error rates are of searches with {numbers} beams.")
    timed = [files["speed"] for _, files in results if "speed" in files]
    machines = sorted({_machine(speed["machine"]) for speed in timed})
    if len(machines) > 1:
        found.append(f"Speeds are of different machines: {'; '.join(machines)}.")
    if 0 < len(timed) < len(results):
        found.append(
            f"The speed of {len(results) - len(timed)} of {len(results)} was not measured."
        )
    return found


def _clips(transcripts: dict[str, Any]) -> frozenset[str]:
    """Names of the clips that were heard: boards have folders of their own."""
    return frozenset(row["clip"].rpartition("/")[2] for row in transcripts["rows"])


def _machine(machine: dict[str, Any]) -> str:
    return f"{machine['processor']}, {counted(machine['cores'], 'core')}"
