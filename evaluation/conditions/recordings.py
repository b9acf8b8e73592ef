"""The recordings that each condition is heard on: made of evaluation clips, always the same.

What is random in one (pauses, noise) is drawn from what it is made of: neither other languages nor
the order of clips changes a sample of it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from data.audio import LONGEST, RATE
from data.clips import Clip, read_audio
from evaluation.scoring.conditions import LONG, NOISE, SILENCE, TIMESTAMPS

SPOKEN = 60.0  # seconds of clips in a long recording, at least; it ends with the clip that does it
PAUSES = (0.3, 1.5)  # seconds of silence between two of its clips
ALONE = 8.0  # seconds of a recording in which nobody speaks
FAINT = 0.01  # RMS of the noise alone, -40 dBFS
SOUNDS = ("silence", "noise")  # what is heard where nobody speaks


class Recording(NamedTuple):
    """What is to be heard; `audio_of` makes it."""

    condition: str
    name: str
    language: str
    whisper_language: str
    clips: list[Clip]  # one after the other; none where nobody speaks
    noise_db: float | None = None  # speech over noise
    sound: str = ""  # of SOUNDS, where nobody speaks

    @property
    def reference(self) -> str:
        """What is said; empty where nobody speaks."""
        return " ".join(clip["transcription"] for clip in self.clips)


class Asked(NamedTuple):
    """Which recordings are heard: `evaluation.conditions` of the configuration."""

    long: int  # recordings a language, at most
    noise_db: list[float]  # ratios of speech to noise; every clip is heard at one of them
    silence: bool
    timestamps: bool


def recordings_of(clips: list[Clip], asked: Asked) -> tuple[list[Recording], list[str]]:
    """All recordings, and for each language that has too few clips a sentence.

    Args:
        clips: All evaluation clips that have a text.
        asked: Which.
    """
    found, missing = [], []
    for language, own in _by_language(clips).items():
        facts = language, own[0]["whisper_language"]
        dealt = deal(own, asked.long)
        for index, some in enumerate(dealt):
            found.append(Recording(LONG, f"{language} long {index}", *facts, some))
        if len(dealt) < asked.long:
            spoken = sum(clip["seconds"] for clip in own)
            missing.append(
                f"{language}: {len(dealt)} of {asked.long} long recordings, because the evaluation"
                f" clips have {spoken:.0f} s of speech, and each takes {SPOKEN:.0f} s"
            )
        for index, clip in enumerate(own if asked.noise_db else ()):
            level = asked.noise_db[index % len(asked.noise_db)]
            found.append(Recording(NOISE, clip["file"], *facts, [clip], noise_db=level))
        if asked.timestamps:
            found += [Recording(TIMESTAMPS, clip["file"], *facts, [clip]) for clip in own]
        for sound in SOUNDS if asked.silence else ():
            found.append(Recording(SILENCE, f"{language} {sound}", *facts, [], sound=sound))
    return found, missing


def _by_language(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Clips of each language, by name; ordered by their content, and so at random."""
    found = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: clip["sha256"]):
        found[clip["language"]].append(clip)
    return dict(sorted(found.items()))


def deal(clips: list[Clip], count: int) -> list[list[Clip]]:
    """The clips of a language, dealt to so many long recordings, one after the other.

    No clip is in two. Where they are too few, there are fewer recordings; a single one may be
    shorter, as long as it is longer than the 30 s that Whisper hears at once.
    """
    dealt: list[list[Clip]] = []
    lengths: list[float] = []
    for clip in clips:
        if not lengths or lengths[-1] >= SPOKEN:
            dealt.append([])
            lengths.append(0.0)
        dealt[-1].append(clip)
        lengths[-1] += clip["seconds"]
    whole = [one for one, length in zip(dealt, lengths, strict=True) if length >= SPOKEN]
    if not whole and lengths and lengths[0] > LONGEST:
        whole = dealt[:1]
    return whole[:count]


def audio_of(recording: Recording) -> np.ndarray:
    """Samples of a recording, float32 [time], 16 kHz.

    Raises:
        UserError: A clip is missing or is not the one that its manifest lists.
    """
    draws = _draws(recording)
    if not recording.clips:
        loud = FAINT if recording.sound == "noise" else 0.0
        return (loud * draws.standard_normal(int(ALONE * RATE))).astype(np.float32)
    pieces = []
    for clip in recording.clips:
        pause = int(draws.uniform(*PAUSES) * RATE)
        pieces += [read_audio(clip), np.zeros(pause, np.float32)]
    audio = np.concatenate(pieces[:-1])
    return audio if recording.noise_db is None else with_noise(audio, recording.noise_db, draws)


def with_noise(audio: np.ndarray, decibels: float, draws: np.random.Generator) -> np.ndarray:
    """Audio with white noise, whose power is so far below that of the whole of it.

    Args:
        audio: float32 [time].
        decibels: Ratio of the powers of audio and noise.
        draws: What the noise is drawn from.
    """
    noise = draws.standard_normal(len(audio))
    power = np.mean(audio.astype(np.float64) ** 2) / 10 ** (decibels / 10)
    return (audio + np.sqrt(power / np.mean(noise**2)) * noise).astype(np.float32)


def _draws(recording: Recording) -> np.random.Generator:
    """Random numbers that belong to a recording: of its clips' hashes, or of its name."""
    made_of = [clip["sha256"] for clip in recording.clips] or [recording.name]
    digest = hashlib.sha256(" ".join([recording.condition, *made_of]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
