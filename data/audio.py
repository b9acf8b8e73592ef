"""One clip: bytes of any format -> 16 kHz mono -> a PCM16 WAV file, or the reason why not."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from common.files import replacing
from data.sound_file import read_sound
from data.sound_header import Broken

RATE = 16_000  # samples per second that Whisper's feature extractor expects
SHORTEST = 1.0  # seconds: less is hardly a sentence
LONGEST = 30.0  # seconds: Whisper sees no more
FULL_SCALE = 32_768  # PCM16 steps per unit of amplitude; a PCM16 source passes unchanged


class Unusable(Exception):
    """A clip that cannot be a sample; the message says why in a few words."""


def check_length(samples: int) -> None:
    """Raise `Unusable` if so many samples at 16 kHz are shorter than 1 s or longer than 30 s."""
    if samples < SHORTEST * RATE:
        raise Unusable(f"shorter than {SHORTEST:.0f} s")
    if samples > LONGEST * RATE:
        raise Unusable(f"longer than {LONGEST:.0f} s")


def decode(data: bytes | None, silence: float) -> np.ndarray:
    """int16 [samples] at 16 kHz, mono, from the bytes of an audio file.

    Channels are averaged, other rates resampled, what exceeds full scale is clipped. A clip whose
    RMS is `silence` dBFS or less is silent.

    Raises:
        Unusable: too short, too long or silent.
        Broken: not decodable.
    """
    if not data:
        raise Unusable("without audio")
    mono = to_mono(*read_sound(data, LONGEST))
    if not np.isfinite(mono).all():
        raise Broken("holds values that are too large to be sound")
    check_length(len(mono))
    pcm = pcm_of(mono)
    if levels(pcm)[0] <= silence:
        raise Unusable("silent")
    return pcm


def to_mono(signal: np.ndarray, rate: int) -> np.ndarray:
    """float32 [samples] at 16 kHz, of float32 [samples, channels] at `rate`: channels averaged."""
    mono = signal.mean(axis=1)
    if rate == RATE:
        return mono
    # What librosa compiles it keeps beside itself or in the home, where one of them can be written.
    os.environ.setdefault("NUMBA_CACHE_DIR", f"{tempfile.gettempdir()}/numba-{os.getuid()}")
    import librosa  # takes four seconds, and speech data sets are at 16 kHz already

    return librosa.resample(mono, orig_sr=rate, target_sr=RATE)


def pcm_of(mono: np.ndarray) -> np.ndarray:
    """int16 [samples] of floats; what exceeds full scale is clipped."""
    return np.clip(np.rint(mono * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def levels(pcm: np.ndarray) -> tuple[float, float]:
    """RMS and peak of int16 [samples] in dBFS (0 = full scale, -inf = digital silence)."""
    signal = pcm.astype(np.float64) / FULL_SCALE
    return _decibels(math.sqrt(np.mean(signal**2))), _decibels(float(np.abs(signal).max()))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude else -math.inf


def write_wav(path: Path, pcm: np.ndarray) -> None:
    """Write int16 [samples] as a 16 kHz mono PCM16 WAV file, atomically; same input, same bytes."""
    with replacing(path) as temporary:
        soundfile.write(temporary, pcm, RATE, subtype="PCM_16", format="WAV")
