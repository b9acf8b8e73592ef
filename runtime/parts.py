"""The two parts of a Whisper as torch modules, ready to be traced.

Token and position embeddings are left out: what a part is quantised with begins behind them. All
tensors are float32; B is the batch. The names of the checkpoint's own submodules are kept as
attributes, so that they appear in the names of the traced operations.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers import WhisperForConditionalGeneration


def split_heads(states: Tensor, heads: int) -> Tensor:
    """[B, length, d_model] -> [B, heads, length, head_dim]."""
    return states.view(states.shape[0], -1, heads, states.shape[-1] // heads).transpose(1, 2)


def attend(
    attention: nn.Module, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Output of one attention block: queries [B, length, d_model], keys and values by head."""
    queries = split_heads(attention.q_proj(queries), attention.num_heads)
    mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))


def attend_across(attention: nn.Module, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Output of a cross-attention block, its keys and values by head.

    Written out, because graphs of `scaled_dot_product_attention` scale all keys at every token:
    half of the time of a step. Keys are transposed in the product, which costs nothing; to keep
    them transposed would cost as much as to compute them.
    """
    queries = split_heads(attention.q_proj(queries), attention.num_heads)
    weights = (queries * attention.head_dim**-0.5 @ keys.transpose(2, 3)).softmax(-1)
    return attention.out_proj((weights @ values).transpose(1, 2).flatten(2))


def keys_values(attention: nn.Module, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values, each [B, heads, length, head_dim], of states [B, length, d_model]."""
    heads = attention.num_heads
    return (
        split_heads(attention.k_proj(states), heads),
        split_heads(attention.v_proj(states), heads),
    )


def feed_forward(layer: nn.Module, states: Tensor) -> Tensor:
    """The residual feed-forward block that ends an encoder or a decoder layer."""
    hidden = layer.activation_fn(layer.fc1(layer.final_layer_norm(states)))
    return states + layer.fc2(hidden)


class Encoder(nn.Module):
    """Log-mel features [B, n_mels, 3000] -> encoder states [B, 1500, d_model]."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.encoder = model.model.encoder

    def forward(self, input_features: Tensor) -> Tensor:
        """See the class."""
        encoder = self.encoder
        states = gelu(encoder.conv1(input_features))
        states = gelu(encoder.conv2(states)).transpose(1, 2)
        states = states + encoder.embed_positions.weight
        for layer in encoder.layers:
            normed = layer.self_attn_layer_norm(states)
            keys, values = keys_values(layer.self_attn, normed)
            states = states + attend(layer.self_attn, normed, keys, values)
            states = feed_forward(layer, states)
        return encoder.layer_norm(states)


class DecoderCross(nn.Module):
    """Encoder states [B, 1500, d_model] -> key, value of every layer's cross-attention.

    The result is flat, (key_0, value_0, key_1, ...), each [B, heads, 1500, head_dim].
    """

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.decoder = model.model.decoder

    def forward(self, encoder_hidden_states: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        flat: list[Tensor] = []
        for layer in self.decoder.layers:
            flat.extend(keys_values(layer.encoder_attn, encoder_hidden_states))
        return tuple(flat)


class DecoderStep(nn.Module):
    """L more tokens after P cached ones -> their logits, and the grown cache.

    Called with inputs_embeds [B, L, d_model] (token + position embedding), then past key and value
    of every layer, each [B, heads, P, head_dim], then what `DecoderCross` returns. Returns logits
    [B, L, vocab], then present key and value of every layer, each [B, heads, P + L, head_dim]. P
    may be 0.
    """

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        super().__init__()
        self.decoder = model.model.decoder
        self.proj_out = model.proj_out

    def forward(self, inputs_embeds: Tensor, *caches: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        layers = self.decoder.layers
        past, cross = caches[: 2 * len(layers)], caches[2 * len(layers) :]
        length, cached = inputs_embeds.shape[1], past[0].shape[2]
        # Token i of this call is at position cached + i and sees the positions up to its own.
        positions = torch.arange(cached + length, device=inputs_embeds.device)
        mask = positions[None, :] <= positions[cached:, None]
        states = inputs_embeds
        present: list[Tensor] = []
        for index, layer in enumerate(layers):
            normed = layer.self_attn_layer_norm(states)
            keys, values = keys_values(layer.self_attn, normed)
            keys = torch.cat([past[2 * index], keys], dim=2)
            values = torch.cat([past[2 * index + 1], values], dim=2)
            present.extend([keys, values])
            states = states + attend(layer.self_attn, normed, keys, values, mask)
            normed = layer.encoder_attn_layer_norm(states)
            states = states + attend_across(
                layer.encoder_attn, normed, cross[2 * index], cross[2 * index + 1]
            )
            states = feed_forward(layer, states)
        return (self.proj_out(self.decoder.layer_norm(states)), *present)
