"""The quantised layers of an int8 graph, each cut out so that it can be fed what a float one is."""

from typing import NamedTuple

import openvino as ov
from openvino import opset13

from compilation.openvino.float_layers import layers_of

# NNCF may quantise before these instead of right before the layer.
MOVING = ("Reshape", "Squeeze", "Transpose", "Unsqueeze")
# What may stand between stored weights and their layer.
UNPACKING = ("Convert", "Multiply", "Reshape", "Subtract", "Transpose")


class Layer(NamedTuple):
    """A layer that was cut out. A value goes by the name of the operation that computes it."""

    name: str
    output: str  # what it gives: its own value, or that of the bias's addition
    inputs: list[str]  # values of the float graph that it is to be fed
    bytes: int  # of its int8 weights; 0 for a product of two activations


class Cut(NamedTuple):
    """An int8 graph in pieces."""

    layers: list[Layer]
    operations: dict[str, ov.Node]  # by name
    inputs: dict[str, ov.Node]  # Parameters that stand for the float graph's values, by their names


def by_name(graph: ov.Model) -> dict[str, ov.Node]:
    """The operations of a graph by their names."""
    return {operation.get_friendly_name(): operation for operation in graph.get_ordered_ops()}


def cut_out(graph: ov.Model, float_operations: dict[str, ov.Node]) -> Cut:
    """Cut every quantised layer out of an int8 graph, which is changed in place.

    A layer takes along what quantises its inputs: FakeQuantize, the scales of SmoothQuant, and
    operations in between that only move data. It is cut off below the first operations that the
    float graph has too, under the same names.

    Args:
        graph: The int8 graph.
        float_operations: Those of the float graph that it was made from, by name.
    """
    operations, inputs = by_name(graph), {}
    layers = []
    for name, node in layers_of(graph).items():
        cutter = _Cutter(float_operations, inputs)
        for port in node.inputs():
            cutter.cut_above(port)
        if cutter.quantised:
            fed = list(dict.fromkeys(cutter.fed))
            layers.append(Layer(name, _with_bias(node), fed, cutter.bytes))
    return Cut(layers, operations, inputs)


class _Cutter:
    """Cuts one layer off what is above it."""

    def __init__(self, float_operations: dict[str, ov.Node], inputs: dict[str, ov.Node]) -> None:
        self._float, self._inputs = float_operations, inputs
        self.fed: list[str] = []
        self.bytes = 0
        self.quantised = False

    def cut_above(self, port: ov.Input) -> None:
        """Let a Parameter feed an input port of the layer, or ports of what quantises that."""
        value = port.get_source_output()
        node = value.get_node()
        if (weights := _stored(node)) is not None:
            if weights.get_element_type().bitwidth <= 8:
                self.quantised = True
                self.bytes += weights.get_byte_size()
            return
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name in self._float and kind not in MOVING:
            port.replace_source_output(self._parameter(name, value.get_index()))
            self.fed.append(name)
            return
        self.quantised |= kind == "FakeQuantize"
        for above in node.inputs():
            self.cut_above(above)

    def _parameter(self, name: str, index: int) -> ov.Output:
        if name not in self._inputs:
            value = self._float[name].output(index)
            parameter = opset13.parameter(value.get_partial_shape(), value.get_element_type())
            parameter.set_friendly_name(name)
            parameter.output(0).get_tensor().set_names({name})
            self._inputs[name] = parameter
        return self._inputs[name].output(0)


def _stored(node: ov.Node) -> ov.Node | None:
    """The Constant that a value is unpacked from, if it is one."""
    while node.get_type_name() in UNPACKING:
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _with_bias(node: ov.Node) -> str:
    """The name of the addition of a constant to a layer's value, where there is one, or its own."""
    consumers = list(node.output(0).get_target_inputs())
    adding = consumers[0].get_node() if len(consumers) == 1 else node
    if adding.get_type_name() == "Add":
        other = adding.input_value(1 - consumers[0].get_index()).get_node()
        if _stored(other) is not None:
            return adding.get_friendly_name()
    return node.get_friendly_name()
