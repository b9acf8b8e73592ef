"""A tiny Whisper, and what each version of the compiler is called with for its parts."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperConfig

VERSIONS = ("1.0.1", "1.0.2", "1.1.2", "1.2.0", "1.3.0", "1.4.0")
WITH_TARGET, NEWEST = VERSIONS[3:], VERSIONS[4:]
WIDTH, MELS, POSITIONS = 16, 80, 4
FRAMES = 2 * POSITIONS
FEATURES = {"input_features": torch.zeros(1, MELS, FRAMES)}
SHAPES = [[1, -1, WIDTH], [1, POSITIONS, WIDTH]]  # of the decoder's inputs
SIZES = ("encoder_layers", "decoder_layers", "encoder_attention_heads", "decoder_attention_heads")
WIDTHS = ("d_model", "encoder_ffn_dim", "decoder_ffn_dim")
TOKENS = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 1}
LENGTHS = {"max_source_positions": POSITIONS, "max_target_positions": 8, "num_mel_bins": MELS}
COUNTS = dict.fromkeys(SIZES, 1) | dict.fromkeys(WIDTHS, WIDTH)
CONFIG = WhisperConfig(vocab_size=8, **COUNTS, **LENGTHS, **TOKENS)


def parsing(version: str, model: Any, part: str) -> dict[str, Any]:
    """Arguments of mblt_compile; since 1.3 the model is loaded from the folder that it names."""
    arguments = {"mblt_save_path": f"{part}.mblt"}
    if version in WITH_TARGET:
        arguments["target_device"] = "aries-rb"
    if version not in NEWEST:
        return {**arguments, "model": model, "backend": "hf", "target": part, "device": "cpu"}
    parts = importlib.import_module("qbcompiler.model_dict.parser.patcher.parts")
    settings = {"dtype": torch.float32, "device": torch.device("cpu")}
    loaded = parts.load_for_part(model.config.name_or_path, part, **settings)
    arguments |= {"model": loaded, "backend": "torch", "model_part": part}
    if part == "encoder":
        return {**arguments, "feed_dict": FEATURES}
    axes = {"inputs_embeds": [1], "cache_position": [0]}
    return {**arguments, "dynamic_axes": axes, "model_part_options": {"last_token_only": True}}


def quantising(version: str, part: str) -> dict[str, Any]:
    """Arguments of mxq_compile; a calibration set of one sample is written."""
    arguments = {"model": f"{part}.mblt", "save_path": f"{part}.mxq", "device": "cpu"}
    if version in WITH_TARGET:
        arguments["target_device"] = "aries-rb"
    noise = np.random.default_rng(0).standard_normal
    if part == "encoder":
        np.save("mel.npy", noise((1, FRAMES, MELS), dtype=np.float32))
        Path("list.txt").write_text("mel.npy\n", encoding="utf-8")
        return {**arguments, "calib_data_path": "list.txt"}
    np.save("embeddings.npy", noise((1, 3, WIDTH), dtype=np.float32))
    np.save("states.npy", noise((1, POSITIONS, WIDTH), dtype=np.float32))
    names = ["decoder_hidden_states", "encoder_hidden_states"]
    write_pair(names, ["embeddings.npy", "states.npy"], {"input shapes": SHAPES})
    return {**arguments, "calib_data_path": "list.json"}


def write_pair(names: list[str], files: list[str], info: dict[str, Any] | None = None) -> None:
    """Write the list of a decoder's set of one sample."""
    listed = {"info": {"input names": names, **(info or {})}, "calib paths": [files]}
    Path("list.json").write_text(json.dumps({**listed, "metadata": []}), encoding="utf-8")
