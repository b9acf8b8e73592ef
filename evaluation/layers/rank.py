"""How much each int8 layer loses by itself: which one to keep in float32.

    python -m evaluation.layers.rank --checkpoint data/checkpoints/whisper-small.json \
        --graphs runtime/float/whisper-small/manifest.json \
        --parts compilation/parts/whisper-small/cpu/{encoder,decoder}.json \
        --clips data/audio_files/evaluation/*.jsonl \
        --out evaluation/results/whisper-small/cpu/layers.json

Every int8 layer is cut out of its graph, with the quantisation of its inputs, its int8 weights and
its corrected bias, and is fed what the float graph's layer of the same name is fed of held-out
clips: with what it was calibrated with, a layer whose range is too narrow would look well. So a
layer is charged with its own noise only: not with that of the layers before it, which a comparison
of the two whole graphs would find in everything downstream of a broken one. Of a layer y = Wx + b
and its int8 twin y', over all elements of all clips,

    SQNR = 10 log10( sum (Wx)^2 / sum (y' - y)^2 )  dB

The bias is no signal: it is a constant, and a large one would hide that all of Wx is lost.
"""

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from common.cli import UserError, run
from common.files import read_json, write_json
from common.listing import check_listed
from common.progress import Progress
from compilation.openvino.samples import Inputs, bins_first, empty_past
from evaluation.layers.cut import Cut, Layer, by_name, cut_out
from evaluation.layers.part_inputs import first_of_each, inputs_of
from evaluation.scoring.decibels import decibels
from runtime.ir import compile_model, read_model

AT_ONCE = 48  # layers whose inputs and outputs are in memory together
SAMPLES = 4  # clips, of different languages
SHOWN = 5  # layers of each part, in the log
EXACT = 2.0**-48  # noise to signal at float32's own rounding, (2^-24)^2: nothing is closer
Damage = dict[str, Any]  # layer, sqnr_db, bytes


def runner(
    operations: dict[str, ov.Node], parameters: Iterable[ov.Node], names: list[str]
) -> Callable[[Inputs], Inputs]:
    """A function that computes the values of these operations, until it is called again."""
    results = [opset13.result(operations[name].output(0)) for name in names]
    request = compile_model(ov.Model(results, list(parameters))).create_infer_request()
    return lambda inputs: dict(
        zip(names, request.infer(inputs, share_inputs=True).values(), strict=True)
    )


def powers(
    layers: list[Layer], graph: ov.Model, cut: Cut, feeds: Callable[[], Iterable[Inputs]]
) -> np.ndarray:
    """Signal and noise of some layers: sums of squares, float64 [layers, 2], over all samples.

    Args:
        layers: Some of the layers of `cut`.
        graph: The float graph.
        cut: The int8 graph's layers.
        feeds: Gives the float graph's inputs, sample by sample.
    """
    fed = list(dict.fromkeys(name for layer in layers for name in layer.inputs))
    given = [name for layer in layers for name in (layer.name, layer.output)]
    run_float = runner(by_name(graph), graph.get_parameters(), list(dict.fromkeys(fed + given)))
    outputs = [layer.output for layer in layers]
    run_int8 = runner(cut.operations, [cut.inputs[name] for name in fed], outputs)
    total = np.zeros((len(layers), 2))
    for inputs in feeds():
        expected = run_float(inputs)
        found = run_int8({name: expected[name] for name in fed})
        for sums, (name, output, _, _) in zip(total, layers, strict=True):
            sums += squares(expected[name]), squares(found[output] - expected[output])
    return total


def squares(values: np.ndarray) -> float:
    """The sum of the squares, in float64."""
    flat = values.ravel()
    return float(np.einsum("i,i->", flat, flat, dtype=np.float64))


def sqnr(signal: float, noise: float) -> float | None:
    """Signal to noise in decibels, at most float32's own; None where it cannot be told."""
    return decibels(signal, max(noise, EXACT * signal))


def damage(int8: Path, graph: ov.Model, feeds: Callable[[], Iterable[Inputs]]) -> list[Damage]:
    """The layers of an int8 graph, most damaged first; first of all what cannot be told.

    Args:
        int8: .xml of the int8 graph.
        graph: The float graph that it was made from, for a batch of 1.
        feeds: Gives the float graph's inputs, sample by sample.
    """
    cut = cut_out(read_model(int8), by_name(graph))
    starts = range(0, len(cut.layers), AT_ONCE)
    groups = [cut.layers[start : start + AT_ONCE] for start in starts]
    found = []
    for group in Progress(groups, desc=f"layers of {int8.stem}", unit="group"):
        sums = powers(group, graph, cut, feeds)
        for layer, (signal, noise) in zip(group, sums, strict=True):
            found.append(
                {"layer": layer.name, "sqnr_db": sqnr(signal, noise), "bytes": layer.bytes}
            )
    return sorted(found, key=lambda row: -math.inf if row["sqnr_db"] is None else row["sqnr_db"])


def damage_of_part(
    graphs: Path, record: Path, clips: list[dict[str, np.ndarray]]
) -> tuple[str, list[Damage]]:
    """A part, and the layers of its graph.

    Args:
        graphs: Manifest of the float graphs.
        record: Of the compiled part.
        clips: What the parts are fed of each clip (see evaluation.layers.part_inputs).
    """
    part = read_json(record)["part"]
    check_made_from(graphs, record)
    model = read_model(graphs.with_name(f"{part}.xml"))
    past = empty_past(model)
    feeds: dict[str, Callable[[dict[str, np.ndarray]], Inputs]] = {
        "encoder": lambda clip: {"input_features": bins_first(clip["mel"])},
        "decoder": lambda clip: {
            "inputs_embeds": clip["embeddings"],
            "encoder_hidden_states": clip["encoder_states"],
            **past,
        },
    }
    int8 = record.with_name(f"{part}.xml")
    return part, damage(int8, model, lambda: map(feeds[part], clips))


def check_made_from(graphs: Path, record: Path) -> None:
    """Refuse a compiled part whose files were changed, or that other float graphs became.

    Raises:
        UserError: It is one.
    """
    check_listed(record)
    weights = read_json(record)["float_weights"]
    check_listed(graphs, [file["path"] for file in weights])
    known = {file["path"]: file["sha256"] for file in read_json(graphs)["files"]}
    if any(known[file["path"]] != file["sha256"] for file in weights):
        raise UserError(
            f"{record} was not made from the float graphs of {graphs}; compile it again"
        )


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--graphs", type=Path, required=True, help="manifest of the float graphs")
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="records, target cpu")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="clips to feed")
    parser.add_argument("--out", type=Path, required=True, help="layers.json")
    args = parser.parse_args(argv)
    if args.samples < 1:
        raise UserError(f"--samples is {args.samples}; give at least 1")
    chosen = first_of_each(args.checkpoint, args.clips, args.samples)[: args.samples]
    clips = [fed for _, fed in inputs_of(args.checkpoint, args.graphs, chosen, "clips")]
    found = dict(damage_of_part(args.graphs, record, clips) for record in args.parts)
    for name, layers in found.items():
        print(f"{name}: {len(layers)} int8 layers, most damaged first:")
        print(*(f"  {said(row['sqnr_db']):>10} {row['layer']}" for row in layers[:SHOWN]), sep="\n")
    names = [Path(clip["path"]).name for clip in chosen]
    write_json(args.out, {"model": args.graphs.parent.name, "clips": names, "parts": found})


def said(sqnr: float | None) -> str:
    """A figure in words."""
    return "none" if sqnr is None else f"{sqnr:.1f} dB"


if __name__ == "__main__":
    run(main)
