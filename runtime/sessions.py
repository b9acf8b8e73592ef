"""Sessions: objects that run one part of a Whisper, whatever runs it.

Two small protocols, so that float torch, float OpenVINO, int8 OpenVINO and NPUs are interchangeable
and any encoder can be paired with any decoder. Arrays but token ids are float32; positions, d_model
and vocabulary are the checkpoint's, and the batch B is 1 where a part was compiled for one.
"""

from typing import Protocol

import numpy as np


class EncoderSession(Protocol):
    """Runs an encoder."""

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encoder states [B, positions, d_model] of features [B, frames, n_mels]."""
        ...


class DecoderSession(Protocol):
    """Runs a decoder, its embedding tables included, that keeps a cache of the tokens fed."""

    def start(self, states: np.ndarray) -> None:
        """Begin an utterance: empty the cache, take its states [B, positions, d_model]."""
        ...

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        """Logits [B, L, vocabulary] of L further tokens.

        Args:
            token_ids: These tokens, integers [B, L].
            cached: How many tokens of this utterance stay in the cache before them. Fewer than
                were fed means that the last ones are taken back.
        """
        ...
