"""Stand-in for the vendor's reader of graph files."""

from types import SimpleNamespace
from typing import Any

from qbcompiler._double.parsing import read_graph


def read_mblt_graph_info(path: str) -> tuple[Any, list[Any]]:
    """What a graph is of, and its subgraphs, whose operators are its layers."""
    graph = read_graph(path)
    layers = [SimpleNamespace(name=name) for name in graph["layers"]]
    return graph, [SimpleNamespace(operators=layers)]
