"""The layers of a part's graphs, by the names that the setting `keep_float` takes.

A layer is an operation that multiplies matrices, and so one that quantising makes faster: a linear
projection, a convolution, a product of attention. Its name is that of the operation in the float
graph (see runtime/names.py), which NNCF keeps.
"""

from collections.abc import Iterable

import openvino as ov

from common.cli import UserError
from common.nearest import nearest
from runtime.names import KINDS


def layers_of(graph: ov.Model) -> dict[str, ov.Node]:
    """The layers of a graph by name, in an order in which they can be computed."""
    operations = graph.get_ordered_ops()
    return {o.get_friendly_name(): o for o in operations if o.get_type_name() in KINDS}


def value_products(graph: ov.Model) -> list[str]:
    """The products of cross-attention weights and values in a decoder's graph.

    They stay in float32: most weights over 1500 positions are smaller than half a step of 8 bits,
    and vanish. They have no weights of their own, so nothing grows.
    """
    return [name for name in layers_of(graph) if name.endswith("encoder_attn.values")]


def check_layers(names: Iterable[str], graph: ov.Model) -> None:
    """Refuse a name that is no layer of a part's float graph.

    Raises:
        UserError: One is; with the name nearest to it.
    """
    known = list(layers_of(graph))
    for name in names:
        if name not in known:
            raise UserError(
                f"keep_float names `{name}`, which is no layer of this part"
                f"{nearest(name, known)}; it has {len(known)}, such as `{known[0]}`, and"
                " evaluation/results/{model}/cpu/layers.json of an evaluation without keep_float"
                " lists them, most damaged first"
            )
