"""Speech by espeak-ng, and the silence and noise around it. 16 kHz mono float32 throughout."""

import random
import subprocess
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter, resample_poly

from common.cli import UserError
from demo.words import LANGUAGES, Sentence, spoken

RATE = 16000
ESPEAK_RATE = 22050
WAV_HEADER = 44  # bytes; the length in the header of a streamed file is not true
AUDIBLE = 1e-3  # what is quieter at both ends is cut off
MARGIN = RATE // 40  # kept before and after the audible part


@dataclass(frozen=True)
class Clip:
    """A recording: samples, and where the speech in it begins and ends, in seconds."""

    samples: np.ndarray
    start: float
    end: float


def say(
    code: str, sentence: Sentence, voice: str, speed: int, pitch: int, gap: int, pause: str
) -> np.ndarray:
    """Bare speech with peak 1: `speed` in words a minute, `pitch` 0 to 99, `gap` in 10 ms."""
    name = LANGUAGES[code].voice + (f"+{voice}" if voice else "")
    options = ["-v", name, "-s", str(speed), "-p", str(pitch), "-g", str(gap)]
    command = ["espeak-ng", *options, "--stdout", spoken(code, sentence, pause)]
    try:
        wav = subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise UserError("espeak-ng is not installed; install it (version 1.51) and retry") from None
    pcm = wav[WAV_HEADER : len(wav) - (len(wav) - WAV_HEADER) % 2]
    speech = resample_poly(np.frombuffer(pcm, "<i2").astype(np.float32), 320, 441)  # 22.05 to 16 k
    audible = np.flatnonzero(np.abs(speech) > AUDIBLE * 32768)
    if not len(audible):
        raise UserError(f"espeak-ng said nothing: {' '.join(command)}")
    speech = speech[max(0, audible[0] - MARGIN) : audible[-1] + MARGIN]
    return (speech / np.abs(speech).max()).astype(np.float32)


def random_speech(
    code: str, sentence: Sentence, voice: str, rng: random.Random, speeds: tuple[int, int]
) -> np.ndarray:
    """Bare speech at a random speed and pitch, three in ten with a pause after every word."""
    pause = ", " if rng.random() < 0.3 else " "
    return say(
        code,
        sentence,
        voice,
        speed=rng.randint(*speeds),
        pitch=rng.randint(15, 85),
        gap=rng.choice([0, 0, 1, 3, 6]),
        pause=pause,
    )


def coloured_noise(length: int, rng: random.Random) -> np.ndarray:
    """White, pink-like or brown-like noise with an RMS of 1."""
    noise = np.random.default_rng(rng.getrandbits(32)).standard_normal(length)
    pole = rng.choice([0.0, 0.9, 0.99])
    noise = lfilter([1.0], [1.0, -pole], noise)
    return (noise / np.sqrt(np.mean(noise**2) + 1e-12)).astype(np.float32)


def place(
    speech: np.ndarray,
    lead: float,
    tail: float,
    level: float,
    noise: float | None,
    rng: random.Random,
) -> Clip:
    """Put `lead` and `tail` seconds of silence around speech, at a peak of `level` dB.

    `noise` is the signal-to-noise ratio in dB, over the whole clip; None adds no noise.
    """
    before, after = round(lead * RATE), round(tail * RATE)
    samples = np.pad(speech * 10 ** (level / 20), (before, after))
    if noise is not None:
        loudness = np.sqrt(np.mean(speech**2)) * 10 ** ((level - noise) / 20)
        samples = samples + loudness * coloured_noise(len(samples), rng)
    end = (before + len(speech)) / RATE
    return Clip(np.clip(samples, -1, 1).astype(np.float32), before / RATE, end)
