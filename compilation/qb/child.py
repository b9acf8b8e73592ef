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
from compilation.qb.layers import check_layers, look_up_resolved, named_layers
from compilation.qb.limits import Refused, numbers_of
from compilation.qb.recipes import PACKAGE, Make, Wish, configs


def build(value: Any) -> Any:
    """The object that a description stands for; those that it holds likewise.

    Raises:
        Refused: the installed version has no such maker, or it does not take these arguments.
    """
    if isinstance(value, dict):
        return {key: build(inner) for key, inner in value.items()}
    if not isinstance(value, Make):
        return value
    found = find(value.maker)
    arguments = build(spelled(found, value.arguments))
    try:
        return found(**arguments)
    except (TypeError, ValueError) as error:
        raise Refused(f"the installed {PACKAGE} does not take {value!r}: {error}") from None


def find(maker: str) -> Any:
    """What a description names; configuration classes moved from a module to the package's root.

    Raises:
        Refused: the installed version has it nowhere.
    """
    module, _, name = maker.partition(":")
    homes = {"torch": ["torch"], "configs": [PACKAGE, f"{PACKAGE}.configs"]}
    missing = ""
    for home in homes.get(module, [f"{PACKAGE}.{module}".rstrip(".")]):
        try:
            found: Any = importlib.import_module(home)
            for piece in name.split("."):
                found = getattr(found, piece)
        except (ImportError, AttributeError) as error:
            missing = str(error)
        else:
            return found
    raise Refused(f"the installed {PACKAGE} has no {name}: {missing}")


def spelled(maker: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments under the names in a maker's signature: of `act_order` and `actOrder`, some
    versions take the one, and some the other."""
    known = {} if inspect.isbuiltin(maker) else inspect.signature(maker).parameters
    found = {}
    for name, value in arguments.items():
        first, *rest = name.split("_")
        other = first + "".join(map(str.capitalize, rest))
        found[other if name not in known and other in known else name] = value
    return found


def with_objects(overrides: dict[str, Any]) -> dict[str, Any]:
    """Overrides, with an object of its class for each mapping that is to be a configuration."""
    return {
        key: configs("".join(map(str.capitalize, key.split("_"))), **value)
        if key.endswith("_config") and isinstance(value, dict)
        else value
        for key, value in overrides.items()
    }


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
    """Checkpoint -> .mblt; what is to be recorded of the call."""
    generation, _ = generation_of(request["version"])
    function = importlib.import_module(PACKAGE).mblt_compile
    described = generation.parse(wish) | request["overrides"]
    described["mblt_save_path"] = request["out"]
    arguments = build(described)
    check_keywords(function, {**arguments, "model": None})
    model = load(wish.part, generation.loads(wish.part), request["checkpoint"])
    function(model=model, **arguments)
    return {"arguments": {key: repr(value) for key, value in described.items()}}


def numerics(
    version: str, function: Callable[..., Any], described: dict[str, Any]
) -> dict[str, Any]:
    """Why parts of two versions with equal settings have other figures: 1.4 corrects biases unless
    told not to, and fits each layer's weights to what the quantised layers before it give."""
    parameters = inspect.signature(function).parameters
    flags = [name for name in ("bias_correction", "layer_bias_correction") if name in parameters]
    fitted = "quantised" if numbers_of(version) >= (1, 4) else "float"
    return {
        "bias_correction": any(described.get(n, parameters[n].default) for n in flags),
        "weights_fitted_to": f"{fitted} inputs",
    }


def quantise(request: dict[str, Any], wish: Wish) -> dict[str, Any]:
    """.mblt and calibration set -> .mxq; what is to be recorded of the call."""
    generation, _ = generation_of(request["version"])
    function = importlib.import_module(PACKAGE).mxq_compile
    described = generation.quantise(wish) | with_objects(request["overrides"])
    names = named_layers(described)
    in_graph = check_layers(names, request["graph"]) if names else None
    described |= {"calib_data_path": request["calibration"], "save_path": request["out"]}
    if "config_save_path" in inspect.signature(function).parameters:
        described["config_save_path"] = request["resolved"]
    arguments = build(described)
    check_keywords(function, {**arguments, "model": None})
    function(model=request["graph"], **arguments)
    result = {"arguments": {key: repr(value) for key, value in described.items()}}
    result["numerics"] = numerics(request["version"], function, described)
    if names:
        in_resolved = look_up_resolved(names, Path(request["resolved"]))
        result["named_layers"] = {"in_graph": in_graph, "in_resolved": in_resolved}
    return result


def main() -> None:
    """Do what the request says."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wish = Wish(**{**request["wish"], "device": "gpu" if has_gpu() else "cpu"})
    if wish.device == "cpu" and request["step"] == "quantise":
        print("warning: there is no GPU here; the CPU takes many times as long", file=sys.stderr)
    try:
        result = {"parse": parse, "quantise": quantise}[request["step"]](request, wish)
    except Refused as error:
        sys.exit(f"refused: {error}")
    result["device"] = wish.device
    Path(request["result"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    run(main)
