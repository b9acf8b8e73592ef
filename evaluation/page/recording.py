"""What is brought to the page: a sound file of any format, or a sentence about why it is none."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from common.cli import UserError
from data.audio import FULL_SCALE, RATE
from data.sound_file import read_sound
from data.sound_header import Broken
from evaluation.page.containers import as_flac, is_container
from evaluation.transcription.silence import is_silent

LARGEST = 200 << 20  # bytes of a file
LONGEST = 7200.0  # seconds
SHORTEST = 0.1  # seconds
BINS = 25  # of the waveform, a second
MOST_BINS = 12_000  # of a waveform


class Recording(NamedTuple):
    """A recording that can be heard."""

    path: Path  # as it was brought, or where soundfile does not read that, as FLAC
    audio: np.ndarray  # float32 [time], 16 kHz, mono

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.audio) / RATE


def read(path: Path) -> Recording:
    """A recording from a file of any format, rate and number of channels.

    Raises:
        UserError: It is too large, too long, too short, silent, or not audio.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise UserError(
            f"{path.name} has {size >> 20} MB; give a file of at most {LARGEST >> 20} MB"
        )
    name = path.name
    try:
        if is_container(data := path.read_bytes()):
            path = as_flac(path, LONGEST)
            data = path.read_bytes()
        signal, rate = read_sound(data, LONGEST)
    except Broken as error:
        raise UserError(f"{name} {error}; give a WAV, FLAC, OGG, MP3 or M4A file") from error
    if len(signal) > LONGEST * rate:
        raise UserError(f"{name} is longer than {LONGEST / 3600:.0f} hours; give a part of it")
    audio = soxr.resample(signal.mean(axis=1), rate, RATE)  # as transcribe.py of a folder does
    if len(audio) < SHORTEST * RATE:
        raise UserError(f"{name} is shorter than {SHORTEST} s; give more of it")
    if is_silent(audio):
        raise UserError(f"{name} is silent: there is nothing to hear; is the microphone on?")
    return Recording(path, audio)


def peaks(audio: np.ndarray) -> np.ndarray:
    """The waveform: the largest amplitude in each of its bins, float32 [bins], at most 1.

    Args:
        audio: float32 [time], 16 kHz.
    """
    bins = int(np.clip(len(audio) * BINS // RATE, 1, MOST_BINS))
    edges = np.linspace(0, len(audio), bins, endpoint=False).astype(int)
    return np.minimum(np.maximum.reduceat(np.abs(audio), edges), 1 - 1 / FULL_SCALE)
