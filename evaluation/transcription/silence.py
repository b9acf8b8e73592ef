"""Whether there is anything to hear in audio, by its level alone."""

import numpy as np

from data.audio import FULL_SCALE, levels

SILENCE = -55.0  # dBFS of the whole audio: what is not louder has no text, whatever a model writes


def is_silent(audio: np.ndarray) -> bool:
    """Whether audio, float32 [time], is empty or not louder than that."""
    pcm = np.clip(audio * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return not len(pcm) or levels(pcm)[0] <= SILENCE
