"""Whispers ready to `generate`: from a hand-off folder, or from a float checkpoint."""

from pathlib import Path

import transformers
from safetensors.torch import load_file
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from common.cli import UserError
from common.files import read_json
from runtime.compiled_whisper import CompiledWhisper
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder
from runtime.sessions import DecoderSession, EncoderSession
from runtime.tables import NAMES


def sessions_of(folder: Path) -> tuple[EncoderSession, DecoderSession]:
    """Sessions of the two compiled parts in a hand-off folder.

    Raises:
        UserError: The folder is no hand-off folder.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise UserError(
            f"{folder} is no hand-off folder (it has no manifest.json); give one such as"
            " compiled/whisper-small/cpu, made by `snakemake --cores all compiled`"
        )
    model = read_json(manifest)["model"]
    encoder = OpenVinoEncoder(folder / f"{model}_encoder.xml")
    decoder = OpenVinoDecoder(
        folder / f"{model}_decoder.xml", folder / f"{model}_decoder_cross.xml"
    )
    return encoder, decoder


def with_sessions(
    folder: Path, encoder: EncoderSession, decoder: DecoderSession
) -> CompiledWhisper:
    """The Whisper of a hand-off folder with any two sessions as its parts."""
    transformers.utils.logging.set_verbosity_error()
    tables = load_file(folder / "model.safetensors")
    config = WhisperConfig.from_pretrained(folder)
    generation = GenerationConfig.from_pretrained(folder)
    # Without a limit of its own, the library would stop after 20 tokens.
    generation.max_length = generation.max_length or config.max_target_positions
    return CompiledWhisper(
        config,
        generation,
        *(tables[name] for name in NAMES),
        encoder,
        decoder,
    )


def load_compiled(folder: Path) -> tuple[WhisperForConditionalGeneration, WhisperProcessor]:
    """The compiled model of a hand-off folder, and its processor."""
    model = with_sessions(folder, *sessions_of(folder))
    return model, WhisperProcessor.from_pretrained(folder)
