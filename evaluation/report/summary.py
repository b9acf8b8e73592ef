"""The head of a report: the verdict, what compiling cost in a few sentences, the biggest losses."""

import re
from typing import Any

from evaluation.report.format import (
    SPACE,
    bare_percent,
    beyond_chance,
    counted,
    number,
    percent,
    points,
    size,
    spans,
    times,
)
from evaluation.report.languages import name_of
from evaluation.report.quality_sections import COMPILED, FLOAT, languages_of, loss_of
from evaluation.report.speed_sections import gain
from evaluation.scoring.gate_sentences import AT_LEAST, FAILED, PASSED, UNKNOWN

UNSURE = "Passed, as far as so few clips can tell"
LABELS = {PASSED: "Passed", FAILED: "Not passed", UNKNOWN: UNSURE}
MAIN = (
    "accuracy kept",
    "error rate",
)  # checks over all languages that a model does not pass unsure
LOSSES = 3  # languages that the summary names
Quality = dict[str, Any]


def verdict(quality: Quality) -> dict[str, Any]:
    """What the gate says: `kind`, `label`, `sentence`, and the checks counted by their verdicts.

    A model that the gate lets through has passed, unless a main check could not tell.
    """
    gate = quality["gate"]
    checks = gate["checks"]
    counts = {kind: sum(check["verdict"] == kind for check in checks) for kind in LABELS}
    if gate["passed"] is None:
        return {
            "kind": "too",
            "label": "Not judged",
            "sentence": _named(gate["sentence"].removeprefix("not judged: "), quality),
            "counts": counts,
        }
    main = [c for c in checks if c["task"] in quality["tasks"] and c["what"] in MAIN]
    overall = {check["verdict"] for check in main if not check["language"]}
    unsure = UNKNOWN in overall or (counts[UNKNOWN] and not counts[PASSED])
    kind = FAILED if not gate["passed"] else UNKNOWN if unsure else PASSED
    sentence = _named(gate["sentence"].removeprefix("not ").removeprefix("passed: "), quality)
    return {"kind": kind.split()[0], "label": LABELS[kind], "sentence": sentence, "counts": counts}


def _named(sentence: str, quality: Quality) -> str:
    """A sentence with the names of languages instead of their codes, without a full stop."""
    told = sentence.rstrip(".")
    for language in languages_of(quality):
        told = re.sub(rf"\b{re.escape(language)}\b", name_of(language), told)
    return (told[:1].upper() + told[1:]).replace(" %", f"{SPACE}%")


def checks_of(quality: Quality) -> list[dict[str, Any]]:
    """The gate's checks as rows: what failed first, then what could not be told."""
    order = [FAILED, UNKNOWN, PASSED]
    ranked = sorted(quality["gate"]["checks"], key=lambda check: order.index(check["verdict"]))
    return [
        {
            "what": check["what"],
            "where": name_of(check["language"]) if check["language"] else "all languages",
            "task": check["task"] or "",
            "figure": percent(check["figure"]),
            "interval": spans(check["interval"]),
            "bound": f"{'≥' if check['what'] in AT_LEAST else '≤'}{SPACE}{percent(check['bound'])}",
            "seen": percent(check["seen"]),
            "clips": number(check["clips"], 0),
            "needed": number(check["needed"], 0),
            "verdict": check["verdict"],
            "kind": check["verdict"].split()[0],
        }
        for check in ranked
    ]


def sentences(quality: Quality, speed: dict[str, Any] | None) -> list[str]:
    """What compiling cost and gained, for people who read nothing else."""
    told = [_cost(task, cells["all"]) for task, cells in quality["tasks"].items()]
    sizes, faster = quality["sizes"]["both"], gain(speed)
    gained = []
    if sizes["float"] and sizes["compiled"]:
        share = percent(sizes["compiled"] / sizes["float"], 0)
        gained.append(f"The weights take {size(sizes['compiled'])}, {share} of the float32 model's")
    if faster:
        gained.append(f"{faster['compiled']} computes {_pace(faster)} {faster['float']}")
    joined = ", and ".join(gained)
    return [*filter(None, told), *([f"{joined}."] if joined else [])]


def _pace(faster: dict[str, Any]) -> str:
    ratio = faster["ratio"]
    return (
        f"{times(ratio)} times as fast as"
        if ratio >= 1.05
        else ("as fast as" if ratio > 0.95 else f"at {percent(ratio, 0)} of the speed of")
    )


def _cost(task: str, cell: dict[str, Any]) -> str:
    """One task's error rate before and after, in a sentence."""
    before, after = (cell["pairings"][pairing]["rate"] for pairing in (FLOAT, COMPILED))
    difference, interval = cell["change"]["difference"], cell["change"]["interval"]
    certain = beyond_chance(cell["change"])
    if None in (before, after, difference):
        return ""
    subject = f"{'Translating' if task == 'translate' else 'Transcribing'}, the error rate"
    if not number(100 * difference, 1).strip("−0."):
        return f"{subject} stayed at {percent(after)}."
    verb = "rose" if difference > 0 else "fell"
    told = f"{subject} {verb} from {bare_percent(before)} to {percent(after)}"
    if certain is False:
        return f"{told}, which may be chance."
    amount = f"{number(abs(100 * difference), 1)} points"
    return f"{told}: {amount}, 95{SPACE}% interval of the change {spans(interval)}."


def tiles(quality: Quality, speed: dict[str, Any] | None) -> list[dict[str, str]]:
    """The main figures, float to compiled."""
    found = []
    for task, cells in quality["tasks"].items():
        cell = cells["all"]
        before, after = (cell["pairings"][pairing]["rate"] for pairing in (FLOAT, COMPILED))
        interval = spans(cell["change"]["interval"])
        note = f"{points(cell['change']['difference'])} points"
        found.append(
            {
                "label": f"Error rate, {task}",
                "before": bare_percent(before),
                "after": percent(after),
                "note": f"{note} (95{SPACE}%: {interval})" if interval else note,
            }
        )
    sizes = quality["sizes"]["both"]
    if sizes["compiled"]:
        share = sizes["float"] and percent(sizes["compiled"] / sizes["float"], 0)
        note = f"{share} of the float32 weights" if share else "float weights not known"
        both = {kind: size(sizes[kind]) for kind in ("float", "compiled")}
        found.append(
            {"label": "Weights", "before": both["float"], "after": both["compiled"], "note": note}
        )
    if faster := gain(speed):
        found.append(
            {
                "label": "Real-time factor",
                "before": faster["before"],
                "after": faster["after"],
                "note": f"{faster['float']} → {faster['compiled']}",
            }
        )
    return found


def losses(quality: Quality) -> dict[str, Any]:
    """The languages that lost most, and how many tasks of languages lost nothing."""
    cells = [
        (loss_of(cell), name_of(language), task, cell)
        for task, all_cells in quality["tasks"].items()
        for language, cell in all_cells["languages"].items()
        if language not in all_cells["unheard"]
    ]
    lost = sorted((one for one in cells if one[0] > 0), key=lambda one: (-one[0], *one[1:3]))
    rows = []
    for _, name, task, cell in lost[:LOSSES]:
        before, after = (cell["pairings"][pairing]["rate"] for pairing in (FLOAT, COMPILED))
        rows.append(
            {
                "name": name,
                "task": task,
                "unit": cell["unit"],
                "change": f"{points(cell['change']['difference'])} points",
                "rates": f"{bare_percent(before)} → {percent(after)}",
                "interval": spans(cell["change"]["interval"]),
                "certain": beyond_chance(cell["change"]),
            }
        )
    return {"rows": rows, "more": len(lost) - len(rows)}


def subject(quality: Quality) -> str:
    """What was measured on: clips and languages."""
    clips = counted(quality["clips"], "held-out clip")
    return f"{clips} in {counted(len(languages_of(quality)), 'language')}"
