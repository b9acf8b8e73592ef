"""What each way of quantising for the CPU costs a real model: texts, errors, size, time.

Example, after a run of the pipeline that has made the model's graphs, calibration sets and clips:
    python -m benchmarks.recipes --model whisper-base --clips 64

Every recipe compiles one part or both from the same calibration sets; the other one stays float
and runs in float32, compiled ones as OpenVINO chooses, as they do in a hand-off folder. Held-out
clips are transcribed greedily by each, in turns, clip by clip, so that a busy machine slows all
alike. The table (Markdown, on stdout) compares with the float graphs: share of clips with
the same text, worse and better clips, error rate (words, or characters where a language does not
space them), its difference with a 95 % interval (paired bootstrap), megabytes of weights, and
milliseconds of an encoding and of a token.
"""

import argparse
import logging
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nncf
import numpy as np

from benchmarks.recipe_parts import (
    ATTENTION,
    Model,
    Recipe,
    decoder_of,
    encoder_of,
    properties_of,
)
from calibration.features import encoder_input
from calibration.greedy import greedy, rules_of
from calibration.prompts import prompt_tokens
from common.cli import run
from common.progress import Progress
from data.clips import Clip, read_audio
from data.whisper import load_feature_extractor, load_generation, load_tokenizer
from evaluation.scoring import bootstrap
from evaluation.scoring.text_errors import count_errors
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder
from runtime.tables import TABLES, load_tables

CLIPS = 20  # that calibrate, of each language: the pipeline's default
FLOAT, W8 = None, Recipe(weights_only=True)
W8A8 = Recipe(clips=CLIPS)
EXACT = W8._replace(as_chosen=False)
HALF = W8A8._replace(alpha=0.5)
COUNTS = (5, 10, 20, 40, 80)  # of calibration clips a language
PAIRS: dict[str, tuple[Recipe | None, Recipe | None]] = {
    "float": (FLOAT, FLOAT),
    "encoder w8": (W8, FLOAT),
    **{
        f"encoder w8a8, SmoothQuant {alpha}": (W8A8._replace(alpha=alpha), FLOAT)
        for alpha in (0.95, 0.7, 0.6, 0.5, 0.3)
    },
    "encoder w8a8, SmoothQuant off": (W8A8._replace(alpha=-1), FLOAT),
    "encoder 0.5, mean ranges": (HALF._replace(ranges="mean"), FLOAT),
    "encoder 0.5, histogram ranges": (HALF._replace(ranges="histogram"), FLOAT),
    "encoder 0.5, accurate bias correction": (HALF._replace(accurate_bias=True), FLOAT),
    "encoder 0.5, attention in float": (HALF._replace(float_layers=ATTENTION), FLOAT),
    "encoder 0.5, products of attention in float": (
        HALF._replace(float_layers=("scores", "context")),
        FLOAT,
    ),
    "encoder 0.5, fc2 in float": (HALF._replace(float_layers=("fc2",)), FLOAT),
    **{f"encoder 0.5, {count} clips": (HALF._replace(clips=count), FLOAT) for count in COUNTS},
    "decoder w8": (FLOAT, W8),
    "decoder w8, nothing quantised as it runs": (FLOAT, EXACT),
    "decoder w8a8, SmoothQuant 0.95": (FLOAT, W8A8),
    "decoder w8a8, SmoothQuant 0.5": (FLOAT, HALF),
    "decoder w8a8, SmoothQuant off": (FLOAT, W8A8._replace(alpha=-1)),
    **{f"decoder w8a8, {count} clips": (FLOAT, W8A8._replace(clips=count)) for count in COUNTS},
    "decoder w8a8, end token": (FLOAT, W8A8._replace(tokens="end")),
    "decoder w8a8, no prompt": (FLOAT, W8A8._replace(tokens="no prompt")),
    "decoder w8a8, no prompt, positions four early": (FLOAT, W8A8._replace(tokens="early")),
    "decoder w8a8, all three": (FLOAT, W8A8._replace(tokens="tutorial")),
    "both w8a8, 0.95": (W8A8, W8A8),
    "both w8": (W8, W8),
    "both w8, nothing quantised as it runs": (EXACT, EXACT),
    **{
        f"encoder {alpha}, decoder w8": (W8A8._replace(alpha=alpha), W8)
        for alpha in (0.7, 0.6, 0.5)
    },
    "encoder 0.5, decoder w8, nothing quantised as it runs": (HALF, EXACT),
}


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
    low, high = bootstrap.interval_of_difference(edits[:, 0], edits[:, 1], units)
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
    nncf.set_log_level(logging.WARNING)
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
                    with redirect_stdout(sys.stderr):  # the table alone is for stdout
                        parts[part, recipe] = make(model, recipe, folder)
        kinds = {"encoder": OpenVinoEncoder, "decoder": OpenVinoDecoder}
        sessions = {
            (part, recipe): kinds[part](path, properties_of(recipe))
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
