"""The sizes that a Whisper's config.json gives."""

from typing import Any

# What the library takes where config.json is silent.
SIZES = {
    "d_model": 384,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
    "decoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "encoder_layers": 4,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "num_mel_bins": 80,
    "vocab_size": 51865,
}


def size_of(config: dict[str, Any], key: str) -> int:
    """A size of a config.json."""
    return config.get(key, SIZES[key])
