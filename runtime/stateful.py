"""The decoder as it runs: token ids in, logits out, everything else is state.

This is the interface that OpenVINO GenAI and optimum-intel give a Whisper decoder:

    input_ids              int64 [B, L]
    encoder_hidden_states  float32 [B, 1500, d_model], read at the first inference after a reset
    beam_idx               int32 [B]: which row of the cache each row goes on from
    logits                 float32 [B, L, vocab]

States are the keys and values of the tokens fed so far (`past_*`) and those of the encoder's states
(`cross_*`), which are computed at that first inference and only read after it.
"""

import numpy as np
import openvino as ov
from openvino import op, opset13
from openvino.op.util import Variable, VariableInfo

from runtime.ir import PAST, replace_value
from runtime.tables import Tables

CROSS = "cross_"  # how the names of states begin that hold what was computed of encoder states
SCORES = "encoder_attn.scores"  # how the names of the products of queries and cross keys end
# What OpenVINO GenAI looks for: values of this name are the scores that tell when a word was said.
ALIGNMENT = "cross_attention_qk_scaled_scores"


def make_stateful(decoder: ov.Model, tables: Tables) -> ov.Model:
    """Turn a decoder's graph (see runtime/graphs.py), float or int8, into the one that runs.

    Args:
        decoder: The graph; its operations become those of the result.
        tables: The checkpoint's embedding tables. They are kept in float16 where that holds every
            one of their values, as it does those of OpenAI's checkpoints.
    """
    inputs = {port.get_any_name(): port for port in decoder.inputs}
    outputs = {port.get_any_name(): port for port in decoder.outputs}
    token_ids = _parameter("input_ids", [-1, -1], ov.Type.i64)
    beams = _parameter("beam_idx", [-1], ov.Type.i32)
    states = inputs["encoder_hidden_states"]
    cross = _computed_once(decoder, states.get_node())
    assigns = [_once(value, f"{CROSS}{place}") for place, value in enumerate(cross)]
    batch, length = _size(token_ids.output(0), 0), _size(token_ids.output(0), 1)
    for name, past in inputs.items():
        if name.startswith(PAST):
            present = outputs[name.replace(PAST, "present_")].get_node().input_value(0)
            assign, cached = _kept(past, present, batch, beams, name)
            assigns.append(assign)
    embedding = _embedding(tables, token_ids, _size(cached, 2), length)
    replace_value(inputs["inputs_embeds"], embedding.output(0))
    _name_scores(decoder)
    logits = outputs["logits"].get_node()
    model = ov.Model([logits], assigns, [token_ids, states.get_node(), beams], "decoder")
    model.validate_nodes_and_infer_types()
    # Of its own accord OpenVINO keeps the cache in 8 bits, which costs texts and saves no time.
    model.set_rt_info("f16", ["runtime_options", "KV_CACHE_PRECISION"])
    return model


def _parameter(name: str, shape: list[int], kind: ov.Type) -> ov.Node:
    node = opset13.parameter(ov.PartialShape(shape), kind, name)
    node.output(0).get_tensor().set_names({name})
    return node


def _size(value: ov.Output, axis: int) -> ov.Node:
    """The length of one axis, int64 [1]."""
    return opset13.gather(opset13.shape_of(value, "i64"), np.int64([axis]), np.int64(0))


def _variable(name: str, value: ov.Output) -> Variable:
    info = VariableInfo()
    info.variable_id, info.data_type = name, value.get_element_type()
    info.data_shape = ov.PartialShape([-1] * len(value.get_partial_shape()))  # loaders relax them
    return Variable(info)


def _computed_once(decoder: ov.Model, states: ov.Node) -> list[ov.Output]:
    """The values that are computed of the encoder's states alone, where others begin to use them.

    In a graph that was quantised, the quantisation of cross-attention keys is among them.
    """
    own, ordered = {states}, decoder.get_ordered_ops()
    for node in ordered:
        inputs = node.input_values()
        if any(value.get_node() in own for value in inputs) and all(_fixed(v, own) for v in inputs):
            own.add(node)
    return [
        value
        for node in ordered
        for value in node.outputs()
        if node in own
        and value.get_element_type().is_real()
        and any(port.get_node() not in own for port in value.get_target_inputs())
    ]


def _fixed(value: ov.Output, own: set[ov.Node]) -> bool:
    """Whether a value is one of the known ones, or computed of constants."""
    node = value.get_node()
    if node in own or node.get_type_name() == "Constant":
        return True
    inputs = node.input_values()
    return bool(inputs) and all(_fixed(one, own) for one in inputs)


def _once(value: ov.Output, name: str) -> ov.Node:
    """Let a value be computed once, and read from a state after that; what assigns the state."""
    variable = _variable(name, value)
    read = opset13.read_value(value.get_node(), variable)
    replace_value(value, read.output(0))
    return op.assign(read, variable)


def _kept(
    past: ov.Output, present: ov.Output, batch: ov.Node, beams: ov.Node, name: str
) -> tuple[ov.Node, ov.Output]:
    """Make past and present keys or values a state; what assigns it, and the past that is read."""
    _, heads, _, width = (size.get_max_length() for size in past.get_partial_shape())
    shape = opset13.concat([batch, opset13.constant(np.int64([heads, 0, width]))], 0)
    empty = opset13.broadcast(np.float32(0), shape)
    variable = _variable(name, past)
    chosen = opset13.gather(opset13.read_value(empty, variable), beams, np.int64(0))
    replace_value(past, chosen.output(0))
    return op.assign(present.get_node(), variable), chosen.output(0)


def _embedding(tables: Tables, token_ids: ov.Node, cached: ov.Node, length: ov.Node) -> ov.Node:
    """Token plus position embeddings, as transformers adds them."""
    tokens = opset13.gather(_table(tables.tokens), token_ids, np.int64(0))
    end, step, axis = opset13.add(cached, length), np.int64([1]), np.int64([0])
    return opset13.add(tokens, opset13.slice(_table(tables.positions), cached, end, step, axis))


def _table(rows: np.ndarray) -> ov.Node:
    """A table as float32, stored in float16 where that is exact."""
    small = rows.astype(np.float16)
    if np.array_equal(small.astype(np.float32), rows):
        return opset13.convert(opset13.constant(small), "f32")
    return opset13.constant(np.ascontiguousarray(rows))


def _name_scores(decoder: ov.Model) -> None:
    """Name the scores of the cross-attention as OpenVINO GenAI expects it.

    It looks for additions, and so one of nothing is made, which is left out where the graph is
    compiled.
    """
    for node in decoder.get_ordered_ops():
        if node.get_friendly_name().endswith(SCORES):
            named = opset13.add(node, np.float32(0)).output(0)
            named.get_tensor().set_names({ALIGNMENT})
            replace_value(node.output(0), named)
