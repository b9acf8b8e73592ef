"""config.json, feature extractor and weights of a checkpoint: each contradiction is a sentence.

Every case is the random checkpoint with one file edited.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import WhisperProcessor
from transformers.activations import ACT2FN

from common.files import read_json, write_json
from data.cache import local_folder
from data.checkpoint_config import ACTIVATIONS
from tests.conftest import ROOT
from tests.odd_checkpoints import (
    copy_of,
    edit,
    have,
    mended,
    reweigh,
    sentence,
)

Json = dict[str, Any]
GENERATION, TOKENIZER = "generation_config.json", "tokenizer.json"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """A copy of the random checkpoint, to be edited."""
    return copy_of(checkpoint, tmp_path)


def test_a_checkpoint_whose_files_agree_stays_where_it_is(folder: Path) -> None:
    manifest = have(folder)
    assert set(read_json(manifest)) == {"source", "revision", "commit", "files"}
    assert local_folder(manifest) == folder


def test_the_look_needs_neither_torch_nor_transformers(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from data.checkpoint import main; main(sys.argv[1:]);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    options = ["--source", str(folder), "--out", str(tmp_path / "checkpoint.json")]
    subprocess.run([sys.executable, "-c", code, *options], check=True, cwd=ROOT)


# Feature extractor and config.json

EXTRACTORS = {
    "mels": ({"feature_size": 128}, "feature_size 128, but config.json says num_mel_bins 80"),
    "window": ({"chunk_length": 15}, "chunk_length 15, but config.json says max_source_positions"),
    "rate": ({"sampling_rate": 8000}, "sampling_rate 8000, but Whisper hears 16000"),
    "hop": ({"hop_length": 320}, "hop_length 320, but config.json says max_source_positions 1500"),
    "hop of longer windows": ({"hop_length": 320, "chunk_length": 60}, "hop_length 320, but every"),
    "n_fft": ({"n_fft": 512}, "n_fft 512, but every Whisper says 400"),
    "hop 0": ({"hop_length": 0}, "hop_length 0, but"),
    "text": ({"chunk_length": "30"}, 'chunk_length "30", but'),
}


@pytest.mark.parametrize(("change", "said"), EXTRACTORS.values(), ids=EXTRACTORS)
@pytest.mark.parametrize("name", ["processor_config.json", "preprocessor_config.json"])
def test_features_that_the_model_does_not_take_are_refused(
    folder: Path, name: str, change: Json, said: str
) -> None:
    own = read_json(folder / "processor_config.json")
    edit(folder / "processor_config.json", lambda c: c.pop("feature_extractor"))
    content = own["feature_extractor"] | change
    if name == "processor_config.json":
        content = own | {"feature_extractor": content}
    write_json(folder / name, content)
    text = sentence(folder)
    assert f"{name} of {folder} says {said}" in text and f"mend {name}" in text


def test_a_processor_that_says_nothing_of_features_is_none(folder: Path) -> None:
    edit(folder / "processor_config.json", lambda c: c.pop("feature_extractor"))
    assert "has no preprocessor_config.json or processor_config.json, hence no feature" in sentence(
        folder
    )


@pytest.mark.parametrize("value", [None, 7, "x", []])
def test_an_extractor_that_is_none_is_refused(folder: Path, value: Any) -> None:
    own = read_json(folder / "processor_config.json")["feature_extractor"]
    edit(folder / "processor_config.json", lambda c: c.update(feature_extractor=value))
    assert "hence no feature extractor" in sentence(folder)
    write_json(folder / "preprocessor_config.json", own)
    assert f"says feature_extractor {json.dumps(value)}, which says nothing" in sentence(folder)
    write_json(folder / "preprocessor_config.json", own | {"feature_extractor": value})
    (folder / "processor_config.json").unlink()
    assert f"says feature_extractor {json.dumps(value)}, which says nothing" in sentence(folder)


@pytest.mark.parametrize("content", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}])
def test_an_index_that_names_no_files_is_refused(folder: Path, content: Json) -> None:
    (folder / "model.safetensors").unlink()
    write_json(folder / "model.safetensors.index.json", content)
    assert "index.json of" in sentence(folder) and "has no weight_map" in sentence(folder)


def test_weights_that_are_quantised_already_are_refused(folder: Path) -> None:
    packed = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    edit(folder / "config.json", lambda c: c.update(quantization_config=packed))
    assert "config.json of" in sentence(folder) and "(bitsandbytes)" in sentence(folder)


@pytest.mark.parametrize("value", ["glu", None, ["gelu"]])
def test_activations_that_the_library_has_not_are_refused(folder: Path, value: Any) -> None:
    edit(folder / "config.json", lambda c: c.update(activation_function=value))
    assert f"says activation_function {json.dumps(value)}, which the library" in sentence(folder)


def test_activations_are_the_librarys() -> None:
    assert list(ACTIVATIONS) == sorted(ACT2FN)


@pytest.mark.parametrize("value", ["80", 0, None, 80.0])
def test_sizes_that_are_none_are_refused(folder: Path, value: Any) -> None:
    edit(folder / "config.json", lambda c: c.update(num_mel_bins=value))
    assert f"says num_mel_bins {json.dumps(value)}, which is no size" in sentence(folder)


@pytest.mark.parametrize("name", ["processor_config.json", "preprocessor_config.json"])
def test_noise_is_not_added_to_features(folder: Path, name: str) -> None:
    own = read_json(folder / "processor_config.json")
    own["feature_extractor"]["dither"] = 1e-4
    (folder / "processor_config.json").unlink()
    write_json(folder / name, own if name[:4] == "proc" else own["feature_extractor"])
    manifest = have(folder)
    extractor = WhisperProcessor.from_pretrained(local_folder(manifest)).feature_extractor
    assert extractor.dither == 0 and extractor.feature_size == 80
    assert f"{name}: dither is set to 0" in mended(manifest)


def test_heads_that_do_not_divide_the_width_are_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.update(decoder_attention_heads=3))
    assert "d_model 32 and decoder_attention_heads 3" in sentence(folder)


@pytest.mark.parametrize("text", ["[]", "{", "\x80"])
@pytest.mark.parametrize("name", ["config.json", GENERATION, TOKENIZER, "processor_config.json"])
def test_files_that_hold_no_object_are_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="latin-1")
    assert f"{name} of {folder}" in sentence(folder)


# Weights


FC1 = "model.decoder.layers.1.fc1.weight"
SHAPES = {
    "vocabulary": ({"vocab_size": 51865}, "embed_tokens.weight in the shape [3209, 32]", "[51865"),
    "positions": (
        {"max_target_positions": 224},
        "embed_positions.weight in the shape [448",
        "[224",
    ),
    "width": (
        {"decoder_ffn_dim": 128},
        "decoder.layers.0.fc1.weight in the shape [64",
        "[128, 32]",
    ),
    "layers": (
        {"decoder_layers": 1},
        "says decoder_layers 1, but the weights have 2",
        "config.json",
    ),
    "more layers": ({"encoder_layers": 3}, "lack model.encoder.layers.2.", "config.json asks for"),
}


@pytest.mark.parametrize(("change", "found", "asked"), SHAPES.values(), ids=SHAPES)
def test_weights_of_another_size_than_config_says_are_refused(
    folder: Path, change: Json, found: str, asked: str
) -> None:
    edit(folder / "config.json", lambda c: c.update(change))
    text = sentence(folder)
    assert found in text and asked in text and "mend config.json" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_one_value_that_is_not_finite_is_found(folder: Path, value: float, dtype: str) -> None:
    import torch
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    weights = load_torch(folder / "model.safetensors")
    weights = {name: tensor.to(getattr(torch, dtype)) for name, tensor in weights.items()}
    save_torch(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert local_folder(have(folder)) == folder
    weights[FC1][63, 31] = value
    save_torch(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder.parent / "manifests" / "odd.json").unlink()
    assert f"model.safetensors of {folder} holds NaN or infinity in {FC1}" in sentence(folder)


def test_weights_that_hear_other_mel_bins_are_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.update(num_mel_bins=128))
    name = "processor_config.json"
    assert "feature_size 80, but config.json says num_mel_bins 128: mend" in sentence(folder)
    edit(folder / name, lambda c: c["feature_extractor"].update(feature_size=128))
    text = sentence(folder)
    assert "model.encoder.conv1.weight in the shape [32, 80, 3]" in text and "[32, 128, 3]" in text


def test_weights_in_integers_are_refused(folder: Path) -> None:
    reweigh(folder, lambda w: w.update({FC1: w[FC1].astype(np.int8)}))
    assert f"{FC1} as I8" in sentence(folder)


def test_weights_saved_without_the_head_are_taken(folder: Path) -> None:
    """Names without `model.`, as WhisperModel saves them."""
    weights = load_file(folder / "model.safetensors")
    weights = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert local_folder(have(folder)) == folder
