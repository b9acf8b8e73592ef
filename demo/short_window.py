"""The Whisper forward pass on the part of the 30 s window that holds the clip.

Of the 1500 encoder positions a short clip fills about a hundred; the others hold the same silence.
Training computes the clip's positions and, for the silence, a few positions drawn at random, whose
attention logits are raised by the logarithm of how many they stand for. The trained weights run in
the unmodified model on the whole window, at a tenth of the cost of training there.
"""

import math

import torch
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from demo.batches import MARGIN, Batch

SAMPLED = 16  # positions of silence that stand for all


def encode(
    model: WhisperForConditionalGeneration, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Encoder states [B, positions + SAMPLED, d_model], those halfway up, the bias on the keys."""
    encoder = model.model.encoder
    table = encoder.embed_positions.weight
    states = functional.gelu(encoder.conv1(batch.mels))
    states = functional.gelu(encoder.conv2(states)).transpose(1, 2)
    if not batch.at_window_start:
        states = states[:, MARGIN // 2 :]
    silence = states[:, batch.positions + 1 : batch.positions + 2]
    here = batch.start[:, None] + torch.arange(batch.positions)
    rest = len(table) - batch.positions
    there = torch.randint(0, rest, (len(states), SAMPLED))
    there = torch.where(there >= batch.start[:, None], there + batch.positions, there)
    states = torch.cat([states[:, : batch.positions] + table[here], silence + table[there]], 1)
    bias = torch.zeros(1, 1, 1, states.shape[1])
    bias[..., batch.positions :] = math.log(rest / SAMPLED)
    for number, layer in enumerate(encoder.layers, 1):
        states = layer(states, bias)
        if number == len(encoder.layers) // 2:
            halfway = states
    return encoder.layer_norm(states), halfway, bias


def decode(
    model: WhisperForConditionalGeneration,
    tokens: torch.Tensor,
    encoded: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Decoder states [N, U, d_model] of token sequences [N, U] on encoder states [N, ...]."""
    decoder = model.model.decoder
    states = decoder.embed_tokens(tokens) + decoder.embed_positions.weight[: tokens.shape[1]]
    for layer in decoder.layers:
        states = layer(states, None, encoded, encoder_attention_mask=bias, use_cache=False)
    return decoder.layer_norm(states)
