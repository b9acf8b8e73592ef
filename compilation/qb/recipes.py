"""Settings of the NPU vendor's compiler: the recipes, as descriptions of its own objects.

Nothing of the vendor's is imported, so that they can be tested, and printed as a table, where there
is no compiler. Only the standard library is used: this also runs in the compiler's interpreter.
"""

from typing import Any, NamedTuple

from compilation.qb.limits import REGULUS, Refused

PACKAGE = "qbcompiler"
TUTORIAL, VALIDATED = RECIPES = ("tutorial", "validated")
REGULUS_LENGTH = 1024  # tokens: sequence and cache, as the vendor's recipe for this device has them


class Wish(NamedTuple):
    """What is to be compiled, and how."""

    part: str
    target: str
    mels: int
    frames: int  # of a window
    recipe: str
    scheme: str
    device: str  # that quantises: gpu or cpu
    activation_16bits: list[str]  # layers by their names in the graph


class Make(NamedTuple):
    """An object: `module:name` of its maker, in torch or in the vendor's package, and arguments."""

    maker: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        """As it would be written, without the names of what it is nested in."""
        inner = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.maker.rpartition(':')[2].rpartition('.')[2]}({inner})"


def configs(name: str, **arguments: Any) -> Make:
    """An object of one of the compiler's configuration classes."""
    return Make(f"configs:{name}", arguments)


def only_tutorial(wish: Wish, generation: str) -> None:
    """Refuse another recipe for a generation that has no settings for it, or harmful ones."""
    if wish.recipe != TUTORIAL:
        raise Refused(
            f"recipe `{wish.recipe}` needs qbcompiler 1.2 or newer: {generation} lacks its"
            " settings, or they lower the accuracy there; set"
            f" compilation.{wish.part}.recipe to {TUTORIAL}, or install a newer compiler"
        )


def plain(wish: Wish) -> dict[str, Any]:
    """Percentile calibration, the compiler's default; whole sequences for the decoder."""
    arguments: dict[str, Any] = {"device": wish.device, "inference_scheme": wish.scheme}
    if wish.part == "decoder":
        arguments["llm_config"] = _llm(wish)
    if wish.activation_16bits:
        arguments["bit_config"] = configs("BitConfig", **_named_layers(wish))
    return arguments


def recipe(wish: Wish, hessian: str, maker: str) -> dict[str, Any]:
    """The arguments of `wish.recipe`.

    `validated` is the vendor's newest for Whisper: equivalent transformations, activations in mixed
    precision; for the decoder also ranges by maximum, and weights by their Hessian.

    Args:
        wish: What is to be compiled.
        hessian: The keyword for quantising weights by their Hessian.
        maker: The class that it takes.
    """
    arguments = {**plain(wish), "target_device": wish.target}
    if wish.recipe == TUTORIAL:
        return arguments
    activation = configs("BitConfig.Transformer.MixedPrecision.Activation", apply=True)
    mixed = configs("BitConfig.Transformer.MixedPrecision", activation=activation)
    transformer = configs("BitConfig.Transformer", mixed_precision=mixed)
    arguments["bit_config"] = configs("BitConfig", transformer=transformer, **_named_layers(wish))
    arguments["equivalent_transformation_config"] = _transformations()
    if wish.part == "decoder":
        arguments["calibration_config"] = configs("CalibrationConfig", output=0, mode=0)
        order = {"act_order": True, "block_size": 128, "perc_damp": 0.01}
        attributes = configs(f"{maker}.Attributes", **order)
        arguments[hessian] = configs(maker, apply=True, attributes=attributes)
    return arguments


def _llm(wish: Wish) -> Make:
    calibration = configs("LlmConfig.Attributes.Calibration", use_full_seq_length=True)
    lengths = {"max_sequence_length": REGULUS_LENGTH, "max_cache_length": REGULUS_LENGTH}
    limited = lengths if wish.recipe == VALIDATED and wish.target == REGULUS else {}
    attributes = configs("LlmConfig.Attributes", calibration=calibration, **limited)
    return configs("LlmConfig", apply=True, attributes=attributes)


def _named_layers(wish: Wish) -> dict[str, Make]:
    overrides = configs("BitConfig.LayerOverrides", activation_16bits=wish.activation_16bits)
    return {"layer_overrides": overrides} if wish.activation_16bits else {}


def _transformations() -> Make:
    """All but SpinR1, which rotates the embeddings: the host looks them up as they are."""
    name = "EquivalentTransformationConfig"
    applied = {"apply": True}
    learned = {"apply": True, "learn": True}
    chosen = {
        "norm_conv": ("NormConv", learned),
        "qk": ("Qk", applied),
        "ud": ("Ud", learned),
        "vo": ("Vo", applied),
        "feed_forward_multi_lut": ("FeedForwardMultiLut", applied),
        "spin_r2": ("SpinR2", learned),
        "qk_rotation": ("QkRotation", applied),
        "flatten_quant": ("FlattenQuant", learned),
        "optimize_ffn": ("OptimizeFfn", {"apply": True, "ch_per_ffn": -1}),
    }
    made = {key: configs(f"{name}.{maker}", **given) for key, (maker, given) in chosen.items()}
    return configs(name, **made)
