"""OpenVINO models on the CPU: how they are run, made stateful, and written to disk."""

import re
from pathlib import Path

import numpy as np
import openvino as ov
from openvino._offline_transformations import apply_make_stateful_transformation
from openvino.passes import ConstantFolding, Manager
from openvino.properties.hint import inference_precision, kv_cache_precision

from common.cli import UserError
from common.files import replacing
from runtime.mapped import released

# Names like `Constant_13389` count everything that the process has made; `139` is a tracer's count.
GENERATED_NAME = re.compile(r"([A-Za-z]\w*_)?\d+")


def compile_model(model: Path | ov.Model) -> ov.CompiledModel:
    """A graph ready to run on the CPU in the precision it was written in.

    The defaults would run float32 operations in bfloat16 on processors with units for it, and may
    keep a decoder's past keys and values in 8 bits.
    """
    settings = {inference_precision: ov.Type.f32, kv_cache_precision: ov.Type.f32}
    with released():
        return ov.Core().compile_model(model, "CPU", settings)


def read_model(path: Path) -> ov.Model:
    """A graph from its .xml and .bin.

    Raises:
        UserError: one of them is missing.
    """
    for file in (path, path.with_suffix(".bin")):
        if not file.is_file():
            raise UserError(f"{file} is missing; export the float graph first")
    return ov.Core().read_model(path)


def fix_batch(model: ov.Model, batch: int) -> ov.Model:
    """Give all inputs of a graph this batch size, in place; return the model."""
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        shape[0] = batch
        shapes[port] = shape
    model.reshape(shapes)
    folding = Manager()
    folding.register_pass(ConstantFolding())  # the arithmetic of shapes, which are known now
    folding.run_passes(model)
    return model


def make_stateful(model: ov.Model) -> ov.Model:
    """Turn a decoder's past and present keys/values into variables, in place; return the model.

    What is left are the inputs `inputs_embeds` and `cross_*` and the output `logits`. Every infer
    request has states of its own, [1, heads, cached, head_dim], empty at first and after
    `reset_state()`; each inference appends to them.
    """
    past = [name for name in names_of(model.inputs) if name.startswith("past_")]
    pairs = {name: name.replace("past_", "present_", 1) for name in past}
    apply_make_stateful_transformation(model, pairs)
    return model


def trim_states(request: ov.InferRequest, cached: int) -> None:
    """Make a stateful decoder forget all but the first `cached` tokens."""
    if cached == 0:
        request.reset_state()
        return
    for state in request.query_state():
        state.state = ov.Tensor(np.ascontiguousarray(state.state.data[:, :, :cached]))


def names_of(ports: list[ov.Output]) -> list[str]:
    """The names of a model's inputs or outputs, in order."""
    return [port.get_any_name() for port in ports]


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

    Inputs and outputs get the name of their tensor, other generated names the operation's type and
    its place in the graph. Names that hold the path of a module in the checkpoint stay.
    """
    model.set_friendly_name(name)
    for place, operation in enumerate(model.get_ordered_ops()):
        kind = operation.get_type_name()
        if kind in ("Parameter", "Result"):
            suffix = "" if kind == "Parameter" else "/result"
            operation.set_friendly_name(operation.output(0).get_any_name() + suffix)
        elif GENERATED_NAME.fullmatch(operation.get_friendly_name()):
            operation.set_friendly_name(f"{kind}_{place}")
