"""Which layers of a part are brought to 8 bits, by the setting `scheme`.

w8a8: weights and activations. w8: weights alone. mixed, for decoders: weights, and the activations
of the projections that are computed once an utterance. docs/fidelity.md and docs/cpu.md have what
each costs and gains.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import openvino as ov

from compilation.openvino.float_layers import layers_of

ACTIVATIONS, WEIGHTS, MIXED = SCHEMES = ("w8a8", "w8", "mixed")


class Settings(NamedTuple):
    """How a part is quantised."""

    scheme: str  # one of SCHEMES
    alpha: float  # of SmoothQuant
    keep_float: list[str]  # layers that are not


def in_8_bits(graph: ov.Model, settings: Settings) -> tuple[set[str], set[str]]:
    """Layers that get 8-bit weights alone, and layers that get 8-bit activations, too."""
    layers = {*layers_of(graph)} - {*settings.keep_float}
    if settings.scheme == WEIGHTS:
        return layers, set()
    if settings.scheme == MIXED:
        both = layers & {*cross_projections(graph)}
        return layers - both, both
    return set(), layers - {*value_products(graph)}


def value_products(graph: ov.Model) -> list[str]:
    """The products of cross-attention weights and values in a decoder's graph.

    They stay in float32: most weights over 1500 positions are smaller than half a step of 8 bits,
    and vanish. They have no weights of their own, so nothing grows.
    """
    return [name for name in layers_of(graph) if name.endswith("encoder_attn.values")]


def cross_projections(graph: ov.Model) -> list[str]:
    """The projections of the encoder's states to cross-attention keys and values in a decoder.

    They alone are computed of 1500 positions, once an utterance, and so take most of a decoder's
    arithmetic, while a token's time is that of reading weights.
    """
    ends = ("encoder_attn.k_proj", "encoder_attn.v_proj")
    return [name for name in layers_of(graph) if name.endswith(ends)]


def _calibrated(settings: Settings) -> dict[str, Any]:
    """How the calibration set was used."""
    return {
        "smooth_quant_alpha": settings.alpha,
        "activation_ranges": "minimum and maximum of all samples",
        "bias_correction": "fast, every layer",
    }


# What a record tells of each scheme.
FACTS: dict[str, Callable[[Settings], dict[str, Any]]] = {
    ACTIVATIONS: lambda settings: {
        "precision": "int8",
        **_calibrated(settings),
        "products_in_float": "cross-attention weights and values",
    },
    WEIGHTS: lambda settings: {"precision": "int8 weights, float activations"},
    MIXED: lambda settings: {
        "precision": "int8 weights; int8 activations in cross-attention projections",
        **_calibrated(settings),
    },
}
