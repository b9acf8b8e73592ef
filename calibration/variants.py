"""The samples of a clip: the whole of it, shortened copies, and a clip of silence beside all."""

from pathlib import Path

import numpy as np

from data.audio import RATE
from data.clips import Clip, read_audio

SILENCE = "silence"
SECONDS = 30  # of silence: a whole window, as Whisper pads everything to


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
