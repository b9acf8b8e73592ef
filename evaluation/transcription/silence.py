"""Whether there is anything to hear in audio, by its level alone."""

import numpy as np

from data.audio import FULL_SCALE, LONGEST, RATE, levels

SILENCE = -55.0  # dBFS of all that Whisper hears at once: what is not louder has no text
WINDOW = int(LONGEST * RATE)  # samples of that


def is_silent(audio: np.ndarray) -> bool:
    """Whether audio, float32 [time], is empty or nowhere louder than that.

    By windows of 30 s, of which the loudest decides: a sentence in an hour of silence is heard. Not
    by shorter ones: a click in a silent recording is no speech.
    """
    windows = (audio[begin : begin + WINDOW] for begin in range(0, len(audio), WINDOW))
    return all(_level(window) <= SILENCE for window in windows)


def _level(audio: np.ndarray) -> float:
    pcm = np.clip(audio * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return levels(pcm)[0]
