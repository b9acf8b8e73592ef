"""Quantise one part's float OpenVINO graph to int8 with a calibration set.

    python -m compilation.openvino.quantise --part encoder \
        --graph runtime/float/whisper-small/encoder.xml \
        --calibration calibration/sets/whisper-small/encoder/manifest.json \
        --out compilation/parts/whisper-small/cpu/encoder.xml

By NNCF, of all layers but those named by --keep-float (float_layers.py says what has a name, and
what stays float in any case) and by --keep-float-of, which evaluation.layers.search_keep_float has
written. --scheme w8a8 has weights and activations in 8 bits, by SmoothQuant and bias correction
from the calibration set; w8 has 8-bit weights alone, for which no sample is read (where OpenVINO
runs such a part, it may bring what they are multiplied with to 8 bits, see docs/cpu.md).
Writes the named .xml, its .bin, and last a record (.json) with their checksums, the compiler's
versions and the settings. Inputs and outputs are those of the float graph.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nncf
import openvino as ov
from nncf.quantization.advanced_parameters import (
    AdvancedBiasCorrectionParameters,
    AdvancedSmoothQuantParameters,
)
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from common.cli import UserError, run
from common.files import listed, read_json, write_json
from compilation.openvino.float_layers import check_layers, layers_of, value_products
from compilation.openvino.samples import (
    Reader,
    decoder_reader,
    encoder_reader,
    read_samples,
)
from runtime.ir import read_model, save_model

ACTIVATIONS, WEIGHTS = SCHEMES = ("w8a8", "w8")
SMOOTH_QUANT_ALPHA = 0.95  # NNCF's default for matrix products


class Settings(NamedTuple):
    """How a part is quantised."""

    scheme: str  # one of SCHEMES
    alpha: float  # of SmoothQuant
    keep_float: list[str]  # layers that are not


def quantise(
    graph: ov.Model, samples: list[dict[str, Any]], read: Reader, settings: Settings
) -> ov.Model:
    """The int8 twin of a float graph.

    Args:
        graph: The float graph; it may be changed.
        samples: Entries of the calibration set's manifest.
        read: Reads a sample; called several times for each, not at all for 8-bit weights alone.
        settings: How it is quantised.
    """
    if settings.scheme == WEIGHTS:
        kept = [name for name in layers_of(graph) if name in settings.keep_float]
        return nncf.compress_weights(graph, ignored_scope=_scope(kept))
    always = value_products(graph)
    kept = [name for name in layers_of(graph) if name in settings.keep_float or name in always]
    return nncf.quantize(
        graph,
        nncf.Dataset(samples, read),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=_scope(kept),
        advanced_parameters=advanced(settings.alpha),
    )


def _scope(names: list[str]) -> nncf.IgnoredScope | None:
    """Layers that stay as they are."""
    return nncf.IgnoredScope(names=names) if names else None


def advanced(alpha: float) -> nncf.AdvancedQuantizationParameters:
    """NNCF's parameters for weights and activations, with SmoothQuant's alpha.

    Two of NNCF's defaults are changed. Ranges of activations span all samples instead of their
    mean: log-mel features have a floor that follows the clip's loudness, and that of louder or
    quieter clips than the mean would be cut off. Bias correction is for every layer: NNCF leaves
    out those in which a bias changes by more than twice its size, which a tiny one always does.
    """
    return nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=alpha),
        activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        bias_correction_params=AdvancedBiasCorrectionParameters(threshold=math.inf),
    )


# What a record tells of each scheme.
FACTS: dict[str, Callable[[Settings], dict[str, Any]]] = {
    ACTIVATIONS: lambda settings: {
        "precision": "int8",
        "smooth_quant_alpha": settings.alpha,
        "activation_ranges": "minimum and maximum of all samples",
        "bias_correction": "fast, every layer",
        "products_in_float": "cross-attention weights and values",
    },
    WEIGHTS: lambda settings: {"precision": "int8 weights, float activations"},
}


READERS = {"encoder": encoder_reader, "decoder": decoder_reader}  # of each part's set


def quantise_part(
    part: str, graph: Path, calibration: Path, out: Path, settings: Settings
) -> tuple[int, int]:
    """Write the int8 twin of a part's float graph.

    Returns:
        The number of samples in its set, and the bytes of the float graph's weights in float32.
    """
    model = read_model(graph)
    check_layers(settings.keep_float, model)
    samples = read_samples(calibration, part)
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    size = sum(op.get_byte_size() for op in constants if op.get_element_type() == ov.Type.f32)
    save_model(quantise(model, samples, READERS[part](calibration.parent, model), settings), out)
    return len(samples), size


def write_record(
    part: str, graph: Path, out: Path, samples: int, float32_bytes: int, settings: Settings
) -> None:
    """Write what the part's files are and how they were made, beside them."""
    (weights,) = listed(graph.parent, [graph.with_suffix(".bin").name])
    record = {
        "part": part,
        "target": "cpu",
        "files": listed(out.parent, [out.name, out.with_suffix(".bin").name]),
        # On disk, float graphs have most weights in 16 bits.
        "float_weights": [weights | {"float32_bytes": float32_bytes}],
        "compiler": {"openvino": ov.__version__, "nncf": nncf.__version__},
        "settings": {**FACTS[settings.scheme](settings), "keep_float": settings.keep_float},
        "samples": samples,
    }
    write_json(out.with_suffix(".json"), record)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["encoder", "decoder"], required=True)
    parser.add_argument("--graph", type=Path, required=True, help=".xml of the float graph")
    parser.add_argument("--calibration", type=Path, required=True, help="manifest of the set")
    parser.add_argument("--out", type=Path, required=True, help="the .xml to write")
    parser.add_argument(
        "--scheme", choices=SCHEMES, default=ACTIVATIONS, help="weights and activations, or weights"
    )
    parser.add_argument(
        "--smooth-quant-alpha",
        type=float,
        default=SMOOTH_QUANT_ALPHA,
        help="share of the activations' spread moved into the weights, 0 to 1; -1: none",
    )
    parser.add_argument(
        "--keep-float", nargs="*", default=[], metavar="NAME", help="layers that stay in float32"
    )
    parser.add_argument(
        "--keep-float-of", type=Path, metavar="JSON", help="and those chosen by a search"
    )
    args = parser.parse_args(argv)
    alpha = args.smooth_quant_alpha
    if not (0 <= alpha <= 1 or alpha == -1):
        raise UserError(f"--smooth-quant-alpha is {alpha}; give a value from 0 to 1, or -1")
    args.out.with_suffix(".json").unlink(missing_ok=True)  # no record of files about to change
    chosen = read_json(args.keep_float_of)[args.part] if args.keep_float_of else []
    settings = Settings(args.scheme, alpha, list(dict.fromkeys([*args.keep_float, *chosen])))
    samples, size = quantise_part(args.part, args.graph, args.calibration, args.out, settings)
    write_record(args.part, args.graph, args.out, samples, size, settings)


if __name__ == "__main__":
    run(main)
