"""A float graph for the times of words, in a folder whose parts give logits alone.

The alignment heads of a checkpoint's cross-attention look at the audio that a token is of. Their
weights are cut out of the float decoder's graph: what a whole text looks at, in one pass.
"""

from pathlib import Path

import openvino as ov
from openvino import opset13 as ops

from common.files import read_json
from common.listing import check_listed
from compilation.openvino.samples import empty_past
from runtime.ir import fix_names, read_model, replace_value

NAME = "alignment"


def alignment_graph(graphs: Path, heads: list[list[int]]) -> ov.Model:
    """Embedded tokens [1, L, d_model] and encoder states [1, positions, d_model] to the weights
    [1, heads, L, positions] of some heads of the float decoder's cross-attention.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        heads: Pairs of layer and head, as `alignment_heads` of generation_config.json.
    """
    decoder = read_model(graphs.with_name("decoder.xml"))
    for name, nothing in empty_past(decoder).items():
        replace_value(decoder.input(name), ops.constant(nothing).output(0))
    # In the order of the layers; the attention of tokens to tokens is an operation of its own.
    attentions = [node for node in decoder.get_ordered_ops() if node.get_type_name() == "Softmax"]
    chosen = [ops.gather(attentions[layer].output(0), [head], 1) for layer, head in heads]
    result = ops.result(ops.concat(chosen, 1))
    result.output(0).get_tensor().set_names({"weights"})
    inputs = [decoder.input(name).get_node() for name in ("inputs_embeds", "encoder_hidden_states")]
    graph = ov.Model([result], inputs)
    fix_names(graph, NAME)
    return graph


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
        check_listed(graphs, ["decoder.xml", "decoder.bin"])
        ov.save_model(alignment_graph(graphs, heads), folder / f"{NAME}.xml", compress_to_fp16=True)
