"""Several results in order: by error rate, size and speed, and those that no other one beats."""

import math
from typing import Any

from evaluation.report.speed_sections import sides, value_of
from evaluation.scoring.pairs import COMPILED

Result = tuple[dict[str, Any], dict[str, Any]]  # quality.json, and by name what else there is
MEASURES = ("error rate", "size", "speed")


def rate_of(quality: dict[str, Any], task: str, pairing: str) -> float | None:
    """Error rate of a task over all languages."""
    cells = quality["tasks"].get(task)
    return cells["all"]["pairings"][pairing]["rate"] if cells else None


def tokens_per_second(files: dict[str, Any], side: int) -> float | None:
    """Of the fastest float backend (0) or the compiled model (1)."""
    backend = sides(files.get("speed"))[side]
    return value_of(backend, "tokens_per_second")[0] if backend else None


def measures_of(result: Result, task: str) -> tuple[float | None, ...]:
    """Error rate, size and seconds a token of the compiled model: of each, less is better."""
    quality, files = result
    speed = tokens_per_second(files, 1)
    sizes = quality["sizes"]["both"]
    return rate_of(quality, task, COMPILED), sizes["compiled"], 1 / speed if speed else None


def ordered(results: list[Result], task: str) -> list[Result]:
    """By the error rate of a task, then by size, then by speed; what is unknown comes last."""

    def key(result: Result) -> list[float]:
        return [math.inf if one is None else one for one in measures_of(result, task)]

    return sorted(results, key=key)


def orders(measures: list[tuple[float | None, ...]]) -> list[dict[str, Any]]:
    """Of each measure, the numbers of the results that have it, the best first."""
    found = []
    for place, name in enumerate(MEASURES):
        known = [(own[place], index) for index, own in enumerate(measures, 1)]
        best = sorted(pair for pair in known if pair[0] is not None)
        found.append({"by": name, "indices": [index for _, index in best]})
    return [one for one in found if one["indices"]]


def on_front(measures: list[tuple[float | None, ...]]) -> list[bool | None]:
    """Whether no other is as good in everything and better in something; None where unknown."""

    def beats(other: tuple[Any, ...], own: tuple[Any, ...]) -> bool:
        return other != own and all(a <= b for a, b in zip(other, own, strict=True))

    known = [own for own in measures if None not in own]
    return [
        None if None in own else not any(beats(other, own) for other in known) for own in measures
    ]
