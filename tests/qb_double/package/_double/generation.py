"""The installed generation: what all up to it change, put together, and how it refuses the rest."""

import functools
import importlib
import pkgutil
import re
from collections.abc import Iterable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_pascal
from qbcompiler import _generations
from qbcompiler._double import objects
from qbcompiler._double.objects import Config, Tree, config_class
from qbcompiler._version import __version__


def merged(old: Tree, changes: Tree) -> Tree:
    """The older generation's names with the changes; new ones behind the one named before them."""
    names, before = list(old), None
    for name in changes:
        if name not in old:
            names.insert(names.index(before) + 1 if before else len(names), name)
        before = name
    result = {name: changes.get(name, objects.KEPT) for name in names}
    for name, value in result.items():
        if isinstance(value, dict):
            result[name] = merged(old.get(name, {}), value)
        elif value is objects.KEPT:
            result[name] = old[name]
    return {name: value for name, value in result.items() if value is not objects.GONE}


VERSION = tuple(map(int, re.match(r"[\d.]+\d", __version__).group().split(".")))
NAMES = sorted(one.name for one in pkgutil.iter_modules(_generations.__path__))
MODULES = [importlib.import_module(f"{_generations.__name__}.{name}") for name in NAMES]
TREE = functools.reduce(merged, (one.CHANGES for one in MODULES), {})
# Of an argument: the generations' constant with the names that it knows, and the refusal of others.
KNOWN = {
    "backend": ("BACKENDS", "Unsupported backend: '{}'. Available backends: {}"),
    "device": ("DEVICES", "Unsupported compute device: '{}'. Available: {}"),
    "target_device": ("TARGETS", "Unsupported device name: '{}'.\nAvailable devices: {}"),
    "config_preset": ("PRESETS", "Unknown preset: '{}'. Available presets: {}"),
}


def since(*numbers: int) -> bool:
    """Whether the installed version is this one, or newer."""
    return numbers <= VERSION


def latest(name: str) -> Any:
    """A constant, of the newest generation that says it."""
    return next(vars(one)[name] for one in reversed(MODULES) if name in vars(one))


def check_names(arguments: dict[str, Any], swallowed: Iterable[str] = ()) -> None:
    """Refuse a backend, device or preset that the version has not, and the one removed keyword."""
    if since(1, 3) and "hf_config" in swallowed:
        raise ValueError("hf_config was removed: load the model and pass it with model_part")
    for argument in [name for name in KNOWN if arguments.get(name) is not None]:
        constant, refusal = KNOWN[argument]
        name, known = arguments[argument], latest(constant)
        if (name.lower() if argument == "backend" else name) not in known:
            raise ValueError(refusal.format(name, list(known)))


class Settings(Config):
    """Base of CompileConfig, which also has an object of each class that mxq_compile takes."""

    @classmethod
    def from_file(cls, path: str) -> "Settings":
        """Of a file, of which this stand-in reads JSON alone."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))

    @classmethod
    def model_validate(cls, fields: dict[str, Any]) -> "Settings":
        """Of a dictionary."""
        return cls(**fields)

    @classmethod
    def from_preset(cls, name: str) -> "Settings":
        """Of a preset, whose values this stand-in does not know."""
        check_names({"config_preset": name})
        return cls()


if since(1, 4):  # fields have one name
    Config.model_config["alias_generator"] = None


def _configs() -> dict[str, type[Config]]:
    names = [name for name in TREE if name.endswith("Config") and name != "CompileConfig"]
    classes = {name: config_class(name, TREE[name]) for name in names}
    if "CompileConfig" in TREE:
        taken = [name for name, value in TREE["mxq_compile"].items() if value is objects.OBJECT]
        own = {name.removesuffix("_config"): classes[to_pascal(name)] for name in taken}
        fields = TREE["CompileConfig"] | own
        classes["CompileConfig"] = config_class("CompileConfig", fields, Settings)
    return classes


CONFIGS = _configs()


def signature(function: str) -> Signature:
    """The parameters of a function, and `**kwargs`, which swallows unknown names."""
    parameters = []
    for name, value in TREE[function].items():
        if value in (objects.OBJECT, objects.FILE_OR_OBJECT):
            own = CONFIGS[to_pascal(name)] | None
            value = own if value is objects.OBJECT else str | own
        kind, default = objects.read(value)
        any_way = Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(Parameter(name, any_way, annotation=kind, default=default))
    parameters.append(Parameter("kwargs", Parameter.VAR_KEYWORD, annotation=Any))
    return Signature(parameters, return_annotation=None)
