"""Sessions of the float checkpoint, run by torch where the model's weights are."""

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration

from runtime import parts


class TorchEncoder:
    """The float checkpoint's encoder, run by torch."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        self._encoder = parts.Encoder(model)
        self._device = model.device

    @torch.inference_mode()
    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`."""
        bins_first = torch.from_numpy(features).to(self._device).transpose(1, 2)
        return self._encoder(bins_first).cpu().numpy()


class TorchDecoder:
    """The float checkpoint's decoder, run by torch."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        self._cross = parts.DecoderCross(model)
        self._step = parts.DecoderStep(model)
        self._tables = model.model.decoder
        self._device = model.device

    @torch.inference_mode()
    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self._cross_states = self._cross(torch.from_numpy(states).to(self._device))
        values = self._cross_states[1::2]
        self._past = [value[:, :, :0] for value in values for _ in ("key", "value")]

    @torch.inference_mode()
    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        past = [tensor[:, :, :cached] for tensor in self._past]
        tokens = self._tables.embed_tokens(torch.from_numpy(token_ids).to(self._device))
        positions = self._tables.embed_positions.weight[cached : cached + token_ids.shape[1]]
        logits, *self._past = self._step(tokens + positions, *past, *self._cross_states)
        return logits.cpu().numpy()
