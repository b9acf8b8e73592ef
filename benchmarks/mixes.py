"""What the strata that a decoder is calibrated with are worth, on a real model: a table.

Example, after runs of the pipeline that differ in calibration.decoder.mix, each set kept:
    python -m benchmarks.mixes --model whisper-base --clips 40 sets/tutorial sets/richer

Every set makes a decoder with 8-bit weights and activations (with 8-bit weights alone, no sample is
read); the encoder stays float. Held-out clips are transcribed without and with timestamps, and long
recordings joined from them by windows, with the fall-back, without and with the text before. The
table (Markdown, on stdout) has error rates and their difference to the float decoder's with a 95 %
interval (paired bootstrap), how far segments end from the float model's, and loops.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from transformers import WhisperForConditionalGeneration

from benchmarks.recipe_parts import Model, decoder_of
from benchmarks.recipes import W8A8
from calibration.features import encoder_input
from common.cli import run
from common.progress import Progress
from common.repetition import loop_in
from data.cache import local_folder
from data.clips import read_audio
from data.whisper import load_processor
from evaluation.conditions.recordings import Asked, audio_of, recordings_of
from evaluation.scoring import bootstrap
from evaluation.scoring.segments import distances, segment_ends
from evaluation.scoring.text_errors import count_errors
from evaluation.transcription.generate import generate
from evaluation.transcription.long_audio import transcribe
from evaluation.transcription.models import with_sessions
from runtime.openvino_sessions import OpenVinoDecoder, float_decoder, float_encoder

ASKED = ("clips", "with timestamps", "long", "long, after the text before")
FLOAT = "float"


class Heard(NamedTuple):
    """A text, and what was said."""

    text: str
    said: str
    code: str  # Whisper's, of the language
    ends: list[float]  # seconds at which segments end


Whispers = dict[str, WhisperForConditionalGeneration]


def whispers_of(model: Model, sets: list[Path], folder: Path) -> Whispers:
    """A float model, and one for each set whose decoder is compiled with it."""
    encoder = float_encoder(model.graphs)
    decoders = {FLOAT: float_decoder(model.graphs)}
    for number, one in enumerate(sets):
        place = folder / str(number)
        place.mkdir()
        decoders[one.name] = OpenVinoDecoder(decoder_of(model._replace(sets=one), W8A8, place))
    checkpoint = local_folder(model.checkpoint)
    return {name: with_sessions(checkpoint, encoder, decoder) for name, decoder in decoders.items()}


def hear_clips(model: Model, whispers: Whispers) -> dict[tuple[str, str], list[Heard]]:
    """Clips, without and with timestamps, by what was asked and whisper."""
    processor, encoder = load_processor(model.checkpoint), float_encoder(model.graphs)
    found: dict[tuple[str, str], list[Heard]] = {}
    for clip in Progress(model.clips, desc="clips", unit="clip"):
        states = encoder.encode(encoder_input(processor.feature_extractor, read_audio(clip)))
        said, code = clip["transcription"], clip["whisper_language"]
        for name, whisper in whispers.items():
            first = whisper.generation_config.no_timestamps_token_id + 1
            for asked, task in zip(ASKED[:2], ("transcribe", "timestamps"), strict=True):
                text = generate(whisper, processor, states, code, task)
                ends = segment_ends(text.tokens, first)
                found.setdefault((asked, name), []).append(Heard(text.text, said, code, ends))
    return found


def hear_long(model: Model, whispers: Whispers, count: int) -> dict[tuple[str, str], list[Heard]]:
    """Long recordings, without and with the text before, by what was asked and whisper."""
    processor = load_processor(model.checkpoint)
    recordings, _ = recordings_of(model.clips, Asked(count, [], silence=False, timestamps=False))
    found: dict[tuple[str, str], list[Heard]] = {}
    for one in Progress(recordings, desc="long recordings", unit="recording"):
        audio, code = audio_of(one), one.whisper_language
        for name, whisper in whispers.items():
            for asked, before in zip(ASKED[2:], (False, True), strict=True):
                settings = {"language": code, "task": "transcribe"}
                settings |= {"condition_on_prev_tokens": before}
                text = transcribe(whisper, processor, audio, settings)
                found.setdefault((asked, name), []).append(Heard(text, one.reference, code, []))
    return found


def errors(heard: list[Heard]) -> tuple[np.ndarray, np.ndarray]:
    """Errors, of a recording at most as many as there are words, and words, [recordings] each."""
    found = [count_errors(one.said, one.text, one.code) for one in heard]
    return np.array([one.capped for one in found]), np.array([one.units for one in found])


def figures(own: list[Heard], before: list[Heard]) -> list[str]:
    """Error rate, difference to float with its interval, recordings with a loop."""
    (after, units), (base, _) = errors(own), errors(before)
    low, high = bootstrap.interval_of_difference(base, after, units)
    difference = (after - base).sum() / units.sum()
    return [
        f"{100 * after.sum() / units.sum():.2f}",
        f"{100 * difference:+.2f} [{100 * low:+.1f}, {100 * high:+.1f}]",
        f"{sum(loop_in(one.text) is not None for one in own)} of {len(own)}",
    ]


def ends_apart(own: list[Heard], before: list[Heard]) -> str:
    """Milliseconds between ends of segments, float model's and own: median, 90th percentile."""
    pairs = zip(before, own, strict=True)
    apart = [one for base, after in pairs for one in distances(base.ends, after.ends)]
    if not apart:
        return "-"
    return " / ".join(f"{value:.0f}" for value in np.percentile(apart, [50, 90]))


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help="a model that this checkout has built")
    add("--clips", type=int, default=40, help="of each language")
    add("--long", type=int, default=2, help="long recordings of each language")
    add("sets", type=Path, nargs="+", help="folders with decoder/, as in calibration/sets")
    args = parser.parse_args(argv)
    model = Model.of(args.model, args.clips)
    with tempfile.TemporaryDirectory() as folder:
        whispers = whispers_of(model, args.sets, Path(folder))
        heard = hear_clips(model, whispers) | hear_long(model, whispers, args.long)
    print("| heard | decoder | error rate, % | difference | loops | ends apart, ms |")
    print("|---|---|---|---|---|---|")
    for asked in ASKED:
        for name in whispers:
            own, before = heard[asked, name], heard[asked, FLOAT]
            cells = [asked, name, *figures(own, before), ends_apart(own, before)]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    run(main)
