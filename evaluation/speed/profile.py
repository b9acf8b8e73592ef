"""Where the time of a backend goes: its operations by OpenVINO's own profile.

Example:
    python -m evaluation.speed.profile --backend "int8 OpenVINO"
        --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --prepared prepared/clips.json --out prepared/operations.json

Writes, of `encoder` (a pass), `prompt` (the decoder's first step, which computes the keys and
values of its cross-attention) and `token` (a further step)
    ms           of all operations
    precisions   by how they computed, share of the time, largest first
    operations   groups of equal ones, slowest first: type, precision, kernel, inputs, count, ms,
                 share; the slowest dozen, and the rest as one

evaluation.speed.operations says what precisions are. It is a run of its own, because taking the
profile takes time.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from openvino.properties import enable_profiling

from common.cli import run
from common.files import read_json, write_json
from evaluation.speed.backends import INT8, OPENVINO
from evaluation.speed.operations import between, operations_of, profile_of, table
from runtime.ir import CHOSEN, FLOAT32
from runtime.openvino_sessions import (
    OpenVinoDecoder,
    OpenVinoEncoder,
    compiled_sessions,
    float_decoder,
    float_encoder,
)

PROFILED = (OPENVINO, INT8)  # backends that have a profile
PASSES, PROMPTS, TOKENS = 5, 3, 24  # that are averaged
PROFILE = {enable_profiling: True}


def profile(
    encoder: OpenVinoEncoder, decoder: OpenVinoDecoder, features: np.ndarray, prompt: list[int]
) -> dict[str, Any]:
    """What the module's docstring says.

    Args:
        encoder: Compiled to be profiled, and so is the decoder. Nothing was heard with them yet.
        decoder: Likewise.
        features: float32 [1, frames, n_mels].
        prompt: Tokens that are fed at once; then the last one is fed again and again.
    """
    states = encoder.encode(features)
    cold = profile_of(encoder.request, 1)
    for _ in range(PASSES):
        encoder.encode(features)
    warm = profile_of(encoder.request, 1 + PASSES)
    found = {"encoder": table(between(cold, warm), operations_of(encoder.request))}

    def prompted() -> None:
        decoder.start(states)
        decoder.step(np.array([prompt]), 0)

    def said(tokens: int) -> None:
        for place in range(len(prompt), len(prompt) + tokens):
            decoder.step(np.array([prompt[-1:]]), place)

    prompted()
    said(1)
    fed = 2
    cold = profile_of(decoder.request, fed)
    for _ in range(PROMPTS):
        prompted()
    warm = profile_of(decoder.request, fed + PROMPTS)
    found["prompt"] = table(between(cold, warm), operations_of(decoder.request))
    said(TOKENS)
    last = profile_of(decoder.request, fed + PROMPTS + TOKENS)
    found["token"] = table(between(warm, last), operations_of(decoder.request))
    return found


def sessions(name: str, graphs: Path, compiled: Path) -> tuple[OpenVinoEncoder, OpenVinoDecoder]:
    """Both parts of a backend, compiled to be profiled.

    Args:
        name: One of PROFILED.
        graphs: Manifest of the float graphs.
        compiled: The hand-off folder's manifest.
    """
    if name == OPENVINO:
        properties = FLOAT32 | PROFILE
        return float_encoder(graphs.parent, properties), float_decoder(graphs.parent, properties)
    return compiled_sessions(compiled.parent, CHOSEN | PROFILE)


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backend", choices=PROFILED, required=True, help="what runs the model")
    add("--graphs", type=Path, required=True, help="the float graphs' manifest")
    add("--compiled", type=Path, required=True, help="the hand-off folder's manifest")
    add("--prepared", type=Path, required=True, help="list of evaluation.speed.prepare")
    add("--out", type=Path, required=True, help="the JSON file to write")
    args = parser.parse_args(argv)
    clip = read_json(args.prepared)[0]
    features = np.load(args.prepared.with_name(clip["features"]))
    parts = sessions(args.backend, args.graphs, args.compiled)
    write_json(args.out, profile(*parts, features, clip["prompt"]))


if __name__ == "__main__":
    run(main)
