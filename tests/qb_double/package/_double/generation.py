"""The installed generation: what all up to it change, put together."""

import functools
import importlib
import pkgutil
from inspect import Parameter, Signature
from typing import Any

from qbcompiler import _generations
from qbcompiler._double.notation import FILE_OR_OBJECT, OBJECT, REQUIRED, camel, merged, read
from qbcompiler._double.objects import Config, config_class

NAMES = sorted(one.name for one in pkgutil.iter_modules(_generations.__path__))
MODULES = [importlib.import_module(f"{_generations.__name__}.{name}") for name in NAMES]
TREE = functools.reduce(merged, (one.CHANGES for one in MODULES), {})


def latest(name: str) -> Any:
    """A constant, of the newest generation that says it."""
    return next(vars(one)[name] for one in reversed(MODULES) if name in vars(one))


def _configs() -> dict[str, type[Config]]:
    """The classes; CompileConfig also has an object of each that mxq_compile takes."""
    names = [name for name in TREE if name.endswith("Config") and name != "CompileConfig"]
    classes = {name: config_class(name, TREE[name]) for name in names}
    if "CompileConfig" in TREE:
        taken = [name for name, value in TREE["mxq_compile"].items() if value is OBJECT]
        objects = {name.removesuffix("_config"): classes[camel(name)] for name in taken}
        fields = TREE["CompileConfig"] | objects
        classes["CompileConfig"] = config_class("CompileConfig", fields, latest("Settings"))
    return classes


CONFIGS = _configs()


def signature(function: str) -> Signature:
    """The parameters of a function, and `**kwargs`, which swallows unknown names."""
    parameters = []
    for name, value in TREE[function].items():
        if value in (OBJECT, FILE_OR_OBJECT):
            own = CONFIGS[camel(name)] | None
            value = own if value is OBJECT else str | own
        kind, default = read(value)
        shown = {"annotation": kind} | ({} if default is REQUIRED else {"default": default})
        parameters.append(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, **shown))
    parameters.append(Parameter("kwargs", Parameter.VAR_KEYWORD, annotation=Any))
    return Signature(parameters, return_annotation=None)
