"""Sessions: objects that run one part of a Whisper, whatever runs it.

Two small protocols, so that float torch, float OpenVINO, int8 OpenVINO and NPUs are interchangeable
and any encoder can be paired with any decoder. All arrays are float32, batch size 1; positions,
d_model and vocabulary are the checkpoint's.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import openvino
import torch
from transformers import WhisperForConditionalGeneration

from compilation import whisper_parts
from compilation.openvino_runtime import compile_model, trim_states


class EncoderSession(Protocol):
    """Runs an encoder."""

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encoder states [1, positions, d_model] of features [1, frames, n_mels]."""
        ...


class DecoderSession(Protocol):
    """Runs a decoder that keeps a key/value cache of the tokens fed so far."""

    def start(self, states: np.ndarray) -> None:
        """Begin an utterance: empty the cache, take its states [1, positions, d_model]."""
        ...

    def step(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """Logits [1, L, vocabulary] of L further tokens.

        Args:
            embeddings: Token plus position embeddings of these tokens, [1, L, d_model].
            cached: How many tokens of this utterance stay in the cache before them. Fewer than
                were fed means that the last ones are taken back.
        """
        ...


class TorchEncoder:
    """The float checkpoint's encoder, run by torch."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        self._encoder = whisper_parts.Encoder(model)

    @torch.inference_mode()
    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`."""
        return self._encoder(torch.from_numpy(features)).numpy()


class TorchDecoder:
    """The float checkpoint's decoder, run by torch."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        self._cross = whisper_parts.DecoderCross(model)
        self._step = whisper_parts.DecoderStep(model)

    @torch.inference_mode()
    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self._cross_states = self._cross(torch.from_numpy(states))
        self._past = [tensor[:, :, :0] for tensor in self._cross_states]

    @torch.inference_mode()
    def step(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        past = [tensor[:, :, :cached] for tensor in self._past]
        logits, *self._past = self._step(torch.from_numpy(embeddings), *past, *self._cross_states)
        return logits.numpy()


class OpenVinoEncoder:
    """An encoder compiled to OpenVINO IR, float or int8."""

    def __init__(self, path: Path) -> None:
        self._request = compile_model(path).create_infer_request()

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`."""
        return self._request.infer([features], share_inputs=True)[0].copy()


class OpenVinoDecoder:
    """A decoder compiled to OpenVINO IR: a step graph with state, and the cross projection.

    The cross-attention keys and values are computed once an utterance and stay bound to the
    request; the keys and values of the tokens are the graph's state.
    """

    def __init__(self, step: Path, cross: Path) -> None:
        self._cross = compile_model(cross).create_infer_request()
        self._request = compile_model(step).create_infer_request()
        self._fed = 0

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self._cross.infer([states], share_inputs=True)
        for output in self._cross.model_outputs:
            self._request.set_tensor(output.any_name, self._cross.get_tensor(output))
        self._request.reset_state()
        self._fed = 0

    def step(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        if cached < self._fed:
            trim_states(self._request, cached)
        self._request.set_tensor("inputs_embeds", openvino.Tensor(np.ascontiguousarray(embeddings)))
        self._request.infer()
        self._fed = cached + embeddings.shape[1]
        return self._request.get_tensor("logits").data.copy()
