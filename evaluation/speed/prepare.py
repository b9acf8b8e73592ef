"""Prepare a measurement of speed: what every backend is given of a few clips, and features' time.

Features do not depend on what runs the parts, so they are computed, and timed, once for all. How
many tokens are decoded of a clip is settled here too, so that all backends do equal work.

Example:
    python -m evaluation.speed.prepare --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --max-clips 4 --repeats 5 --out prepared/clips.json

Files, beside clips.json: features_0000.npy and so on, float32 [1, 3000, n_mels]
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from calibration.features import encoder_input
from calibration.greedy import greedy, rules_of
from calibration.prompts import TRANSCRIBE, prompt_tokens
from common.cli import UserError, run
from common.files import save_npy, write_json
from data.clips import Clip, interleave, read_audio, understood
from data.whisper import load_feature_extractor, load_generation
from runtime.float_sessions import cpu_sessions
from runtime.tables import TABLES, load_tables

FEWEST, MOST = 8, 64  # tokens decoded of a clip


def prepare(
    checkpoint: Path, graphs: Path, manifests: list[Path], most: int, repeats: int, out: Path
) -> list[dict[str, Any]]:
    """Write the features of some clips, and what else a backend needs to know of them.

    Args:
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs.
        manifests: Manifests of clips, one a language.
        most: Clips at most: the first of every language, then the second, and so on.
        repeats: How many times the features of all clips are timed.
        out: The list to write.

    Returns:
        Of each clip: `clip` (its path), `seconds` of audio, `features` (a file), `features_seconds`
        (of computing, a number a repeat), `prompt` (tokens), `tokens` (how many are decoded).

    Raises:
        UserError: There is no clip that the checkpoint understands.
    """
    generation, extractor = load_generation(checkpoint), load_feature_extractor(checkpoint)
    clips = understood(interleave(manifests), generation)[:most]
    if not clips:
        raise UserError("there is no clip to time; raise evaluation.samples_per_language")
    audio = [read_audio(clip) for clip in clips]
    features = [encoder_input(extractor, one) for one in audio]  # which also warms up
    seconds = [[_seconds(extractor, one) for one in audio] for _ in range(repeats)]
    prompts = [prompt_tokens(clip["whisper_language"], TRANSCRIBE, generation) for clip in clips]
    counts = float_counts(graphs, features, prompts, generation)
    rows = []
    for index, clip in enumerate(clips):
        name = f"features_{index:04d}.npy"
        save_npy(out.with_name(name), features[index])
        row = _facts(clip) | {"features": name, "features_seconds": [s[index] for s in seconds]}
        rows.append(row | {"prompt": prompts[index], "tokens": counts[index]})
    write_json(out, rows)
    return rows


def _facts(clip: Clip) -> dict[str, Any]:
    return {"clip": str(clip["path"]), "seconds": clip["seconds"]}


def _seconds(extractor: Any, audio: np.ndarray) -> float:
    """How long the features of a clip take."""
    begin = time.perf_counter()
    encoder_input(extractor, audio)
    return time.perf_counter() - begin


def float_counts(
    graphs: Path, features: list[np.ndarray], prompts: list[list[int]], generation: Any
) -> list[int]:
    """How many tokens to decode of each clip: as many as the float model says."""
    sessions = cpu_sessions(graphs)
    positions = len(load_tables(graphs.with_name(TABLES)).positions)
    encoder, decoder, rules = sessions.encoder(), sessions.decoder(), rules_of(generation)
    counts = []
    for feature, prompt in zip(features, prompts, strict=True):
        states = encoder.encode(feature)
        (tokens,) = greedy(decoder, states, [prompt], rules, positions, MOST)
        counts.append(bounded(len(tokens) - len(prompt), positions - len(prompt)))
    return counts


def bounded(said: int, room: int) -> int:
    """A number of tokens that is worth timing and not too long, and not beyond the positions."""
    return min(max(said, FEWEST), MOST, room)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="the float graphs' manifest")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--max-clips", type=int, required=True, help="clips at most")
    add("--repeats", type=int, required=True, help="how many times features are timed")
    add("--out", type=Path, required=True, help="the list to write")
    args = parser.parse_args(argv)
    prepare(args.checkpoint, args.graphs, args.clips, args.max_clips, args.repeats, args.out)


if __name__ == "__main__":
    run(main)
