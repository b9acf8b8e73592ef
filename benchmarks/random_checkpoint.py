"""Whisper checkpoints of real dimensions with random weights, to measure time and memory.

Example: python -m benchmarks.random_checkpoint --shape small --out random/whisper-small
"""

import argparse
from pathlib import Path

import torch
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from demo.tokenizer import build_processor

# Encoder layers, decoder layers, width, heads, mel bins, vocabulary: the checkpoints' config.json.
SHAPES = {
    "tiny": (4, 4, 384, 6, 80, 51865),
    "tiny.en": (4, 4, 384, 6, 80, 51864),
    "base": (6, 6, 512, 8, 80, 51865),
    "small": (12, 12, 768, 12, 80, 51865),
    "distil-small.en": (12, 4, 768, 12, 80, 51864),
    "medium": (24, 24, 1024, 16, 80, 51865),
    "large-v2": (32, 32, 1280, 20, 80, 51865),
    "large-v3": (32, 32, 1280, 20, 128, 51866),
    "large-v3-turbo": (32, 4, 1280, 20, 128, 51866),
    "distil-large-v3": (32, 2, 1280, 20, 128, 51866),
}


def write(shape: str, folder: Path, layers: int | None = None) -> Path:
    """A checkpoint of one of SHAPES, float16, with the demo's tokenizer at its head; the folder.

    Args:
        shape: A key of SHAPES.
        folder: Where to.
        layers: Of each part, where it need not have all of them.
    """
    encoder, decoder, width, heads, mels, vocabulary = SHAPES[shape]
    if layers:
        encoder = decoder = layers
    torch.manual_seed(0)
    processor = build_processor(mels)
    token = processor.tokenizer.convert_tokens_to_ids
    end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=mels,
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        # Wide enough for logits without ties, and for outputs that depend on the audio.
        init_std=0.05,
    )
    model = WhisperForConditionalGeneration(config)
    known = [code for code in LANGUAGES if token(f"<|{code}|>") not in (None, end)]
    prompts = {
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": token(f"<|{code}|>") for code in known},
        "task_to_id": {task: token(f"<|{task}|>") for task in ("transcribe", "translate")},
    }
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        max_length=448,
        no_timestamps_token_id=token("<|notimestamps|>"),
        prev_sot_token_id=token("<|startofprev|>"),
        # Random weights would end some texts at once.
        suppress_tokens=[end],
        **({"is_multilingual": False} if shape.endswith(".en") else prompts),
    )
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def main(argv: list[str] | None = None) -> None:
    """Write one checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=list(SHAPES), required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--layers", type=int, help="of each part, where it need not have all")
    given = parser.parse_args(argv)
    write(given.shape, given.out, given.layers)


if __name__ == "__main__":
    main()
