"""A float graph for the times of words, in a folder whose parts give logits alone.

The alignment heads of a checkpoint's cross-attention look at the audio that a token is of. Their
weights are cut out of the float decoder's graph: what a whole text looks at, in one pass.
"""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from common.files import read_json
from common.listing import check_listed
from runtime.ir import fix_batch, fix_names, read_model

NAME = "alignment"
USED = ("decoder", "decoder_cross")


def alignment_graph(graphs: Path, heads: list[list[int]]) -> ov.Model:
    """Embedded tokens [1, L, d_model] and encoder states [1, positions, d_model] to the weights
    [1, heads, L, positions] of some heads of the float decoder's cross-attention.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        heads: Pairs of layer and head, as `alignment_heads` of generation_config.json.
    """
    step, cross = (fix_batch(read_model(graphs.with_name(f"{name}.xml")), 1) for name in USED)
    given = {port.get_any_name(): port for port in cross.outputs}
    for parameter in step.get_parameters():
        name = parameter.output(0).get_any_name()
        if name.startswith("cross_"):
            _replace(parameter, given[name].get_node().input_value(0))
        elif name.startswith("past_"):
            shape = [size.get_length() if size.is_static else 0 for size in parameter.partial_shape]
            _replace(parameter, ops.constant(np.zeros(shape, np.float32)).output(0))
    # In the order of the layers; the attention of tokens to tokens is an operation of its own.
    attentions = [node for node in step.get_ordered_ops() if node.get_type_name() == "Softmax"]
    chosen = [ops.gather(attentions[layer].output(0), [head], 1) for layer, head in heads]
    result = ops.result(ops.concat(chosen, 1))
    result.output(0).get_tensor().set_names({"weights"})
    inputs = {port.get_any_name(): port.get_node() for port in (*step.inputs, *cross.inputs)}
    graph = ov.Model([result], [inputs["inputs_embeds"], inputs["encoder_hidden_states"]])
    fix_names(graph, NAME)
    return graph


def _replace(parameter: Any, source: ov.Output) -> None:
    """Let all that reads a parameter read something else."""
    for reader in parameter.output(0).get_target_inputs():
        reader.replace_source_output(source)


def write(graphs: Path, folder: Path) -> None:
    """Write the graph into a hand-off folder, weights in 16 bits, if the checkpoint names heads.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: Has generation_config.json, whose `alignment_heads` are pairs of layer and head.

    Raises:
        UserError: A float graph is not the one that its manifest lists.
    """
    heads = read_json(folder / "generation_config.json").get("alignment_heads")
    if heads:
        check_listed(graphs, [f"{name}{kind}" for name in USED for kind in (".xml", ".bin")])
        ov.save_model(alignment_graph(graphs, heads), folder / f"{NAME}.xml", compress_to_fp16=True)
