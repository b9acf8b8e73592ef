"""Hear what single clips do not show: long, noisy and silent audio, and timestamps.

By the float and by the compiled model, each whole (quality.evaluate has every pairing of parts).
quality.score scores it, together with its gate.

Example:
    python -m evaluation.conditions.hear --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --long 2 --noise-db 20 10 0 --silence --timestamps
        --heard evaluation/results/whisper-small/.heard/conditions.jsonl
        --out evaluation/results/whisper-small/cpu/conditions.json

Long audio is heard as evaluation.transcribe hears it: by timestamps, with the fall-back of
openai/whisper. All else greedily, in one pass over the window: what a model that is run without
any fall-back writes.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from calibration import prompts
from calibration.features import encoder_input
from common.cli import run
from common.files import read_json, sha256_of, write_json
from common.progress import Progress
from data.audio import RATE
from data.clips import interleave, is_multilingual, understood
from evaluation.conditions.recordings import Asked, Recording, audio_of, recordings_of
from evaluation.scoring.conditions import LONG, TIMESTAMPS
from evaluation.scoring.segments import segment_ends
from evaluation.transcription.hear import Text, hear
from evaluation.transcription.heard_texts import HeardTexts
from evaluation.transcription.long_audio import transcribe
from evaluation.transcription.models import with_sessions
from evaluation.transcription.pairings import Pairings, pairings_of
from evaluation.transcription.references import references
from evaluation.transcription.transcribe_clips import Row
from runtime.compiled_whisper import CompiledWhisper


def hear_conditions(
    graphs: Path,
    compiled: Path,
    clip_manifests: list[Path],
    asked: Asked,
    known: HeardTexts | None = None,
) -> dict[str, Any]:
    """conditions.json: what float and compiled model make of every recording.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        compiled: Manifest of the hand-off folder.
        clip_manifests: Manifests of the evaluation clips, one a language.
        asked: Which conditions.
        known: What other evaluations of the checkpoint have heard.

    Raises:
        UserError: A file of the model or a clip is missing or was changed.
    """
    pairings = pairings_of(graphs, compiled.parent)
    generation = pairings.generation
    clips = understood(interleave(clip_manifests), generation)
    spoken = [clip for clip in clips if references(clip, generation, ["transcribe"])]
    recordings, missing = recordings_of(spoken, asked)
    manifest = read_json(compiled)
    whole = {
        kind: with_sessions(compiled.parent, encoder, pairings.decoders[kind])
        for kind, encoder in pairings.encoders.items()
    }
    progress = Progress(recordings, desc="conditions", unit="recording")
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "manifest_sha256": sha256_of(compiled),
        "asked": asked._asdict(),
        "missing": missing,
        "rows": [row_of(pairings, whole, recording, known) for recording in progress],
    }


def row_of(
    pairings: Pairings,
    whole: dict[str, CompiledWhisper],
    recording: Recording,
    known: HeardTexts | None,
) -> Row:
    """What the models make of a recording: a row as in transcripts.json, the condition its task."""
    audio = audio_of(recording)
    asked = [recording.whisper_language, recording.condition]
    texts = {}
    for kind, whisper in whole.items():
        if recording.condition == LONG:
            heard = partial(_in_windows, whisper, pairings, recording, audio)
        else:
            heard = partial(_in_one_pass, kind, pairings, recording, audio)
        name = f"{kind}+{kind}"
        texts[name] = known.text(name, audio, asked, heard) if known else heard()
    row = {
        "clip": recording.name,
        "language": recording.language,
        "whisper_language": recording.whisper_language,
        "task": recording.condition,
        "seconds": round(len(audio) / RATE, 2),
        "noise_db": recording.noise_db,
        "reference": recording.reference,
        "texts": {pairing: one.text for pairing, one in texts.items()},
        "at_limit": {pairing: one.at_limit for pairing, one in texts.items()},
    }
    if recording.condition != TIMESTAMPS:
        return row
    first = pairings.generation.no_timestamps_token_id + 1
    return row | {
        "ends": {pairing: segment_ends(one.tokens, first) for pairing, one in texts.items()}
    }


def _in_windows(
    whisper: CompiledWhisper, pairings: Pairings, recording: Recording, audio: np.ndarray
) -> Text:
    """The text of audio of any length; no text is cut off, as it is made window by window."""
    whisper.forget()
    asked = {"language": recording.whisper_language, "task": "transcribe"}
    known = asked if is_multilingual(pairings.generation) else {}
    return Text(transcribe(whisper, pairings.processor, audio, known), [], False)


def _in_one_pass(kind: str, pairings: Pairings, recording: Recording, audio: np.ndarray) -> Text:
    states = pairings.encoders[kind].encode(
        encoder_input(pairings.processor.feature_extractor, audio)
    )
    task = prompts.TIMESTAMPS if recording.condition == TIMESTAMPS else prompts.TRANSCRIBE
    asked = recording.whisper_language, task, pairings.generation, pairings.processor
    return hear(pairings.decoders[kind], states, *asked)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, hear, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--graphs", type=Path, required=True, help="manifest of the checkpoint's float graphs")
    add("--compiled", type=Path, required=True, help="the folder's manifest")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--long", type=int, default=0, help="long recordings a language, at most")
    add("--noise-db", type=float, nargs="*", default=[], help="ratios of speech to noise")
    add("--silence", action="store_true", help="silence, and noise alone")
    add("--timestamps", action="store_true", help="clips with timestamps")
    add("--heard", type=Path, help="texts that evaluations of the checkpoint share")
    add("--out", type=Path, required=True, help="conditions.json")
    args = parser.parse_args(argv)
    asked = Asked(args.long, args.noise_db, args.silence, args.timestamps)
    known = HeardTexts(args.heard, args.graphs, args.compiled) if args.heard else None
    write_json(args.out, hear_conditions(args.graphs, args.compiled, args.clips, asked, known))


if __name__ == "__main__":
    run(main)
