"""What the report shows of speed.json: each backend's figures, and published ones beside."""

from collections.abc import Callable
from typing import Any, NamedTuple

from evaluation.report import charts
from evaluation.report.format import counted, number, significant, size
from evaluation.report.operation_sections import operations

CUDA = "float torch CUDA"
COMPILED = ("int8 OpenVINO", "NPU")


class Measure(NamedTuple):
    """A figure of a backend: its key, a heading, what it says, and how it is written."""

    key: str
    head: str
    note: str
    text: Callable[[float | None], str]


MEASURES = (
    Measure(
        "real_time_factor", "Real-time factor", "computing per audio; less is better", significant
    ),
    Measure("first_token_ms", "First token, ms", "from audio; less is better", significant),
    Measure("tokens_per_second", "Tokens a second", "after the first; more is better", significant),
    Measure("encoder_ms", "Encoder, ms", "one pass; less is better", significant),
    Measure("peak_bytes", "Peak memory", "of the process; less is better", size),
    Measure("size_bytes", "Weights", "on disk; less is better", size),
)
LOAD = Measure("load_seconds", "Load, s", "", significant)
TOKEN = Measure("token_ms", "Token, ms", "", significant)
ALL = (MEASURES[0], MEASURES[1], TOKEN, MEASURES[2], MEASURES[3], LOAD, MEASURES[4], MEASURES[5])


def value_of(backend: dict[str, Any], key: str) -> tuple[float | None, float | None]:
    """A figure and its spread; either may be unknown."""
    found = backend.get(key)
    if isinstance(found, dict):
        return found["median"], found["spread"]
    return found, None


def is_compiled(name: str) -> bool:
    """Whether a backend runs the compiled model."""
    return name in COMPILED


def speed(found: dict[str, Any], elsewhere: list[dict[str, Any]]) -> dict[str, Any]:
    """Charts of the main figures, tables of all and of operations, the machine in words.

    Args:
        found: speed.json.
        elsewhere: Published figures, to be put beside.
    """
    published = [one | {"published": True} for one in elsewhere]
    own = found["backends"]
    machine = found["machine"]
    facts = [
        machine["processor"],
        machine["cores"] and counted(machine["cores"], "core"),
        machine["memory_bytes"] and size(machine["memory_bytes"]),
        machine["gpu"],
    ]
    table = [
        (one["name"], is_compiled(one["name"]), [_with_spread(one, each) for each in ALL])
        for one in own
    ]
    return {
        "charts": [_chart(measure, [*own, *published]) for measure in MEASURES],
        "heads": [measure.head for measure in ALL],
        "table": table,
        "operations": operations(own, COMPILED),
        "slower": found["slower"],
        "published": bool(published),
        "machine": ", ".join(fact for fact in facts if fact),
        "clips": counted(found["clips"], "clip"),
        "audio": f"{number(found['audio_seconds'], 1)} s",
        "rounds": counted(found["repeats"], "round"),
    }


def _chart(measure: Measure, backends: list[dict[str, Any]]) -> dict[str, Any]:
    values = [(one, *value_of(one, measure.key)) for one in backends]
    values = [(one, value, spread) for one, value, spread in values if value is not None]
    tops = [value + (spread or 0) for _, value, spread in values]
    scale = charts.Scale(0.0, max(tops, default=1.0) * 1.02 or 1.0)
    rows = []
    for one, value, spread in values:
        kind = "compiled" if is_compiled(one["name"]) else "float"
        kind = "published" if one.get("published") else kind
        ends = None if spread is None else [max(value - spread, 0), value + spread]
        text = measure.text(value)
        title = f"{one['name']}, {measure.head}: {text}"
        plot = charts.single_bar(kind, value, scale, title, ends)
        rows.append({"name": one["name"], "kind": kind, "value": text, "plot": plot})
    return {"head": measure.head, "note": measure.note, "rows": rows}


def _with_spread(backend: dict[str, Any], measure: Measure) -> str:
    value, spread = value_of(backend, measure.key)
    text = measure.text(value)
    return (
        f"{text} ± {significant(spread, 2)}" if value is not None and spread is not None else text
    )


def sides(found: dict[str, Any] | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The fastest float backend on the processor, and the compiled model's; None where not timed.

    Args:
        found: speed.json, or nothing.
    """
    timed = [
        one
        for one in (found or {"backends": []})["backends"]
        if one["name"] != CUDA and value_of(one, "real_time_factor")[0]
    ]
    floats = [one for one in timed if not is_compiled(one["name"])]
    best = min(floats, key=lambda one: one["real_time_factor"]["median"], default=None)
    return best, next((one for one in timed if is_compiled(one["name"])), None)


def gain(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The compiled model against the fastest float one on the same machine's processor.

    Args:
        found: speed.json, or nothing.

    Returns:
        `ratio` (how many times as fast), `float` and `compiled` (names), and the real-time factors
        `before` and `after`; None where one of them was not measured.
    """
    best, compiled = sides(found)
    if best is None or compiled is None:
        return None
    before, after = (one["real_time_factor"]["median"] for one in (best, compiled))
    return {
        "ratio": before / after,
        "float": best["name"],
        "compiled": compiled["name"],
        "before": significant(before),
        "after": significant(after),
    }
