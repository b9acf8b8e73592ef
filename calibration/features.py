"""Log-mel features, as the encoder's graph takes them."""

from typing import TYPE_CHECKING

import numpy as np

from data.audio import RATE

if TYPE_CHECKING:
    from transformers import WhisperFeatureExtractor


def encoder_input(extractor: "WhisperFeatureExtractor", audio: np.ndarray) -> np.ndarray:
    """Features of one clip: float32, C-contiguous [1, 3000, n_mels], time-major.

    The checkpoint's own extractor computes them, as at run time; NPUs take the last axis as
    channels, so this is the transpose of `input_features`.

    Args:
        extractor: The checkpoint's feature extractor.
        audio: float32 [time], 16 kHz, at most 30 s.
    """
    features = extractor(audio, sampling_rate=RATE, return_tensors="np").input_features
    return np.ascontiguousarray(features.transpose(0, 2, 1), dtype=np.float32)
