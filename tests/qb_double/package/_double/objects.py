"""Configuration objects that refuse unknown fields and wrong types, as the vendor's do.

They are made of CHANGES, in which a generation says what it changes, a dictionary:
function or configuration class -> parameter or field -> what it is:
    a type            required; of a field: its default is not public
    a type or None    None by default
    another value     the default, whose type it has
    (type, default)   both; for the type, a dictionary: an object, or what has the default's type
    a dictionary      an object with these fields, of a class named like the field
    OBJECT            of a parameter: an object of the class named like it, or None
    FILE_OR_OBJECT    likewise, or a path
    KEPT              as it was: says where new ones stand, which is behind it
    GONE              no longer there
"""

from inspect import Parameter
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.alias_generators import to_camel, to_pascal

OBJECT, FILE_OR_OBJECT, KEPT, GONE = "OBJECT", "FILE_OR_OBJECT", "KEPT", "GONE"
Tree = dict[str, Any]
# Names in JSON that are not the name in camel case.
ALIASES = {
    **{"qk": "QK", "ud": "UD", "vo": "VO", "optimize_ffn": "OptimizeFFN"},
    **{"spin_r1": "SpinR1", "spin_r2": "SpinR2", "calib_data_path": "calibDataPaths"},
    "use_gpu_only_for_calibration": "useGPUOnlyForCalibration",
}


def read(value: Any) -> tuple[Any, Any]:
    """The type that a value stands for, or the fields of an object, and its default."""
    if isinstance(value, tuple):
        return value
    if value is None or type(None) in get_args(value):
        return value, None
    if isinstance(value, dict | type) or get_origin(value):
        return value, Parameter.empty
    return type(value), value


class Config(BaseModel):
    """Base of all: fields are given by keyword, under their name or their name in JSON.

    A field without a default has one of the vendor's that is not public; it is left out of
    `model_dump` unless it was given.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        validate_by_name=True,
        validate_by_alias=True,
        alias_generator=lambda name: ALIASES.get(name, to_camel(name)),
    )

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """The object as dictionaries."""
        return super().model_dump(exclude_none=True, **options)


def config_class(name: str, fields: Tree, base: type[Config] = Config) -> type[Config]:
    """A class with these fields; the classes of its objects are in it."""
    typed, inner = {}, {}
    for field, value in fields.items():
        kind, default = read(value)
        if isinstance(kind, dict):
            kind = inner[to_pascal(field)] = config_class(to_pascal(field), kind)
            kind = kind if default is Parameter.empty else kind | type(default)
        typed[field] = (kind | None, None) if default is Parameter.empty else (kind, default)
    made = create_model(name, __base__=base, **typed)
    for one in inner:
        setattr(made, one, inner[one])
    return made
