"""OpenVINO models on the CPU: how they are run, and written to disk."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13
from openvino.properties.hint import (
    dynamic_quantization_group_size,
    inference_precision,
    kv_cache_precision,
)

from common.cli import UserError
from common.files import replacing
from runtime.mapped import released

Properties = dict[Any, Any]
# Float operations as they are written, and the cache of past tokens too. Of its own accord,
# OpenVINO brings what 8-bit weights are multiplied with in float32 to 8 bits, too.
FLOAT32: Properties = {
    inference_precision: ov.Type.f32,
    kv_cache_precision: ov.Type.f32,
    dynamic_quantization_group_size: 0,
}
# As OpenVINO chooses: on processors with units for it, float operations run in bfloat16, and the
# cache may be kept in 8 bits. So does everybody who loads a hand-off folder.
CHOSEN: Properties = {}
PAST = "past_"  # how the names of states begin that hold what was computed of past tokens
# Names like `Constant_13389` count everything that the process has made; `139` is a tracer's count.
GENERATED_NAME = re.compile(r"([A-Za-z]\w*_)?\d+")


def compile_model(model: Path | ov.Model, properties: Properties = FLOAT32) -> ov.CompiledModel:
    """A graph, or that of an .xml, ready to run on the CPU, by default as it is written."""
    with released():
        return ov.Core().compile_model(model, "CPU", properties)


def read_model(path: Path) -> ov.Model:
    """A graph from its .xml and .bin, weights of float layers in float32.

    Raises:
        UserError: one of them is missing.
    """
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            raise UserError(f"{file} is missing; export the float graph first")
    model = ov.Core().read_model(path)
    _restore_float32(model)
    return model


def _restore_float32(model: ov.Model) -> None:
    """Undo `store_float16`, to the last bit.

    Of weights in 16 bits, OpenVINO takes other kernels, which round differently, and NNCF keeps
    scales in 16 bits.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convert" and node.get_element_type() == ov.Type.f32:
            stored = node.input_value(0).get_node()
            if stored.get_type_name() == "Constant" and stored.get_element_type() == ov.Type.f16:
                name, weights = stored.get_friendly_name(), stored.data.astype(np.float32)
                restored = opset13.constant(weights, name=name, shared_memory=True)
                replace_value(node.output(0), restored.output(0))


def store_float16(model: ov.Model) -> dict[str, dict[str, int]]:
    """Keep each float32 constant as float16, converted to float32, where that is exact.

    Args:
        model: The graph, which is changed. `read_model` gives what it was.

    Returns:
        Of `float16` and `float32`, how many `constants` are stored so, and in how many `bytes`.
    """
    stored = {kind: {"constants": 0, "bytes": 0} for kind in ("float16", "float32")}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.f32:
            small = _exact_float16(node.data)
            if small is not None:
                kept = opset13.constant(small, name=node.get_friendly_name())
                replace_value(node.output(0), opset13.convert(kept, "f32").output(0))
            counts = stored["float32" if small is None else "float16"]
            counts["constants"] += 1
            counts["bytes"] += (node.data if small is None else small).nbytes
    return stored


def _exact_float16(values: np.ndarray) -> np.ndarray | None:
    """Float32 values as float16; nothing where that changes one of them."""
    with np.errstate(over="ignore"):  # beyond the largest is not exact either
        small = values.astype(np.float16)
    return small if np.array_equal(small, values) else None


def trim_states(request: ov.InferRequest, cached: int) -> None:
    """Make a stateful decoder (see runtime/stateful.py) forget all but the first tokens."""
    for state in (state for state in request.query_state() if state.name.startswith(PAST)):
        if cached == 0:
            state.reset()
        else:
            state.state = ov.Tensor(np.ascontiguousarray(state.state.data[:, :, :cached]))


def replace_value(old: ov.Output, new: ov.Output) -> None:
    """Let all that reads one value of a graph read another; what makes the other goes on as it was.

    Args:
        old: The value.
        new: What is read instead; it may be computed of the old one.
    """
    maker = new.get_node()
    for port in old.get_target_inputs():
        if port.get_node() != maker:
            port.replace_source_output(new)


def save_model(model: ov.Model, path: Path) -> None:
    """Write `path` (.xml) and the .bin beside it: equal models give equal bytes in any process.

    Each file is written under a temporary name; the .xml is renamed last. Weights keep their type.
    """
    fix_names(model, path.stem)
    weights = path.with_suffix(".bin")
    with replacing(path) as temporary, replacing(weights) as temporary_weights:
        ov.serialize(model, temporary, temporary_weights)
        path.unlink(missing_ok=True)  # killed between the renames: no old graph with new weights


def fix_names(model: ov.Model, name: str) -> None:
    """Name the model and replace the names of operations that depend on the process's history.

    Inputs and outputs get the name of their tensor, other generated names, and those that another
    operation has, the operation's type and its place in the graph. Names that hold the path of a
    module in the checkpoint stay.
    """
    model.set_friendly_name(name)
    names: set[str] = set()
    for place, operation in enumerate(model.get_ordered_ops()):
        kind = operation.get_type_name()
        if kind in ("Parameter", "Result"):
            suffix = "" if kind == "Parameter" else "/result"
            operation.set_friendly_name(operation.output(0).get_any_name() + suffix)
        elif (own := operation.get_friendly_name()) in names or GENERATED_NAME.fullmatch(own):
            operation.set_friendly_name(f"{kind}_{place}")
        names.add(operation.get_friendly_name())
