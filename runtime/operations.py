"""The operations of a float graph: what a compiler of it must support."""

import json
from collections import Counter
from typing import Any

import openvino as ov


def operations_of(graph: ov.Model) -> list[dict[str, Any]]:
    """Groups of equal operations, in the order in which the first of each is computed.

    Returns:
        Of each group: `type` and `opset` as OpenVINO's documentation has them, `count`, `inputs`
        and `outputs` (type and shape, such as `f32[?,1500,512]`; of weights and other fixed values
        `constant f32[512,512]`; of whole numbers what they are, too), `attributes`. `?` is a free
        length: the batch, tokens fed, tokens cached, or a sum of them.
    """
    groups = Counter(
        json.dumps(_facts(node))
        for node in graph.get_ordered_ops()
        if node.get_type_name() not in ("Constant", "Parameter", "Result")
    )
    return [{**json.loads(facts), "count": count} for facts, count in groups.items()]


def _facts(node: ov.Node) -> dict[str, Any]:
    info = node.get_type_info()
    return {
        "type": info.name,
        "opset": info.version_id,
        "inputs": [_value(one) for one in node.input_values()],
        "outputs": [_value(one) for one in node.outputs()],
        "attributes": node.get_attributes(),
    }


def _value(value: ov.Output) -> str:
    kind, shape = value.get_element_type().get_type_name(), value.get_partial_shape()
    sizes = ",".join(str(size.get_length()) if size.is_static else "?" for size in shape)
    node, described = value.get_node(), f"{kind}[{sizes}]"
    if node.get_type_name() != "Constant":
        return described
    numbers = f" = {node.data.tolist()}" if value.get_element_type().is_integral() else ""
    return f"constant {described}{numbers}"
