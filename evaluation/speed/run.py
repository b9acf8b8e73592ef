"""Time one backend, in a process that does nothing else.

Example:
    python -m evaluation.speed.run --backend "int8 OpenVINO"
        --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --prepared prepared/clips.json --repeats 5 --out prepared/int8.json

Writes
    load_seconds   from weight files that were just read to sessions that are ready; libraries are
                   imported before
    peak_bytes     most memory that was resident in this process, whatever it did; not a GPU's
    rounds         of each repeat, of each clip, seconds: `encoder` (one pass), `first` (from
                   features to the first token, the encoder's included), `rest` (further tokens)
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.cli import run
from common.files import CHUNK, read_json, write_json
from common.memory import peak_bytes
from common.progress import Progress
from evaluation.speed.backends import BACKENDS, Files, Sessions
from runtime.sessions import DecoderSession

Clock = Callable[[], float]


class Times(NamedTuple):
    """Seconds that one clip took; see the module's docstring."""

    encoder: float
    first: float
    rest: float


def hear(
    sessions: Sessions,
    features: np.ndarray,
    prompt: list[int],
    count: int,
    clock: Clock = time.perf_counter,
) -> Times:
    """Time one clip, decoded greedily to a given length, whether its text ends before or not.

    Args:
        sessions: Encoder and decoder.
        features: float32 [1, frames, n_mels].
        prompt: Tokens that are fed first, at once.
        count: Tokens to decode; the last one is not fed.
        clock: Seconds from any point.
    """
    encoder, decoder = sessions
    begin = clock()
    states = encoder.encode(features)
    encoded = clock()
    decoder.start(states)
    token = _next(decoder, prompt, 0)
    first = clock()
    for place in range(len(prompt), len(prompt) + count - 1):
        token = _next(decoder, [token], place)
    return Times(encoded - begin, first - begin, clock() - first)


def _next(decoder: DecoderSession, fed: list[int], cached: int) -> int:
    """The likeliest token after those fed."""
    return int(decoder.step(np.array([fed]), cached)[0, -1].argmax())


def time_rounds(
    sessions: Sessions, prepared: Path, repeats: int, name: str
) -> list[list[dict[str, float]]]:
    """Hear all clips once to warm up, then as often as wanted; `rounds`, as they are written."""
    clips = read_json(prepared)
    features = [np.load(prepared.with_name(clip["features"])) for clip in clips]
    rounds = []
    for _ in Progress(range(1 + repeats), desc=f"speed, {name}", unit="round"):
        times = [
            hear(sessions, feature, clip["prompt"], clip["tokens"])
            for feature, clip in zip(features, clips, strict=True)
        ]
        rounds.append([one._asdict() for one in times])
    return rounds[1:]


def measure(name: str, files: Files, prepared: Path, repeats: int) -> dict[str, Any]:
    """What the module's docstring says, of one backend.

    Args:
        name: Of the backend.
        files: The model.
        prepared: The list that evaluation.speed.prepare has written.
        repeats: How often the clips are timed.
    """
    backend = BACKENDS[name]
    import_module(backend.module)
    for path in backend.weights(files):
        _read(path)
    begin = time.perf_counter()
    sessions = backend.load(files)
    loaded = time.perf_counter() - begin
    rounds = time_rounds(sessions, prepared, repeats, name)
    return {"load_seconds": loaded, "peak_bytes": peak_bytes(), "rounds": rounds}


def _read(path: Path) -> None:
    """Bring a file to where the system keeps what was read, or one backend's disk would count."""
    with path.open("rb", buffering=0) as file:
        while file.read(CHUNK):
            pass


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backend", choices=BACKENDS, required=True, help="what runs the model")
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="the float graphs' manifest")
    add("--compiled", type=Path, required=True, help="the hand-off folder's manifest")
    add("--prepared", type=Path, required=True, help="list of evaluation.speed.prepare")
    add("--repeats", type=int, required=True, help="how often the clips are timed")
    add("--out", type=Path, required=True, help="the JSON file to write")
    args = parser.parse_args(argv)
    files = Files(args.checkpoint, args.graphs, args.compiled)
    write_json(args.out, measure(args.backend, files, args.prepared, args.repeats))


if __name__ == "__main__":
    run(main)
