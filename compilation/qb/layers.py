"""Layers that settings name: a name that is in no graph, the compiler ignores without a word.

Only the standard library is used: this also runs in the interpreter that has the compiler.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from common.nearest import nearest
from compilation.qb.limits import Refused
from compilation.qb.recipes import PACKAGE, Make

# Fields of the compiler's settings that list layers by name.
FIELDS = ("activation_16bits", "weight_16bits", "weight_8bits", "apply_layers", "exclude_layers")


def named_layers(settings: Any) -> list[str]:
    """Names of layers in keyword arguments, or in descriptions of them, in order."""
    if isinstance(settings, Make):
        settings = settings.arguments
    if isinstance(settings, list):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return []
    found: list[str] = []
    for key, value in settings.items():
        found += value if key in FIELDS and isinstance(value, list) else named_layers(value)
    return list(dict.fromkeys(found))


def layers_of(graph: str) -> list[str]:
    """Names of all layers of a .mblt; none where the installed version has no reader of it."""
    try:
        read = importlib.import_module(f"{PACKAGE}.artifact.input").read_mblt_graph_info
    except (ImportError, AttributeError):
        return []
    _, subgraphs = read(graph)
    return [operator.name for subgraph in subgraphs for operator in subgraph.operators]


def check_layers(names: list[str], graph: str) -> bool | None:
    """Refuse names that are not in a graph; True, or None where the graph's could not be read.

    Raises:
        Refused: one of them is no layer of the graph.
    """
    known = layers_of(graph)
    if not known:
        print(
            f"WARNING: the layers {names} were NOT CHECKED: the installed {PACKAGE} has no reader"
            " of a graph's names, and ignores without a word those that it does not find",
            file=sys.stderr,
        )
        return None
    for name in names:
        if name not in known:
            raise Refused(
                f"{graph} has no layer `{name}`{nearest(name, known)}, and {PACKAGE} would ignore"
                " it without a word; correct it in config.yaml"
            )
    return True


def look_up_resolved(names: list[str], resolved: Path) -> bool | None:
    """Whether all names are in the settings that the compiler wrote; None where it wrote none."""
    if not resolved.is_file():
        return None
    held = _texts(json.loads(resolved.read_text(encoding="utf-8")))
    lost = [name for name in names if name not in held]
    if lost:
        print(
            f"WARNING: the layers {lost} are NOT in the settings that {PACKAGE} says it has used",
            file=sys.stderr,
        )
    return not lost


def _texts(value: Any) -> set[str]:
    """Every text in what JSON holds."""
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return set().union(*map(_texts, inner))
