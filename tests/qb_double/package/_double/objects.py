"""Configuration objects that refuse unknown fields and wrong types, as the vendor's do."""

import inspect
import types
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from qbcompiler._double.notation import REQUIRED, Tree, camel, read

UNKNOWN = {
    "backend": "Unsupported backend: '{}'. Available backends: {}",
    "device": "Unsupported compute device: '{}'. Available: {}",
    "target_device": "Unsupported device name: '{}'.\nAvailable devices: {}",
    "config_preset": "Unknown preset: '{}'. Available presets: {}",
}
# Names in JSON that are not the name in camel case.
ALIASES = {
    **{"qk": "QK", "ud": "UD", "vo": "VO", "optimize_ffn": "OptimizeFFN"},
    **{"spin_r1": "SpinR1", "spin_r2": "SpinR2", "calib_data_path": "calibDataPaths"},
    "use_gpu_only_for_calibration": "useGPUOnlyForCalibration",
    **{"activation_16bits": "activation16Bits", "weight_16bits": "weight16Bits"},
    "weight_8bits": "weight8Bits",
}


def check_known(argument: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that an argument does not know; capitals do not count in a backend's."""
    if name not in known and not (argument == "backend" and name.lower() in known):
        raise ValueError(UNKNOWN[argument].format(name, list(known)))


class ValidationError(ValueError):
    """A ValueError, as the one of the vendor's validation library is."""


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, without conversions: a bool is no int, an int is a float."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is None or kind is Any:
        return kind is Any or value is None
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(fits(one, inner[0]) for one in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            fits(key, inner[0]) and fits(one, inner[1]) for key, one in value.items()
        )
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if kind is float else kind)


def named(kind: Any) -> str:
    """A type as it is written."""
    return kind.__qualname__ if inspect.isclass(kind) and not get_args(kind) else str(kind)


class Config:
    """Base of all: fields are given by keyword, under their name or their name in JSON.

    A field without a default has one of the vendor's that is not public; it is left out of
    `model_dump` unless it was given.
    """

    _kinds: ClassVar[dict[str, Any]] = {}
    _defaults: ClassVar[dict[str, Any]] = {}
    _aliases: ClassVar[dict[str, str]] = ALIASES

    def __init__(self, **given: Any) -> None:
        names = {self._alias(name): name for name in self._kinds}
        names |= {name: name for name in self._kinds}
        self._given: dict[str, Any] = {}
        for key, value in given.items():
            if key not in names:
                raise self._error(key, "Extra inputs are not permitted")
            self._given[names[key]] = self._adopt(key, value, self._kinds[names[key]])
        vars(self).update(dict.fromkeys(self._kinds) | self._defaults | self._given)

    @classmethod
    def _alias(cls, name: str) -> str:
        first, *rest = name.split("_")
        return cls._aliases.get(name, first + "".join(piece.capitalize() for piece in rest))

    @classmethod
    def _error(cls, key: str, text: str) -> ValidationError:
        return ValidationError(f"1 validation error for {cls.__qualname__}\n{key}\n  {text}")

    @classmethod
    def _adopt(cls, key: str, value: Any, kind: Any) -> Any:
        """The value; an object in place of a dictionary that describes it."""
        if isinstance(value, dict):
            for one in get_args(kind) or [kind]:
                if inspect.isclass(one) and issubclass(one, Config):
                    return one(**value)
        if not fits(value, kind):
            raise cls._error(key, f"Input should be {named(kind)}, not {value!r}")
        return value

    @classmethod
    def model_validate(cls, fields: dict[str, Any]) -> "Config":
        """The object that a dictionary describes."""
        return cls(**fields)

    def model_dump(self, *, exclude_unset: bool = False, by_alias: bool = False) -> dict[str, Any]:
        """The object as dictionaries."""
        dumped = {}
        for name in self._kinds:
            value = getattr(self, name)
            if value is None or (exclude_unset and name not in self._given):
                continue
            if isinstance(value, Config):
                value = value.model_dump(exclude_unset=exclude_unset, by_alias=by_alias)
            dumped[self._alias(name) if by_alias else name] = value
        return dumped

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self._given.items())
        return f"{type(self).__qualname__}({inner})"


def config_class(name: str, fields: Tree, base: type = Config, inside: str = "") -> type[Config]:
    """A class with these fields, as notation.py says; the classes of its objects are in it."""
    kinds, defaults, inner = {}, {}, {}
    for field, value in fields.items():
        kind, default = read(value)
        if isinstance(kind, dict):
            made = config_class(camel(field), kind, inside=f"{inside}{name}.")
            inner[made.__name__] = made
            kind = made if default is REQUIRED else made | type(default)
        kinds[field] = kind
        if default is not REQUIRED:
            defaults[field] = default
    names = {"__qualname__": inside + name, "_kinds": kinds, "_defaults": defaults}
    return type(name, (base,), names | inner)
