"""Functions made of their signatures: calls are recorded, types checked, unknown names swallowed."""

import json
import os
from collections.abc import Callable
from inspect import Signature
from pathlib import Path
from typing import Any, get_args, get_origin

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from qbcompiler._double.objects import Config
from qbcompiler._version import __version__

STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


def entry(name: str, signature: Signature, body: Callable[..., None]) -> Callable[..., None]:
    """A function with this signature; its body gets all arguments, and those that are swallowed."""

    def function(*args: Any, **kwargs: Any) -> None:
        given = signature.bind_partial(*args, **kwargs).arguments
        swallowed = given.pop("kwargs", {})
        line = {"function": name, "version": __version__}
        line |= {"arguments": given, "unknown": sorted(swallowed)}
        if path := os.environ.get("QB_DOUBLE_CALLS"):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, default=shown) + "\n")
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {key: bound.arguments[key] for key in bound.arguments if key != "kwargs"}
        for key, value in arguments.items():
            kind = signature.parameters[key].annotation
            if not fits(value, kind):
                wanted = kind.__name__ if isinstance(kind, type) else kind
                raise TypeError(f"{name}(): {key} must be {wanted}, not {type(value).__name__}")
        body(arguments, swallowed)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature
    return function


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a type, without conversions: a bool is no int, an int is a float."""
    if isinstance(value, dict) and not any(get_origin(one) is dict for one in get_args(kind)):
        return False  # where an object of a configuration class is wanted
    try:
        TypeAdapter(kind, config=STRICT).validate_python(value)
    except ValidationError:
        return False
    return True


def shown(value: Any) -> Any:
    """What JSON has not: objects as what they were given, models and tensors in a word."""
    if isinstance(value, Config):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, torch.nn.Module):
        return type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)
