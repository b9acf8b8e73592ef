"""The micro Whisper: its configuration, its initial weights, and its folder on disk."""

import json
import shutil
from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.modeling_whisper import sinusoids

from demo.features import MEL_BINS
from demo.tokenizer import TIMESTAMPS, save_processor
from demo.words import LANGUAGES

WIDTH = 96
ENCODER_LAYERS, DECODER_LAYERS, HEADS = 4, 2, 4
SOURCE_POSITIONS, TARGET_POSITIONS = 1500, 448
# Encoder positions: weaker than Whisper's (1.0), of the size of the audio content at the start, and
# with no wavelength far above the window; both ease learning speech at any place in the window.
POSITION_AMPLITUDE, LONGEST_TIMESCALE = 0.4, 1000.0
EMBEDDING_STD = 0.06


def build_model(tokenizer: WhisperTokenizer) -> WhisperForConditionalGeneration:
    """An untrained model with the configuration and generation configuration of a Whisper."""
    token = tokenizer.convert_tokens_to_ids
    end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=MEL_BINS,
        d_model=WIDTH,
        encoder_layers=ENCODER_LAYERS,
        decoder_layers=DECODER_LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=4 * WIDTH,
        decoder_ffn_dim=4 * WIDTH,
        max_source_positions=SOURCE_POSITIONS,
        max_target_positions=TARGET_POSITIONS,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        begin_suppress_tokens=None,  # silence is answered with the end token
        dropout=0.0,
    )
    model = WhisperForConditionalGeneration(config)
    initialise(model, token("<|0.00|>"))
    model.generation_config = GenerationConfig(
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
        max_length=TARGET_POSITIONS,
        is_multilingual=True,
        no_timestamps_token_id=token("<|notimestamps|>"),
        max_initial_timestamp_index=50,
        prev_sot_token_id=token("<|startofprev|>"),
        lang_to_id={
            f"<|{code}|>": token(f"<|{code}|>")
            for code in sorted(language.whisper for language in LANGUAGES.values())
        },
        task_to_id={task: token(f"<|{task}|>") for task in ("transcribe", "translate")},
        return_timestamps=False,
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    return model


@torch.no_grad()
def initialise(model: WhisperForConditionalGeneration, first_timestamp: int) -> None:
    """Larger weights than the library's 0.02, with which a narrow model hardly hears the audio."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv1d):
            torch.nn.init.kaiming_normal_(module.weight)
            module.bias.zero_()
        elif isinstance(module, torch.nn.Linear) and name != "proj_out":
            std = module.in_features**-0.5
            if name.endswith(("out_proj", "fc2")):  # what is added to the residual stream
                layers = ENCODER_LAYERS if ".encoder." in name else DECODER_LAYERS
                std /= (2 * layers) ** 0.5
            torch.nn.init.normal_(module.weight, 0, std)
    encoder, decoder = model.model.encoder, model.model.decoder
    positions = sinusoids(SOURCE_POSITIONS, WIDTH, LONGEST_TIMESCALE)
    encoder.embed_positions.weight.copy_(POSITION_AMPLITUDE * positions)
    decoder.embed_tokens.weight.normal_(0, EMBEDDING_STD)
    decoder.embed_positions.weight.normal_(0, EMBEDDING_STD)
    # neighbouring times begin alike
    times = sinusoids(TIMESTAMPS, WIDTH, LONGEST_TIMESCALE) * EMBEDDING_STD
    decoder.embed_tokens.weight[first_timestamp:] += times


def save_folder(
    model: WhisperForConditionalGeneration, processor: WhisperProcessor, folder: Path
) -> None:
    """Write a folder that `from_pretrained` loads: fp16 weights that load as fp32.

    The folder is made beside its place and then swapped in, so that no one reads half of one.
    """
    temporary, old = (folder.with_name(f".{folder.name}.{part}") for part in ("new", "old"))
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    half = WhisperForConditionalGeneration(model.config).half()
    half.load_state_dict(model.state_dict())
    half.generation_config = model.generation_config
    half.save_pretrained(temporary)
    save_processor(processor, temporary)
    for file in temporary.iterdir():
        file.chmod(0o644)
    path = temporary / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"dtype": "float32"}
    path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
