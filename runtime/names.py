"""Names of the operations that multiply matrices, after the checkpoint's modules."""

import openvino as ov

KINDS = ("Convolution", "MatMul", "ScaledDotProductAttention")
TRACED = "__module."  # what tracing puts before a module's path, and a slash behind it


def name_layers(graph: ov.Model) -> None:
    """Name a traced graph's layers: `encoder.layers.0.fc1`, `decoder.layers.1.encoder_attn.scores`.

    A linear layer or a convolution has the name of its module. Attention multiplies more than its
    modules do: `scores` are of queries and keys, `values` of the weights and the values, and where
    both are one operation, that is its `attention`.

    Raises:
        ValueError: two layers would have the same name.
    """
    layers = [op for op in graph.get_ordered_ops() if op.get_type_name() in KINDS]
    names = {op: _module(op) or _product(op) for op in layers}
    if len(set(names.values())) < len(names):
        raise ValueError(f"two layers have the same name: {sorted(names.values())}")
    for op, name in names.items():
        op.set_friendly_name(name)


def _module(op: ov.Node) -> str | None:
    """The path of the module that an operation was traced in."""
    path, slash, _ = op.get_friendly_name().partition("/")
    return path.removeprefix(TRACED) if slash and path.startswith(TRACED) else None


def _product(op: ov.Node) -> str:
    """The name of a product of attention, after the block whose output layer it leads to."""
    followers, softmax = [op], False
    while not (module := _module(followers[0])):
        node = followers.pop(0)
        softmax = softmax or node.get_type_name() == "Softmax"
        followers += [port.get_node() for out in node.outputs() for port in out.get_target_inputs()]
    block = module.rpartition(".")[0]
    if op.get_type_name() == "ScaledDotProductAttention":
        return f"{block}.attention"
    return f"{block}.scores" if softmax else f"{block}.values"
