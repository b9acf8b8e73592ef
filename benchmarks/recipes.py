"""What each way of quantising for the CPU costs a real model: texts, errors, size, time.

Example, after a run of the pipeline that has made the model's graphs, calibration sets and clips:
    python -m benchmarks.recipes --model whisper-base --clips 64

Every recipe compiles one part or both from the same calibration sets; the other part stays float.
Held-out clips are transcribed greedily by each, in turns, clip by clip, so that a busy machine
slows all alike. The table (Markdown, on stdout) compares with the float graphs: share of clips with
the same text, worse and better clips, error rate (words, or characters where a language does not
space them), its difference with a 95 % interval (paired bootstrap), megabytes of weights, and
milliseconds of an encoding and of a token.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from calibration.features import encoder_input
from calibration.greedy import greedy, rules_of
from calibration.prompts import prompt_tokens
from common.cli import run
from common.progress import Progress
from compilation.openvino.float_layers import layers_of, value_products
from compilation.openvino.quantise import advanced
from compilation.openvino.samples import decoder_reader, encoder_reader, read_samples
from data.clips import Clip, interleave, read_audio, understood
from data.whisper import load_feature_extractor, load_generation, load_tokenizer
from evaluation.scoring import bootstrap
from evaluation.scoring.text_errors import count_errors
from runtime.ir import read_model, save_model
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder
from runtime.stateful import make_stateful
from runtime.tables import TABLES, Tables, load_tables

RANGES = {
    "mean": RangeEstimatorParametersSet.MEAN_MINMAX,
    "histogram": RangeEstimatorParametersSet.HISTOGRAM,
}
ATTENTION = ("scores", "context", "q_proj", "k_proj", "v_proj", "out_proj")  # ends of names


class Recipe(NamedTuple):
    """How a part is quantised; the defaults are the pipeline's w8a8."""

    weights_only: bool = False
    alpha: float = 0.95
    ranges: str = ""  # of RANGES; empty: minimum and maximum of all samples
    accurate_bias: bool = False
    float_layers: tuple[str, ...] = ()  # ends of their names
    samples: int | None = None  # of the calibration set, from its begin
    tokens: str = ""  # of the decoder's samples, of SEQUENCES; empty: as they are


FLOAT, W8, W8A8 = None, Recipe(weights_only=True), Recipe()
PAIRS: dict[str, tuple[Recipe | None, Recipe | None]] = {
    "float": (FLOAT, FLOAT),
    "encoder w8": (W8, FLOAT),
    "encoder w8a8, SmoothQuant 0.95": (W8A8, FLOAT),
    "encoder w8a8, SmoothQuant 0.5": (Recipe(alpha=0.5), FLOAT),
    "encoder w8a8, SmoothQuant 0.3": (Recipe(alpha=0.3), FLOAT),
    "encoder w8a8, SmoothQuant off": (Recipe(alpha=-1), FLOAT),
    "encoder 0.5, mean ranges": (Recipe(alpha=0.5, ranges="mean"), FLOAT),
    "encoder 0.5, histogram ranges": (Recipe(alpha=0.5, ranges="histogram"), FLOAT),
    "encoder 0.5, accurate bias correction": (Recipe(alpha=0.5, accurate_bias=True), FLOAT),
    "encoder 0.5, attention in float": (Recipe(alpha=0.5, float_layers=ATTENTION), FLOAT),
    "encoder 0.5, products of attention in float": (
        Recipe(alpha=0.5, float_layers=("scores", "context")),
        FLOAT,
    ),
    "encoder 0.5, fc2 in float": (Recipe(alpha=0.5, float_layers=("fc2",)), FLOAT),
    "decoder w8": (FLOAT, W8),
    "decoder w8a8, SmoothQuant 0.95": (FLOAT, W8A8),
    "decoder w8a8, SmoothQuant 0.5": (FLOAT, Recipe(alpha=0.5)),
    "decoder w8a8, no prompt": (FLOAT, Recipe(tokens="no prompt")),
    "decoder w8a8, no prompt, positions four early": (FLOAT, Recipe(tokens="early")),
    "decoder w8a8, end token": (FLOAT, Recipe(tokens="end")),
    "decoder w8a8, all three": (FLOAT, Recipe(tokens="tutorial")),
    "both w8a8, 0.95": (W8A8, W8A8),
    "both w8": (W8, W8),
    "encoder 0.5, decoder w8": (Recipe(alpha=0.5), W8),
}
SEQUENCES: dict[str, Callable[[Tables, list[int], int, int], np.ndarray]] = {
    "no prompt": lambda tables, ids, start, end: tables.embed(np.array([ids[start:]]), start),
    "early": lambda tables, ids, start, end: tables.embed(np.array([ids[start:]])),
    "end": lambda tables, ids, start, end: tables.embed(np.array([[*ids, end]])),
    "tutorial": lambda tables, ids, start, end: tables.embed(np.array([[*ids[start:], end]])),
}


class Model(NamedTuple):
    """What the pipeline has made of a model."""

    graphs: Path
    sets: Path
    checkpoint: Path
    clips: list[Clip]

    @classmethod
    def of(cls, name: str, count: int) -> "Model":
        """A model of this checkout, and the first clips of each language."""
        checkpoint = Path(f"data/checkpoints/{name}.json")
        manifests = sorted(Path("data/audio_files/evaluation").glob("*.jsonl"))
        clips = understood(interleave(manifests), load_generation(checkpoint))
        languages = {clip["language"] for clip in clips}
        sets = Path("calibration/sets") / name
        return cls(Path("runtime/float") / name, sets, checkpoint, clips[: count * len(languages)])


def quantised(graph: ov.Model, samples: list[Any], read: Any, recipe: Recipe) -> ov.Model:
    """An int8 twin of a float graph."""
    names = [name for name in layers_of(graph) if name.endswith(recipe.float_layers)]
    kept = names if recipe.float_layers else []
    if recipe.weights_only:
        return nncf.compress_weights(graph)
    parameters = advanced(recipe.alpha)
    if recipe.ranges:
        parameters.activations_range_estimator_params = RANGES[recipe.ranges]
    scope = [*kept, *(name for name in value_products(graph) if name not in kept)]
    return nncf.quantize(
        graph,
        nncf.Dataset(samples, read),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        fast_bias_correction=not recipe.accurate_bias,
        ignored_scope=nncf.IgnoredScope(names=scope) if scope else None,
        advanced_parameters=parameters,
    )


def encoder_of(model: Model, recipe: Recipe | None, folder: Path) -> Path:
    """The encoder of a recipe."""
    graph = read_model(model.graphs / "encoder.xml")
    if recipe:
        manifest = model.sets / "encoder/manifest.json"
        samples = read_samples(manifest, "encoder")[: recipe.samples]
        graph = quantised(graph, samples, encoder_reader(manifest.parent, graph), recipe)
    save_model(graph, folder / "encoder.xml")
    return folder / "encoder.xml"


def decoder_of(model: Model, recipe: Recipe | None, folder: Path) -> Path:
    """The stateful decoder of a recipe."""
    graph = read_model(model.graphs / "decoder.xml")
    if recipe:
        manifest = model.sets / "decoder/manifest.json"
        samples = read_samples(manifest, "decoder")[: recipe.samples]
        read = decoder_reader(manifest.parent, graph)
        if recipe.tokens:
            read = with_tokens(model, read, SEQUENCES[recipe.tokens])
        graph = quantised(graph, samples, read, recipe)
    out = folder / "decoder.xml"
    save_model(make_stateful(graph, load_tables(model.graphs / TABLES)), out)
    return out


def with_tokens(model: Model, read: Any, sequence: Any) -> Any:
    """The reader of samples whose token sequences are others."""
    tables = load_tables(model.graphs / TABLES)
    generation = load_generation(model.checkpoint)
    asked = {prompt_tokens("en", task, generation)[-1] for task in ("transcribe", "timestamps")}
    asked |= set(generation.task_to_id.values())
    (end, *_) = rules_of(generation).ends

    def changed(sample: dict[str, Any]) -> dict[str, np.ndarray]:
        ids = sample["token_ids"]
        start = 1 + max(place for place, token in enumerate(ids) if token in asked)
        embeddings = sequence(tables, ids, start, end)
        return read(sample) | {"inputs_embeds": embeddings}

    return changed


class Figures:
    """What a pair of parts makes of the clips."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.encoding, self.decoding, self.tokens = 0.0, 0.0, 0


def transcribe(model: Model, pairs: dict[str, tuple[Any, Any]]) -> dict[str, Figures]:
    """The texts of every pair of sessions, clip by clip."""
    extractor = load_feature_extractor(model.checkpoint)
    tokenizer, generation = load_tokenizer(model.checkpoint), load_generation(model.checkpoint)
    positions, rules = len(load_tables(model.graphs / TABLES).positions), rules_of(generation)
    found = {name: Figures() for name in pairs}
    for clip in Progress(model.clips, desc="recipes", unit="clip"):
        features = encoder_input(extractor, read_audio(clip))
        prompt = prompt_tokens(clip["whisper_language"], "transcribe", generation)
        states: dict[int, tuple[np.ndarray, float]] = {}  # by encoder: several pairs share one
        for name, (encoder, decoder) in pairs.items():
            begin = time.perf_counter()
            if id(encoder) not in states:
                states[id(encoder)] = encoder.encode(features), time.perf_counter() - begin
            own, took = states[id(encoder)]
            begin = time.perf_counter()
            (ids,) = greedy(decoder, own, [prompt], rules, positions, 444)
            figures = found[name]
            figures.decoding += time.perf_counter() - begin
            figures.encoding += took
            figures.tokens += len(ids) - len(prompt) + 1
            text = tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True)
            figures.texts.append(text.strip())
    return found


def row(name: str, own: Figures, before: Figures, clips: list[Clip], size: int) -> str:
    """A line of the table."""
    pairs = [
        [count_errors(clip["transcription"], text, clip["whisper_language"]) for text in texts]
        for clip, *texts in zip(clips, before.texts, own.texts, strict=True)
    ]
    edits = np.array([[one.edits for one in pair] for pair in pairs])
    units = np.array([pair[0].units for pair in pairs])
    low, high = bootstrap.interval(bootstrap.difference, edits[:, 0], edits[:, 1], units)
    same = np.mean([a == b for a, b in zip(before.texts, own.texts, strict=True)])
    worse, better = np.mean(edits[:, 1] > edits[:, 0]), np.mean(edits[:, 1] < edits[:, 0])
    rate = edits.sum(0) / units.sum()
    cells = [
        name,
        f"{same:.0%}",
        f"{100 * worse:.1f} / {100 * better:.1f}",
        f"{100 * rate[1]:.2f}",
        f"{100 * (rate[1] - rate[0]):+.2f} [{100 * low:+.1f}, {100 * high:+.1f}]",
        f"{size / 1e6:.0f}",
        f"{1000 * own.encoding / len(clips):.0f}",
        f"{1000 * own.decoding / own.tokens:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a model that this checkout has built")
    parser.add_argument("--clips", type=int, default=64, help="of each language")
    parser.add_argument("--only", nargs="*", default=list(PAIRS), help="names of recipes")
    args = parser.parse_args(argv)
    model = Model.of(args.model, args.clips)
    chosen = {name: PAIRS[name] for name in dict.fromkeys(["float", *args.only])}
    with tempfile.TemporaryDirectory() as place:
        parts: dict[tuple[str, Recipe | None], Path] = {}
        for pair in chosen.values():
            for part, recipe, make in zip(
                ("encoder", "decoder"), pair, (encoder_of, decoder_of), strict=True
            ):
                if (part, recipe) not in parts:
                    folder = Path(place) / str(len(parts))
                    folder.mkdir()
                    parts[part, recipe] = make(model, recipe, folder)
        sessions = {
            (part, recipe): OpenVinoEncoder(path) if part == "encoder" else OpenVinoDecoder(path)
            for (part, recipe), path in parts.items()
        }
        pairs = {
            name: (sessions["encoder", one], sessions["decoder", two])
            for name, (one, two) in chosen.items()
        }
        found = transcribe(model, pairs)
        print("| recipe | same text | worse / better, % | error rate | difference | MB | ms | ms |")
        print("|---|---|---|---|---|---|---|---|")
        for name, pair in chosen.items():
            folders = [
                parts[part, one].parent
                for part, one in zip(("encoder", "decoder"), pair, strict=True)
            ]
            size = sum(file.stat().st_size for one in folders for file in one.glob("*.bin"))
            print(row(name, found[name], found["float"], model.clips, size), flush=True)


if __name__ == "__main__":
    run(main)
