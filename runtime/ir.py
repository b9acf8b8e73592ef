"""OpenVINO models on the CPU: how they are run, and written to disk."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino.properties.hint import inference_precision, kv_cache_precision

from common.cli import UserError
from common.files import replacing
from runtime.mapped import released

Properties = dict[Any, Any]
# Float operations as they are written, and the cache of past tokens too.
FLOAT32: Properties = {inference_precision: ov.Type.f32, kv_cache_precision: ov.Type.f32}
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
    """A graph from its .xml and .bin.

    Raises:
        UserError: one of them is missing.
    """
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            raise UserError(f"{file} is missing; export the float graph first")
    return ov.Core().read_model(path)


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
