"""One call of the NPU vendor's compiler, in a process of its own: it may abort, or never return.

Run by compilation/qb/compile.py as `python -m compilation.qb.child REQUEST.json`. Imports the
compiler, torch and transformers only where they are needed, and nothing else that is not in the
standard library. Writes RESULT.json, which the request names: the arguments of the call.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.cli import run
from common.gpu import has_gpu
from compilation.qb.arguments_by_version import generation_of
from compilation.qb.limits import Refused
from compilation.qb.recipes import Make, Wish

PACKAGE = "qbcompiler"


def build(value: Any) -> Any:
    """The object that a description stands for; those that it holds likewise.

    Raises:
        Refused: the installed version has no such maker, or it does not take these arguments.
    """
    if isinstance(value, dict):
        return {key: build(inner) for key, inner in value.items()}
    if not isinstance(value, Make):
        return value
    module, _, name = value.maker.partition(":")
    home = f"{PACKAGE}.{module}" if module else PACKAGE
    try:
        found: Any = importlib.import_module(module if module == "torch" else home)
        for piece in name.split("."):
            found = getattr(found, piece)
    except (ImportError, AttributeError) as error:
        raise Refused(f"the installed {PACKAGE} has no {name}: {error}") from None
    arguments = build(value.arguments)
    try:
        return found(**arguments)
    except (TypeError, ValueError) as error:
        raise Refused(f"the installed {PACKAGE} does not take {value!r}: {error}") from None


def check_keywords(function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Refuse keywords that a function does not name: the compiler swallows them without a word."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {one.name for one in parameters if one.kind in kinds}
    if unknown := sorted(set(arguments) - known):
        raise Refused(
            f"{function.__name__} of the installed {PACKAGE} does not take `{unknown[0]}`; it takes"
            f" {', '.join(sorted(known))}; see overrides in config.yaml"
        )


def load(part: str, description: Make, folder: str) -> Any:
    """The checkpoint in float32 on the CPU, as a generation parses it."""
    import torch

    if description.maker.startswith("transformers:"):
        import transformers

        whisper = transformers.WhisperForConditionalGeneration
        arguments = {"torch_dtype": torch.float32, **description.arguments}
        return whisper.from_pretrained(folder, **arguments).eval()
    module, _, name = description.maker.partition(":")
    helper = getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)
    given = {"dtype": torch.float32, "device": torch.device("cpu")}
    check_keywords(helper, given)
    return helper(folder, part, **given)


def parse(request: dict[str, Any], wish: Wish) -> dict[str, Any]:
    """Checkpoint -> .mblt; the arguments of the call."""
    generation, _ = generation_of(request["version"])
    function = importlib.import_module(PACKAGE).mblt_compile
    described = generation.parse(wish) | request["overrides"]
    described["mblt_save_path"] = request["out"]
    arguments = build(described)
    check_keywords(function, {**arguments, "model": None})
    model = load(wish.part, generation.loads(wish.part), request["checkpoint"])
    function(model=model, **arguments)
    return {key: repr(value) for key, value in described.items()}


def quantise(request: dict[str, Any], wish: Wish) -> dict[str, Any]:
    """.mblt and calibration set -> .mxq; the arguments of the call."""
    generation, _ = generation_of(request["version"])
    function = importlib.import_module(PACKAGE).mxq_compile
    described = generation.quantise(wish) | request["overrides"]
    described |= {"calib_data_path": request["calibration"], "save_path": request["out"]}
    if "config_save_path" in inspect.signature(function).parameters:
        described["config_save_path"] = request["resolved"]
    arguments = build(described)
    check_keywords(function, {**arguments, "model": None})
    function(model=request["graph"], **arguments)
    return {key: repr(value) for key, value in described.items()}


def main() -> None:
    """Do what the request says."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wish = Wish(**{**request["wish"], "device": "gpu" if has_gpu() else "cpu"})
    if wish.device == "cpu" and request["step"] == "quantise":
        print("warning: there is no GPU here; the CPU takes many times as long", file=sys.stderr)
    try:
        arguments = {"parse": parse, "quantise": quantise}[request["step"]](request, wish)
    except Refused as error:
        sys.exit(f"refused: {error}")
    result = {"arguments": arguments, "device": wish.device}
    Path(request["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    run(main)
