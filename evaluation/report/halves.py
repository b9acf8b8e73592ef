"""Which half broke: the error rates of every pairing of float and compiled parts."""

from typing import Any

from evaluation.report.format import percent, points, spans
from evaluation.report.languages import name_of
from evaluation.report.quality_sections import KINDS, loss_of
from evaluation.scoring.gate_sentences import FAILED
from evaluation.scoring.pairs import FLOAT


def pairings(quality: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each task, the error rates of float and compiled halves: rows encoder, columns decoder."""
    failed = [check for check in quality["gate"]["checks"] if check["verdict"] == FAILED]
    return [
        _pairings(task, cells, [check for check in failed if check["task"] == task])
        for task, cells in quality["tasks"].items()
    ]


def _pairings(task: str, cells: dict[str, Any], failed: list[dict[str, Any]]) -> dict[str, Any]:
    cell = cells["all"]
    rates = {name: result["rate"] for name, result in cell["pairings"].items()}
    more = _added(cell)
    most = max([abs(value) for value in more.values() if value is not None] + [0.02])

    def square(name: str) -> dict[str, Any]:
        difference = more.get(name)
        return {
            "rate": percent(rates[name]),
            "interval": spans(cell["pairings"][name]["interval"]),
            "change": "float model" if name == FLOAT else f"{points(difference)} points",
            "shade": round(max(difference or 0, 0) / most, 2),
        }

    rows = [(e, [square(f"{e}+{d}") for d in KINDS]) for e in KINDS]
    return {"task": task, "rows": rows, "sentence": _blamed(cells, failed)}


def _added(cell: dict[str, Any]) -> dict[str, float | None]:
    """By how much each pairing's error rate is above the float model's."""
    rates = {name: result["rate"] for name, result in cell["pairings"].items()}
    base = rates.pop(FLOAT)
    return {name: None if None in (rate, base) else rate - base for name, rate in rates.items()}


def _blamed(cells: dict[str, Any], failed: list[dict[str, Any]]) -> str:
    """Which half made what the gate found: over all languages, or in the one that lost most."""
    languages = {check["language"] for check in failed if check["language"]}
    if cells["all"]["change"]["harm"] or not failed:
        return blame(_added(cells["all"]), cells["all"]["change"]["harm"])
    if not languages:
        return "Error rates differ no more than chance makes; what fails is counted in Failures."
    worst = max(languages, key=lambda language: loss_of(cells["languages"][language]))
    sentence = blame(_added(cells["languages"][worst]), True)
    return sentence and f"In {name_of(worst)}: {sentence[:1].lower()}{sentence[1:]}"


def blame(more: dict[str, float | None], harm: bool | None) -> str:
    """Which half made the loss, as far as the pairings tell.

    Args:
        more: By how much the error rate is above the float model's, by pairing.
        harm: Whether the gate has found that both halves together do harm.
    """
    encoder, decoder, both = (
        more[name] for name in ("compiled+float", "float+compiled", "compiled+compiled")
    )
    if encoder is None or decoder is None or both is None:
        return ""
    if both <= 0 or not harm:
        return "Neither half broke: the difference is no larger than chance makes."
    alone = f"alone, the encoder makes {points(encoder)} and the decoder {points(decoder)} points"
    if encoder > 2 * max(decoder, 0):
        return f"Most of the loss comes from the encoder: {alone}."
    if decoder > 2 * max(encoder, 0):
        return f"Most of the loss comes from the decoder: {alone}."
    return f"Both halves have their share of the loss: {alone}."
