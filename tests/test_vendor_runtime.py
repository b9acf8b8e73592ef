"""A hand-off folder as the NPU vendor's runtime package loads it, with stand-ins for the device."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, WhisperProcessor

from common.files import read_json, write_json
from compilation.hand_off.vendor import vendor_config
from data.cache import local_folder
from data.clips import Clip, interleave, read_audio
from evaluation.transcription.models import with_sessions
from runtime.compiled_whisper import CompiledWhisper
from runtime.ir import FLOAT32
from runtime.openvino_sessions import compiled_sessions
from runtime.tables import NAMES
from tests.vendor_runtime import (
    Accelerator,
    Call,
    Cores,
    LastTokenPart,
    Loaded,
    Part,
    RandomPart,
    load,
    on_cpu,
    register,
)

PARTS = ("encoder", "decoder")
LANGUAGES = 17
ONE_PASS = {"force_unique_generate_call": True}  # whatever tokens are made; returns the prompt too
# What the runtime is to be told of both parts, by the scheme that they were compiled for.
FIRST_CORES = Cores("single", [(0, 0)], []), Cores("single", [(1, 0)], [])
RUN_AS = {
    "all": FIRST_CORES,
    "single": FIRST_CORES,
    "multi": (Cores("multi", [], [0]), Cores("multi", [], [1])),
    "global4": (Cores("global4", [], [0]), Cores("global4", [], [1])),
    "global8": (Cores("global8", [], []), Cores("global8", [], [])),  # which is all of them
}


@pytest.fixture(scope="module", autouse=True)
def _vendors_packages() -> None:
    """Nothing here can be tested without them."""
    for name in ("qbruntime", "transformers_mblt"):
        pytest.importorskip(name, reason="exists for Linux on x86-64 only")
    register()


FILES = {part: f"whisper-micro_{part}.mxq" for part in PARTS}


def same(value: Any) -> dict[str, Any]:
    """The same for both parts."""
    return dict.fromkeys(PARTS, value)


@pytest.fixture(scope="module")
def cpu_folder(demo: Path) -> Path:
    """The demo's hand-off folder."""
    return demo / "compiled/whisper-micro/cpu"


@pytest.fixture(scope="module")
def twin(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for an NPU of the demo's model."""
    checkpoint = demo / "data/checkpoints/whisper-micro.json"
    return npu_folder(checkpoint, tmp_path_factory.mktemp("twin") / "folder", "aries-rb")


@pytest.fixture(scope="module")
def theirs(cpu_folder: Path, twin: Path) -> Loaded:
    """The demo's model, loaded by the vendor's package, its parts run by those for the CPU."""
    return load(twin, on_cpu(cpu_folder))


@pytest.fixture(scope="module")
def ours(cpu_folder: Path) -> CompiledWhisper:
    """The same model, loaded by this project.

    In float32, as theirs: after a language has been detected, they feed the prompt in other pieces,
    and in 16 bits a tie may then end otherwise.
    """
    return with_sessions(cpu_folder, *compiled_sessions(cpu_folder, FLOAT32))


@pytest.fixture(scope="module")
def clips(demo: Path) -> list[Clip]:
    """An evaluation clip of every language, not of the same sentence in all."""
    manifests = sorted((demo / "data/audio_files/evaluation").glob("*.jsonl"))
    everything = interleave(manifests)
    assert len(everything) == 5 * len(manifests) == 5 * LANGUAGES
    return [everything[LANGUAGES * ((i + i // 3) % 3) + i] for i in range(LANGUAGES)]


def npu_folder(
    checkpoint: Path,
    folder: Path,
    target: str,
    scheme: str = "all",
    **changes: Any,
) -> Path:
    """A hand-off folder for an NPU, whose parts are a few bytes.

    Args:
        checkpoint: The checkpoint's manifest.
        folder: Where to make it.
        target: Of both parts.
        scheme: Of both parts.
        changes: Of the checkpoint's config.json; None takes a key out.
    """
    home = local_folder(checkpoint)
    shutil.copytree(home, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    tables = load_file(home / "model.safetensors")
    save_file(
        {name: tables[name].float() for name in NAMES},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    own = {**read_json(home / "config.json"), **changes}
    own = {key: value for key, value in own.items() if value is not None}
    write_json(folder / "config.json", vendor_config(own, target, FILES, same(scheme)))
    for name in FILES.values():
        (folder / name).write_bytes(b"part")
    return folder


def features_of(clip: Clip, processor: WhisperProcessor) -> torch.Tensor:
    """Model input [1, n_mels, frames] of a clip."""
    audio = read_audio(clip)
    return processor(audio, sampling_rate=16_000, return_tensors="pt").input_features


def test_a_folder_for_the_cpu_has_the_checkpoints_configuration(
    demo: Path, cpu_folder: Path
) -> None:
    own = read_json(local_folder(demo / "data/checkpoints/whisper-micro.json") / "config.json")
    assert read_json(cpu_folder / "config.json") == own


def test_the_folder_loads_whole(theirs: Loaded, twin: Path) -> None:
    assert type(theirs.model).__name__ == "MobilintWhisperForConditionalGeneration"
    assert type(theirs.processor) is WhisperProcessor
    assert not theirs.missing and not theirs.unexpected
    for part, made in zip(PARTS, (theirs.encoder, theirs.decoder), strict=True):
        assert made.path == twin / FILES[part] and made.accelerator is not None


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("task", "every"), [("transcribe", 1), ("translate", 3)])
def test_the_languages_give_our_tokens(
    theirs: Loaded, ours: CompiledWhisper, clips: list[Clip], task: str, every: int, beams: int
) -> None:
    texts = set()
    for clip in clips[::every]:
        features = features_of(clip, theirs.processor)
        options = {"language": clip["whisper_language"], "task": task, "num_beams": beams}
        ids = theirs.model.generate(features, **options)
        assert torch.equal(ids, ours.generate(features, **options)), (clip["language"], options)
        texts.add(theirs.processor.decode(ids[0], skip_special_tokens=True))
    assert len(texts) >= {"transcribe": 5, "translate": 3}[task], texts  # there are 3 sentences


@pytest.mark.parametrize("options", [{}, {"return_timestamps": True}], ids=["detect", "timestamps"])
def test_other_ways_to_ask_give_our_tokens(
    theirs: Loaded, ours: CompiledWhisper, clips: list[Clip], options: dict[str, Any]
) -> None:
    for clip in clips[:3]:
        features = features_of(clip, theirs.processor)
        ids = theirs.model.generate(features, **options)
        assert torch.equal(ids, ours.generate(features, **options)), clip["language"]


def test_a_long_prompt_comes_in_chunks(
    theirs: Loaded, ours: CompiledWhisper, clips: list[Clip]
) -> None:
    prompt = theirs.processor.get_prompt_ids(" ".join([clips[0]["transcription"]] * 60))[:150]
    options = {"language": "ko", "task": "transcribe", "prompt_ids": torch.tensor(prompt)}
    features = features_of(clips[0], theirs.processor)
    theirs.decoder.calls.clear()
    ids = theirs.model.generate(features, **options)
    first, second, third = theirs.decoder.calls[:3]
    assert [(call.cached, len(call.tokens)) for call in (first, second, third)] == [
        (0, 128),
        (128, 150 + 4 - 128),
        (150 + 4, 1),
    ]
    assert first.tokens + second.tokens[:-4] == tuple(prompt)
    assert torch.equal(ids, ours.generate(features, **options))


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_tables_stay_float32_whatever_the_checkpoint_says(
    checkpoint: Path, tmp_path: Path, key: str
) -> None:
    types = {"dtype": None, "torch_dtype": None, key: "float16"}
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb", **types)
    weights = load(folder, RandomPart).model.state_dict()
    tables = load_file(folder / "model.safetensors")
    assert set(weights) == set(NAMES) == set(tables)
    for name in NAMES:
        assert weights[name].dtype == torch.float32 and torch.equal(weights[name], tables[name])
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "dtype": "float16"})
    halved = load(folder, Part).model.state_dict()
    assert not any(torch.equal(halved[name].float(), tables[name]) for name in NAMES)


@pytest.mark.parametrize("part", [RandomPart, LastTokenPart])
@pytest.mark.parametrize("target", ["aries-rb", "regulus-rb"])
def test_parts_for_npus_are_called_as_they_were_compiled(
    checkpoint: Path, tmp_path: Path, target: str, part: type[Part]
) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", target)
    loaded = load(folder, part)
    single = FIRST_CORES if target == "aries-rb" else (FIRST_CORES[0], FIRST_CORES[0])
    assert (loaded.encoder.cores, loaded.decoder.cores) == single
    for name, made in zip(PARTS, (loaded.encoder, loaded.decoder), strict=True):
        assert made.path == folder / FILES[name]
        assert made.accelerator == Accelerator(target, 0)
    options = {"language": "ko", "task": "transcribe", "max_new_tokens": 5}
    ids = loaded.model.generate(torch.zeros(1, 80, 3000), **options, **ONE_PASS)[0].tolist()
    prompt = ["<|startoftranscript|>", "<|ko|>", "<|transcribe|>", "<|notimestamps|>"]
    assert loaded.processor.tokenizer.convert_ids_to_tokens(ids[:4]) == prompt and len(ids) == 9
    assert loaded.encoder.calls == [Call([(1, 3000, 80)])]
    states = (1, 1, 1500, 32)
    assert loaded.decoder.calls == [
        Call([(1, 1, 4, 32), states], 0, tuple(ids[:4])),
        *(Call([(1, 1, 1, 32), states], i, (ids[i],)) for i in range(4, 8)),
    ]


def test_the_last_tokens_logits_are_enough(checkpoint: Path, tmp_path: Path) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb")
    models = [load(folder, part).model for part in (RandomPart, LastTokenPart)]
    for beams in (1, 3):
        options = {"language": "de", "max_new_tokens": 9, "num_beams": beams, **ONE_PASS}
        whole, last = (model.generate(torch.zeros(1, 80, 3000), **options) for model in models)
        assert whole.shape[1] == 4 + 9 and torch.equal(whole, last)


@pytest.mark.parametrize("scheme", RUN_AS)
def test_a_part_runs_on_the_cores_of_its_scheme(
    checkpoint: Path, tmp_path: Path, scheme: str
) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb", scheme)
    loaded, wanted = load(folder, RandomPart), read_json(folder / "config.json")
    assert (loaded.encoder.cores, loaded.decoder.cores) == RUN_AS[scheme]
    for part in PARTS:
        assert getattr(loaded.config, f"{part}_core_mode") == wanted[f"{part}_core_mode"]
        for key in (f"{part}_target_cores", f"{part}_target_clusters"):
            assert getattr(loaded.config, key) == wanted.get(key, [])


def test_without_a_core_mode_the_cores_are_lost(checkpoint: Path, tmp_path: Path) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb")
    settings = read_json(folder / "config.json")
    del settings["encoder_core_mode"]
    write_json(folder / "config.json", settings)
    with pytest.warns(UserWarning, match="rounded up to whole cluster"):
        config = AutoConfig.from_pretrained(str(folder))
    assert (config.encoder_core_mode, config.decoder_core_mode) == ("auto", "single")
    assert config.encoder_target_cores == [] and config.encoder_target_clusters == ["0:0"]


def test_the_stand_in_takes_nothing_else(checkpoint: Path, tmp_path: Path) -> None:
    folder = npu_folder(checkpoint, tmp_path / "folder", "aries-rb")
    loaded = load(folder, RandomPart)
    tables = loaded.decoder.tables
    hidden, states = np.zeros((1, 1, 2, 32), np.float32), np.ones((1, 1, 1500, 32), np.float32)
    hidden[0, 0] = tables.tokens[[7, 8]] + tables.positions[:2]
    assert loaded.decoder.infer([hidden, states])[0].shape == (1, 1, 2, 3209)
    assert loaded.decoder.infer([hidden[:, :, 1:], states], None, 1)[0].shape == (1, 1, 1, 3209)
    features = np.zeros((1, 3000, 80), np.float32)
    refused = [
        (loaded.encoder, [features[0]], 0),  # no batch axis
        (loaded.encoder, [features.swapaxes(1, 2)], 0),
        (loaded.encoder, [features.astype(np.float16)], 0),
        (loaded.encoder, [features], 1),
        (loaded.decoder, [states, hidden], 0),  # the other way round
        (loaded.decoder, [hidden[0], states[0]], 0),
        (loaded.decoder, [hidden.astype(np.float64), states], 0),
        (loaded.decoder, [hidden, states], 1),  # the first two positions, as the second and third
        (loaded.decoder, [hidden[:, :, 1:], states], 3),  # two are cached
        (loaded.decoder, [hidden[:, :, 1:], 2 * states], 1),  # decoded from other states
        (loaded.decoder, [hidden[:, :, :0], states], 1),
    ]
    for part, inputs, cached in refused:
        with pytest.raises(AssertionError, match="would not take this"):
            part.infer(inputs, None, cached)
