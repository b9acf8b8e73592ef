"""Functions made of their signatures: calls are recorded, types checked, unknown names swallowed."""

import json
import os
from collections.abc import Callable
from inspect import Signature
from pathlib import Path
from typing import Any

import torch
from qbcompiler._double.objects import Config, fits, named
from qbcompiler._version import __version__


def entry(name: str, signature: Signature, body: Callable[..., None]) -> Callable[..., None]:
    """A function with this signature; its body gets all arguments, and those that are swallowed."""

    def function(*args: Any, **kwargs: Any) -> None:
        given = signature.bind_partial(*args, **kwargs).arguments
        swallowed = given.pop("kwargs", {})
        record(name, given, swallowed)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {key: bound.arguments[key] for key in bound.arguments if key != "kwargs"}
        for key, value in arguments.items():
            kind = signature.parameters[key].annotation
            if not fits(value, kind):
                wrong = f"{key} must be {named(kind)}, not {type(value).__name__}"
                raise TypeError(f"{name}(): {wrong}")
        body(arguments, swallowed)

    function.__name__ = function.__qualname__ = name
    function.__signature__ = signature
    return function


def record(function: str, arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Append a call to the file of calls, where one is wanted."""
    path = os.environ.get("QB_DOUBLE_CALLS")
    if not path:
        return
    line = {"function": function, "version": __version__}
    line |= {"arguments": shown(arguments), "unknown": sorted(swallowed)}
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def shown(value: Any) -> Any:
    """A value for JSON: objects as what they were given, models and tensors in a word."""
    if isinstance(value, Config):
        return shown(value.model_dump(exclude_unset=True))
    if isinstance(value, dict):
        return {str(key): shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    if isinstance(value, torch.nn.Module):
        return type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)
