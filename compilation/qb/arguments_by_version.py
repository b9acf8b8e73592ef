"""The exact keyword arguments of the NPU vendor's compiler, by its generation.

`python -m compilation.qb.arguments_by_version` prints the tables of docs/npu.md. Only the standard
library is used: this also runs in the interpreter that has the compiler.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from compilation.qb.limits import ARIES, Refused, numbers_of
from compilation.qb.recipes import TUTORIAL, VALIDATED, Make, Wish, only_tutorial, plain, recipe

NEWEST = (1, 4)  # version of which the calls are known


class Generation(NamedTuple):
    """A generation of the compiler: since when, and what it is called with."""

    since: tuple[int, ...]
    loads: Callable[[str], Make]  # part -> the checkpoint, of a folder, in memory
    parse: Callable[[Wish], dict[str, Any]]  # for mblt_compile, without model and path
    quantise: Callable[[Wish], dict[str, Any]]  # for mxq_compile, without model and paths


def loads_model(**arguments: Any) -> Callable[[str], Make]:
    """The whole model by transformers."""
    return lambda part: Make("transformers:WhisperForConditionalGeneration", arguments)


def loads_part(part: str) -> Make:
    """One part, by the compiler's own helper."""
    return Make("model_dict.parser.patcher.parts:load_for_part", {"part": part})


def features(wish: Wish) -> dict[str, Make]:
    """An example of the encoder's input, as transformers takes it."""
    return {"input_features": Make("torch:zeros", {"size": [1, wish.mels, wish.frames]})}


def parse_1_0(wish: Wish) -> dict[str, Any]:
    """As the tutorial for 1.0.1."""
    backend = "torch" if wish.part == "encoder" else "hf"
    return {"backend": backend, "target": wish.part, "device": "cpu"}


def parse_1_1(wish: Wish) -> dict[str, Any]:
    """The encoder's input is described."""
    feed = {"feed_dict": features(wish)} if wish.part == "encoder" else {}
    return {"backend": "hf", "target": wish.part, "device": "cpu", **feed}


def parse_1_2(wish: Wish) -> dict[str, Any]:
    """One compiler for all devices: the target is named."""
    return {**parse_1_1(wish), "target_device": wish.target}


def parse_1_3(wish: Wish) -> dict[str, Any]:
    """No `hf` any more. The decoder's logits are those of the last token fed."""
    common = {"backend": "torch", "model_part": wish.part, "target_device": wish.target}
    if wish.part == "encoder":
        return {**common, "feed_dict": features(wish)}
    axes = {"inputs_embeds": [1], "cache_position": [0]}
    return {**common, "model_part_options": {"last_token_only": True}, "dynamic_axes": axes}


def quantise_1_0(wish: Wish) -> dict[str, Any]:
    """Makers instead of configuration objects, and another name for the GPU."""
    only_tutorial(wish, "1.0")
    device = "cuda" if wish.device == "gpu" else "cpu"
    arguments: dict[str, Any] = {"device": device, "inference_scheme": wish.scheme}
    if wish.part == "decoder":
        llm = {"llm_config_apply": True, "use_full_seq_length": True}
        arguments["llm_config"] = Make(":get_llm_config", llm)
    if wish.activation_16bits:
        bits = Make(":get_bit_config", {"activation_16bits": wish.activation_16bits})
        arguments["quantization_config"] = Make(":get_quantization_config", {"bit": bits})
    return arguments


def quantise_1_1(wish: Wish) -> dict[str, Any]:
    """Configuration objects."""
    only_tutorial(wish, "1.1")
    return plain(wish)


def quantise_1_2(wish: Wish) -> dict[str, Any]:
    """The target is named; weights by their Hessian are still called OPTQ."""
    return recipe(wish, "optq_config", "OptqConfig")


def quantise_1_3(wish: Wish) -> dict[str, Any]:
    """As the vendor's newest tutorial."""
    return recipe(wish, "hessian_quant_config", "HessianQuantConfig")


GENERATIONS = {
    "1.0": Generation((1, 0), loads_model(low_cpu_mem_usage=True), parse_1_0, quantise_1_0),
    "1.1": Generation((1, 1), loads_model(), parse_1_1, quantise_1_1),
    "1.2": Generation((1, 2), loads_model(attn_implementation="sdpa"), parse_1_2, quantise_1_2),
    "1.3, 1.4": Generation((1, 3), loads_part, parse_1_3, quantise_1_3),
}


def generation_of(version: str) -> tuple[Generation, str]:
    """The generation of a version, and a warning, empty where its calls are known.

    Raises:
        Refused: the version is older than all.
    """
    numbers = numbers_of(version)
    fitting = [one for one in GENERATIONS.values() if one.since <= numbers]
    if not fitting:
        raise Refused(f"qbcompiler {version} is older than 1.0; install a newer one")
    known = ".".join(map(str, NEWEST))
    newer = f"qbcompiler {version} is newer than {known}, and is called as {known} is"
    return fitting[-1], newer if numbers[:2] > NEWEST else ""


def table() -> str:
    """All generations' calls for ARIES with the newest recipe that each has, in Markdown."""
    lines = []
    for name, generation in GENERATIONS.items():
        old = generation.since < (1, 2)
        lines += [f"### qbcompiler {name}, recipe `{TUTORIAL if old else VALIDATED}`", ""]
        lines += ["| | encoder | decoder |", "|---|---|---|"]
        cells: dict[str, list[str]] = {"load": [], "mblt_compile": [], "mxq_compile": []}
        for part, oldest in (("encoder", "global4"), ("decoder", "single")):
            scheme = oldest if name == "1.0" else "all"
            wish = Wish(part, ARIES, 80, 3000, TUTORIAL if old else VALIDATED, scheme, "gpu", [])
            cells["load"].append(f"`{generation.loads(part)!r}`")
            calls = {"mblt_compile": generation.parse, "mxq_compile": generation.quantise}
            for function, arguments in calls.items():
                pairs = arguments(wish).items()
                cells[function].append("<br>".join(f"`{key}={value!r}`" for key, value in pairs))
        lines += [f"| {function} | {' | '.join(two)} |" for function, two in cells.items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(), end="")
