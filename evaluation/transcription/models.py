"""Whispers ready to `generate`: from a hand-off folder, or from a float checkpoint."""

from pathlib import Path

import torch
import transformers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from common.files import read_json
from runtime.compiled_whisper import CompiledWhisper
from runtime.folder import sessions_of
from runtime.sessions import DecoderSession, EncoderSession


def with_sessions(
    folder: Path, encoder: EncoderSession, decoder: DecoderSession
) -> CompiledWhisper:
    """The Whisper of a hand-off folder, or of a checkpoint's, with any two sessions as its parts.

    Args:
        folder: Has config.json and generation_config.json.
        encoder: Session of the encoder.
        decoder: Session of the decoder.
    """
    transformers.utils.logging.set_verbosity_error()
    # What is left to torch is little; threads that wait for it would only be in the sessions' way.
    torch.set_num_threads(1)
    # Not from the folder: its model type is the one of the NPU vendor's runtime.
    config = WhisperConfig.from_dict(read_json(folder / "config.json"))
    return CompiledWhisper(config, generation_of(folder), encoder, decoder)


def generation_of(folder: Path) -> GenerationConfig:
    """The generation configuration in a folder; its `max_length` is what there are positions for.

    Or less, where it says so. (Without any, the library would stop after 20 tokens.)
    """
    generation = GenerationConfig.from_pretrained(folder)
    positions = read_json(folder / "config.json")["max_target_positions"]
    generation.max_length = min(generation.max_length or positions, positions)
    return generation


def load_compiled(folder: Path) -> tuple[WhisperForConditionalGeneration, WhisperProcessor]:
    """The compiled model of a hand-off folder, and its processor."""
    model = with_sessions(folder, *sessions_of(folder))
    return model, WhisperProcessor.from_pretrained(str(folder))
