"""An NPU's texts beside those of the same model on the CPU: whose the loss is.

Both are calibrated with the same set. What parts of 8 bits lose on the CPU too is the
quantisation's; what they lose on the NPU alone is the device's, or its compiler's.
"""

from typing import Any

import numpy as np

from common.model_names import split
from evaluation.report.format import bare_percent, counted, spans
from evaluation.report.languages import name_of
from evaluation.scoring import bootstrap
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.text_errors import count_errors, language_of

SHOWN = 40  # clips that differ
Result = tuple[dict[str, Any], dict[str, Any]]  # quality.json, and by name what else there is


def twins(results: list[Result]) -> list[dict[str, Any]]:
    """Of each NPU's result that has one of the CPU beside it: what is said of the two, by task."""
    heard = [files["transcripts"] for _, files in results if "transcripts" in files]
    on_cpu = {one["model"]: one for one in heard if one["target"] == "cpu"}
    found = []
    for npu in heard:
        # Of the same variant, or the plain model.
        cpu = on_cpu.get(npu["model"]) or on_cpu.get(split(npu["model"])[0])
        if npu["target"] == "cpu" or cpu is None:
            continue
        rows = _shared(cpu, npu)
        for task in dict.fromkeys(row["task"] for row in rows):
            own = [row for row in rows if row["task"] == task]
            head = f"{npu['model']}: {npu['target']} beside the CPU, {task}"
            found.append({"head": head, **_compared(own)})
    return found


def _shared(cpu: dict[str, Any], npu: dict[str, Any]) -> list[dict[str, Any]]:
    """The texts of clips that both have heard, with the errors of each, at most a clip's length."""
    known = {_key(row): row for row in npu["rows"]}
    rows = []
    for row in cpu["rows"]:
        other = known.get(_key(row))
        if other is None or FLOAT not in row["texts"]:
            continue
        texts = [row["texts"][FLOAT], row["texts"][COMPILED], other["texts"][COMPILED]]
        code = language_of(row["task"], row)
        errors = [count_errors(row["reference"], text, code) for text in texts]
        kept = {key: row[key] for key in ("task", "language", "reference")}
        rows.append(
            {
                **kept,
                "clip": row["clip"].rpartition("/")[2],
                "texts": texts,
                "errors": [one.capped for one in errors],
                "units": errors[0].units,
            }
        )
    return rows


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["clip"].rpartition("/")[2], row["task"], row["reference"]


def _compared(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Error rates of float, CPU and NPU, a verdict, and the clips in which they differ."""
    counts, units = (
        np.array([row["errors"] for row in rows]).T,
        np.array([r["units"] for r in rows]),
    )
    differing = [row for row in rows if len(set(row["texts"])) > 1]
    differing.sort(key=lambda row: (row["errors"][0] - row["errors"][2], row["clip"]))
    return {
        "sentence": sentence(*counts, units),
        "rates": [bare_percent(float(errors.sum() / units.sum())) for errors in counts],
        "rows": [{**row, "language": name_of(row["language"])} for row in differing[:SHOWN]],
        "more": max(len(differing) - SHOWN, 0),
    }


def sentence(before: np.ndarray, cpu: np.ndarray, npu: np.ndarray, units: np.ndarray) -> str:
    """Whose the NPU's loss is, as far as the clips can tell.

    Args:
        before: Errors of the float model in each clip, [clips].
        cpu: Of the parts of 8 bits on the CPU.
        npu: Of those on the NPU.
        units: Words or characters of each clip's reference.
    """
    (rises, device) = (bootstrap.interval_of_difference(one, npu, units) for one in (before, cpu))
    on = f"on {counted(len(units), 'clip')}"
    if rises[0] <= 0:
        return f"The NPU's loss is no more than chance makes {on} ({spans(rises)} points)."
    if device[0] > 0:
        return (
            f"The NPU's loss ({spans(rises)} points {on}) is the device's, or its compiler's: the"
            f" same model in 8 bits on the CPU has fewer errors, by {spans(device)} points."
        )
    return (
        f"The NPU's loss ({spans(rises)} points {on}) is the quantisation's, as far as can be told:"
        f" the same model in 8 bits on the CPU loses it too (NPU to CPU {spans(device)} points)."
    )
