"""The clips of a calibration set: each whole, shortened copies, and a clip of silence beside all.

The encoder's set is made of them; the decoder's set is made of those of the encoder's set.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from common.cli import UserError
from common.files import read_json
from data.audio import RATE
from data.clips import Clip, interleave, read_audio, understood

SILENCE = "silence"
SECONDS = 30  # of silence: a whole window, as Whisper pads everything to


def encoded_clips(features: Path, manifests: list[Path], generation: SimpleNamespace) -> list[Clip]:
    """The clips of an encoder's set, in its order, each with its `features` and their SHA-256.

    Args:
        features: The encoder set's manifest.
        manifests: Of the clips that it was made from.
        generation: The checkpoint's generation configuration.

    Raises:
        UserError: That set was not made from these clips.
    """
    read = understood(interleave(manifests), generation)
    known = {str(clip["path"]): clip for clip in read} | {SILENCE: silent_clip()}
    entries = read_json(features)["samples"]
    made_from = {(entry["clip"], entry["clip_sha256"]) for entry in entries}
    expected = {(name, clip["sha256"]) for name, clip in known.items()}
    if expected - made_from - {(SILENCE, SILENCE)} or made_from - expected:
        raise UserError(
            f"{features} was not made from the same clips; delete it and run the same command again"
        )
    return [
        known[entry["clip"]]
        | {
            "fraction": entry["fraction"],
            "features": features.parent / entry["file"],
            "features_sha256": entry["sha256"],
        }
        for entry in entries
    ]


def variants(clips: list[Clip], fractions: list[float], silence: bool) -> list[Clip]:
    """Every clip once for each fraction, in rounds over all clips; then the silent clip.

    In each round, clip after clip takes the next fraction, so that every head of the list holds
    all lengths as well as all languages.
    """
    rounds = [
        clip | {"fraction": fractions[(index + shift) % len(fractions)]}
        for shift in range(len(fractions))
        for index, clip in enumerate(clips)
    ]
    return rounds + ([silent_clip()] if silence else [])


def silent_clip() -> Clip:
    """Silence; the prompt over it is English, which every Whisper knows."""
    return {
        "path": Path(SILENCE),
        "sha256": SILENCE,
        "recording": SILENCE,
        "sentence_id": None,
        "language": "en_us",
        "whisper_language": "en",
        "seconds": SECONDS,
        "fraction": 1.0,
        "transcription": "",
        "translation": "",
    }


def is_silent(clip: Clip) -> bool:
    """Whether this is the silent clip."""
    return clip["recording"] == SILENCE


def audio_of(clip: Clip) -> np.ndarray:
    """Samples of a clip's first `fraction`, float32 [time], 16 kHz; raises as `read_audio`."""
    if is_silent(clip):
        return np.zeros(SECONDS * RATE, dtype=np.float32)
    audio = read_audio(clip)
    return audio[: max(1, round(len(audio) * clip["fraction"]))]
