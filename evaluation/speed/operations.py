"""The operations that an OpenVINO request has run: what they are, and what each of them took.

A precision is that of the matrices that an operation really read: first what runs through the
model, then weights and the like. `bf16→i8 × u8` was brought to 8 bits as it ran, to be multiplied
with 8-bit weights (as OpenVINO does where the processor can multiply them). What is in a
ReadValueWithSubgraph OpenVINO does not tell. Types and kernels have OpenVINO's names.
"""

from collections import Counter
from datetime import timedelta
from typing import Any, NamedTuple

import openvino as ov
from openvino.properties.hint import dynamic_quantization_group_size

SHOWN = 12  # groups of a table, besides the rest
UNKNOWN = "not told"


class Operation(NamedTuple):
    """One operation, or a group of equal ones."""

    type: str
    precision: str
    kernel: str
    inputs: str  # shapes


class Profile(NamedTuple):
    """What a request has done since its model was compiled."""

    inferences: int
    means: dict[str, float]  # milliseconds an inference, by the operation's name


def profile_of(request: ov.InferRequest, inferences: int) -> Profile:
    """The profile after so many inferences: OpenVINO takes the mean over all of them."""
    done = [one for one in request.get_profiling_info() if one.status == one.Status.EXECUTED]
    millisecond = timedelta(milliseconds=1)
    return Profile(inferences, {one.node_name: one.real_time / millisecond for one in done})


def between(before: Profile, after: Profile) -> dict[str, float]:
    """Milliseconds of each operation, the mean over the inferences between two profiles."""
    count = after.inferences - before.inferences
    return {
        name: max(0.0, after.inferences * mean - before.inferences * before.means.get(name, 0.0))
        / count
        for name, mean in after.means.items()
    }


def operations_of(request: ov.InferRequest) -> dict[str, Operation]:
    """What the last inference consisted of, by name."""
    model = request.get_compiled_model()
    types = {one.node_name: one for one in request.get_profiling_info()}
    in_8_bits = int(model.get_property(dynamic_quantization_group_size)) > 0
    found = {}
    for node in model.get_runtime_model().get_ordered_ops():
        name = node.get_friendly_name()
        if name in types:
            kind, kernel = types[name].node_type, types[name].exec_type
            inputs = _matrices(node)
            read = [value.get_element_type().get_type_name() for value in inputs]
            if in_8_bits and kind == "FullyConnectedCompressed" and read[0] in ("f32", "bf16"):
                read[0] += "→i8"
            precision = " × ".join(dict.fromkeys(read))
            if kind == "ReadValueWithSubgraph":
                precision = UNKNOWN
            shapes = [str(value.get_partial_shape().to_shape()) for value in inputs]
            found[name] = Operation(kind, precision, kernel.rpartition("_")[0], " × ".join(shapes))
    return found


def _matrices(node: ov.Node) -> list[ov.Output]:
    """An operation's first input, and of the next two those that are no vectors.

    What comes after them are masks, scales and caches.
    """
    first, *others = node.input_values()[:3] or node.outputs()
    long = [sum(size.get_max_length() > 1 for size in one.get_partial_shape()) for one in others]
    return [first, *(one for one, axes in zip(others, long, strict=True) if axes > 1)]


def table(spent: dict[str, float], operations: dict[str, Operation]) -> dict[str, Any]:
    """What evaluation.speed.profile writes of a part.

    Args:
        spent: Milliseconds by the operation's name.
        operations: What they are.
    """
    total = sum(spent.values())
    times, counts, precisions = Counter[Operation](), Counter[Operation](), Counter[str]()
    for name, ms in spent.items():
        operation = operations[name]
        times[operation] += ms
        counts[operation] += 1
        precisions[operation.precision] += ms
    ranked = sorted(times, key=lambda one: (-times[one], one))
    rows = [one._asdict() | _amount(times, counts, [one], total) for one in ranked[:SHOWN]]
    if rest := ranked[SHOWN:]:
        others = Operation("others", "", "", "")._asdict()
        rows.append(others | _amount(times, counts, rest, total))
    by_time = sorted(precisions, key=lambda one: (-precisions[one], one))
    shares = {one: _rounded(precisions[one] / total) for one in by_time}
    return {"ms": _rounded(total), "precisions": shares, "operations": rows}


def _amount(
    times: Counter[Operation], counts: Counter[Operation], of: list[Operation], total: float
) -> dict[str, float]:
    ms = sum(times[one] for one in of)
    count = sum(counts[one] for one in of)
    return {"count": count, "ms": _rounded(ms), "share": _rounded(ms / total)}


def _rounded(value: float) -> float:
    """To three digits."""
    return float(f"{value:.3g}")
