"""`CompiledWhisper`: transformers' own Whisper with its encoder and decoder run by two sessions.

`generate()` with its languages, tasks, timestamps, beams and long-form logic is the library's. Only
the arithmetic of the two parts is replaced.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from runtime.sessions import DecoderSession, EncoderSession


class CompiledWhisper(WhisperForConditionalGeneration):
    """A Whisper whose parts are sessions.

    Args:
        config: The checkpoint's configuration.
        generation: The checkpoint's generation configuration.
        encoder: Session of the encoder.
        decoder: Session of the decoder.
    """

    def __init__(
        self,
        config: WhisperConfig,
        generation: GenerationConfig,
        encoder: EncoderSession,
        decoder: DecoderSession,
    ) -> None:
        shell = WhisperConfig.from_dict(
            config.to_dict() | {"encoder_layers": 0, "decoder_layers": 0}
        )
        super().__init__(shell)
        self.generation_config = GenerationConfig.from_dict(generation.to_dict())
        # The session holds the cache: `generate` passes whole sequences, and the bridge feeds the
        # session what it has not seen.
        self.generation_config.use_cache = False
        self.model.encoder = _EncoderBridge(shell, encoder)
        self.model.decoder = _DecoderBridge(config, decoder)
        self.proj_out = nn.Identity()
        self.eval()

    def forget(self) -> None:
        """Begin the next utterance anew: something else has used the decoder's session."""
        self.model.decoder.forget()


class _EncoderBridge(WhisperEncoder):
    """The library's encoder module, with a session in place of its layers."""

    def __init__(self, config: WhisperConfig, session: EncoderSession) -> None:
        super().__init__(config)
        self._session = session

    def forward(self, input_features: torch.Tensor, **_: Any) -> BaseModelOutput:
        """Encode a batch of features [B, n_mels, frames], a clip at a time."""
        rows = [row.T.unsqueeze(0).contiguous().numpy() for row in input_features]
        states = [torch.from_numpy(self._session.encode(row)) for row in rows]
        return BaseModelOutput(last_hidden_state=torch.cat(states))


class _DecoderBridge(nn.Module):
    """Feeds a session the tokens that it has not seen; returns logits in place of hidden states."""

    def __init__(self, config: WhisperConfig, session: DecoderSession) -> None:
        super().__init__()
        self._session = session
        self._states: np.ndarray
        self._fed: list[int]
        self._gives_last_alone = False  # until a prompt shows it
        self.forget()
        shape = config.max_target_positions, config.vocab_size
        self._logits = np.empty(shape, dtype=np.float32)

    def forward(
        self,
        input_ids: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Logits [B, L, vocabulary] of whole sequences [B, L], a row at a time.

        Where the session gives the last token's logits alone, those of the first and the last token
        of a prompt are right: the library reads no others (the first's, how likely it is that
        nobody speaks).
        """
        if attention_mask is not None and not attention_mask.bool().all():
            raise ValueError("padded decoder inputs are not supported; decode one clip at a time")
        rows = zip(input_ids.tolist(), encoder_hidden_states, strict=True)
        if len(input_ids) == 1:
            logits = self._row(*next(rows)).unsqueeze(0)
            # The library's detection of the language, of one token, writes into what it is given.
            logits = logits.clone() if input_ids.shape[1] == 1 else logits
        else:
            logits = torch.stack([self._row(*row).clone() for row in rows])
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=logits)

    def forget(self) -> None:
        """Take nothing for fed."""
        self._states, self._fed = np.empty(0, np.float32), []

    def _row(self, ids: list[int], states: torch.Tensor) -> torch.Tensor:
        """Logits [L, vocabulary] of one sequence, computed from where it differs from the last.

        The tensor is a view of a buffer that the next call changes.
        """
        array = states.contiguous().numpy()
        if not np.array_equal(array, self._states):  # torch.equal wakes threads for every token
            self._session.start(array[np.newaxis])
            self._states, self._fed = array.copy(), []
        pairs = zip(ids, self._fed, strict=False)
        cached = next((i for i, (new, old) in enumerate(pairs) if new != old), len(self._fed))
        if cached < len(ids):
            self._feed(ids, cached)
            self._fed = list(ids)
        return torch.from_numpy(self._logits[: len(ids)])

    def _feed(self, ids: list[int], cached: int) -> None:
        """Feed all but the first `cached` tokens, and keep their logits."""
        if not cached and self._gives_last_alone and len(ids) > 1:
            self._feed(ids[:1], 0)
            cached = 1
        logits = self._session.step(np.array([ids[cached:]]), cached)[0]
        if not cached and len(logits) < len(ids):
            self._gives_last_alone = True
            self._feed(ids, 0)
        else:
            self._logits[cached : len(ids)] = logits
