"""The stand-in for the NPU vendor's compiler is as strict as the real one, generation by generation."""

import importlib
import importlib.metadata
import inspect
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration

from tests.qb_double.example import (
    CONFIG,
    FEATURES,
    FRAMES,
    MELS,
    NEWEST,
    SHAPES,
    VERSIONS,
    WITH_TARGET,
    parsing,
    quantising,
    write_pair,
)
from tests.qb_double.install import install

Parsed = tuple[ModuleType, dict[str, Any]]  # compiler, and what its mxq_compile is called with


class Double:
    """The stand-ins, of which one is imported at a time; each works on a tiny Whisper."""

    def __init__(self, folder: Path) -> None:
        self.sites = {one: install(folder / one, one) for one in (*VERSIONS, "2.0.0")}
        self.whisper = WhisperForConditionalGeneration(CONFIG).eval()
        CONFIG.save_pretrained(folder / "checkpoint")
        self.whisper.config.name_or_path = str(folder / "checkpoint")

    def load(self, version: str) -> ModuleType:
        self.forget()
        sys.path.insert(0, str(self.sites[version]))
        importlib.invalidate_caches()
        return importlib.import_module("qbcompiler")

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "qbcompiler"]:
            del sys.modules[name]
        sys.path[:] = [path for path in sys.path if Path(path) not in self.sites.values()]

    def parsing(self, version: str, part: str = "encoder") -> dict[str, Any]:
        return parsing(version, self.whisper, part)

    def parsed(self, version: str, part: str = "encoder") -> Parsed:
        """A version that has parsed a part; a calibration set for it."""
        module = self.load(version)
        module.mblt_compile(**self.parsing(version, part))
        return module, quantising(version, part)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Double:
    return Double(tmp_path_factory.mktemp("double"))


@pytest.fixture
def double(installed: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """All versions, and an empty working folder, where calls are recorded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QB_DOUBLE_CALLS", "calls.jsonl")
    yield installed
    installed.forget()


def configs_of(version: str) -> set[str]:
    """Names of the configuration classes, where that version has them."""
    if version in ("1.4.0", "2.0.0"):
        return {name for name in dir(importlib.import_module("qbcompiler")) if "Config" in name}
    assert not [name for name in dir(importlib.import_module("qbcompiler")) if "Config" in name]
    return set(importlib.import_module("qbcompiler.configs").__all__)


def calls() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("calls.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_both_steps_of_every_version(double: Double, version: str, part: str) -> None:
    module, arguments = double.parsed(version, part)
    module.mxq_compile(**arguments)
    assert module.__version__ == importlib.metadata.version("qbcompiler") == version
    first, text = Path(f"{part}.mblt").read_text().split("\n", 1)
    assert first == "QB-DOUBLE-MBLT"
    shapes = [one["shape"] for one in json.loads(text)["inputs"]]
    assert shapes == {"encoder": [[1, FRAMES, MELS]], "decoder": SHAPES}[part]
    assert Path(f"{part}.mxq").read_bytes().startswith(b"QB-DOUBLE: not an MXQ")
    made = [(call["function"], call["version"], call["unknown"]) for call in calls()]
    assert made == [("mblt_compile", version, []), ("mxq_compile", version, [])]


def test_each_generation_has_its_own_names(double: Double) -> None:
    old = double.load("1.0.1")
    assert old.get_llm_config(llm_config_apply=True, use_full_seq_length=True).use_full_seq_length
    bits = old.get_bit_config(activation_16bits=["score"])
    whole = old.get_quantization_config(old.get_calibration_config(output=1), bits)
    assert whole.model_dump()["calibration"] == {"quantization_output": 1}
    with pytest.raises(ImportError):
        importlib.import_module("qbcompiler.configs")
    names = {}
    for version in VERSIONS[2:]:
        module = double.load(version)
        parameters = set(inspect.signature(module.mxq_compile).parameters)
        names[version] = parameters | configs_of(version)
        assert not hasattr(module, "get_llm_config")
    with pytest.raises(ImportError):  # of 1.4, the last one
        importlib.import_module("qbcompiler.configs")
    added = {"target_device"}
    assert names["1.2.0"] - names["1.1.2"] == added and names["1.1.2"] < names["1.2.0"]
    assert names["1.2.0"] - names["1.3.0"] == {"OptqConfig", "optq_config"}
    assert {"HessianQuantConfig", "config_save_path"} <= names["1.3.0"] - names["1.2.0"]
    assert names["1.4.0"] - names["1.3.0"] == {
        *("BiasCorrectionConfig", "bias_correction", "bias_correction_config", "multi_shape")
    }
    assert double.load("2.0.0").mxq_compile and importlib.metadata.version("qbcompiler") == "2.0.0"


def test_configs_as_the_vendor_writes_them(double: Double) -> None:
    double.load("1.3.0")
    configs = importlib.import_module("qbcompiler.configs")
    bits, changes, llm = (
        configs.BitConfig,
        configs.EquivalentTransformationConfig,
        configs.LlmConfig,
    )
    mixed = bits.Transformer.MixedPrecision
    transformer = bits.Transformer(mixed_precision=mixed(activation=mixed.Activation(apply=True)))
    overrides = bits.LayerOverrides(activation_16bits=["score"])
    made = bits(transformer=transformer, layer_overrides=overrides)
    assert made.model_dump(exclude_unset=True) == {
        "transformer": {"mixed_precision": {"activation": {"apply": True}}},
        "layer_overrides": {"activation_16bits": ["score"]},
    }
    calibration = llm.Attributes.Calibration(useFullSeqLength=True)
    attributes = llm.Attributes(max_cache_length=1024, calibration=calibration)
    assert llm(apply=True, attributes=attributes).attributes.calibration.use_full_seq_length
    assert changes(norm_conv=changes.NormConv(apply=True, learn=True)).norm_conv.learn
    hessian = configs.HessianQuantConfig.Attributes(actOrder=True, blockSize=128, percDamp=0.01)
    assert hessian.model_dump() == {"act_order": True, "block_size": 128, "perc_damp": 0.01}
    ranges = configs.CalibrationConfig(max_percentile={"percentile": 0.9999, "topk_ratio": 0.01})
    assert ranges.max_percentile.percentile == 0.9999


def test_configs_refuse_unknown_fields_and_wrong_types(double: Double) -> None:
    configs = double.load("1.4.0")
    changes = configs.EquivalentTransformationConfig
    for maker, fields in (
        (configs.LlmConfig, {"aply": True}),
        (configs.LlmConfig, {"apply": "yes"}),
        (configs.LlmConfig, {"attributes": True}),
        (configs.LlmConfig.Attributes, {"max_cache_length": True}),
        (configs.CalibrationConfig, {"mode": 3}),
        (configs.CalibrationConfig, {"max_percentile": {"top": 1}}),
        (configs.BitConfig.LayerOverrides, {"activation_16bits": "score"}),
        (changes, {"qk": changes.Vo(apply=True)}),
        (changes.Qk, {"apply": True, "learn": True}),
        (configs.HessianQuantConfig.Attributes, {"actOrder": True}),
        (configs.ResourceManagementConfig, {"use_gpu_only_for_calibration": True}),
        (configs.CompileConfig, {"infrenceScheme": "all"}),
        (configs.CompileConfig.model_validate, {"fields": {"optq": {}}}),
    ):
        with pytest.raises(ValueError, match="1 validation error for"):
            maker(**fields)
    with pytest.raises(TypeError):
        configs.LlmConfig(True)


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_keywords_are_swallowed_and_recorded(double: Double, version: str) -> None:
    module, arguments = double.parsed(version)
    module.mxq_compile(**arguments, quantise_percentile=0.9, infer_scheme="all")
    assert calls()[-1]["unknown"] == ["infer_scheme", "quantise_percentile"]
    assert "infer_scheme" not in inspect.signature(module.mxq_compile).parameters
    assert calls()[-1]["arguments"] == arguments


def test_configs_and_models_are_recorded_in_short(double: Double) -> None:
    module, arguments = double.parsed("1.2.0")
    llm = importlib.import_module("qbcompiler.configs").LlmConfig(apply=True)
    module.mxq_compile(**arguments, llm_config=llm)
    module.mblt_compile(**double.parsing("1.2.0"), feed_dict=FEATURES)
    _, quantised, parsed = calls()
    assert quantised["arguments"]["llm_config"] == {"apply": True}
    assert parsed["arguments"]["model"] == "WhisperForConditionalGeneration"
    shown = f"torch.float32[1, {MELS}, {FRAMES}]"
    assert parsed["arguments"]["feed_dict"] == {"input_features": shown}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"model": Path("encoder")}, TypeError, "model must be"),
        ({"mblt_save_path": Path("encoder.mblt")}, TypeError, "mblt_save_path must be str"),
        ({"feed_dict": ["input_features"]}, TypeError, "feed_dict must be"),
        ({"feed_dict": {"features": np.zeros(1)}}, ValueError, "feed_dict names"),
        ({"feed_dict": {"input_features": [1, MELS, FRAMES]}}, RuntimeError, "Expected 2D"),
        ({"feed_dict": {"input_features": np.zeros((1, 128, FRAMES))}}, RuntimeError, "expected"),
        ({"backend": "keras3"}, ValueError, "Unsupported backend"),
        ({"backend": "onnx"}, TypeError, "takes a path"),
        ({"device": "tpu"}, ValueError, "Unsupported compute device"),
        ({"model": torch.nn.Linear(1, 1)}, RuntimeError, "unsupported model"),
    ],
)
def test_wrong_arguments_of_the_first_step(
    double: Double, version: str, change: dict[str, Any], error: type, text: str
) -> None:
    module = double.load(version)
    with pytest.raises(error, match=text):
        module.mblt_compile(**{**double.parsing(version), **change})


def test_the_tutorial_for_1_0_1_parses_without_an_example(double: Double) -> None:
    module = double.load("1.0.1")
    module.mblt_compile(**{**double.parsing("1.0.1"), "backend": "torch"})


def test_checkpoints_in_a_folder_are_parsed_by_the_old_backend(double: Double) -> None:
    module = double.load("1.1.2")
    arguments = parsing("1.1.2", double.whisper.config.name_or_path, "decoder")
    module.mblt_compile(**arguments)
    with pytest.raises(FileNotFoundError):
        module.mblt_compile(**{**arguments, "model": "nowhere"})
    with pytest.raises(ValueError, match="target must be one of"):
        module.mblt_compile(**{**arguments, "target": None})


@pytest.mark.parametrize("version", NEWEST)
def test_what_1_3_refuses_of_the_first_step(double: Double, version: str) -> None:
    module = double.load(version)
    encoder = double.parsing(version)
    decoder = double.parsing(version, "decoder")
    module.mblt_compile(**{**encoder, "model": double.whisper})
    for arguments, error, text in (
        ({**encoder, "backend": "hf"}, ValueError, "Unsupported backend: 'hf'"),
        ({**encoder, "model": "whisper"}, TypeError, "takes a torch.nn.Module"),
        ({**encoder, "feed_dict": None}, ValueError, "feed_dict must be specified"),
        ({**decoder, "dynamic_axes": None}, ValueError, "feed_dict must be specified"),
        ({**decoder, "dynamic_axes": {"embeds": [1]}}, ValueError, "dynamic_axes names"),
        ({**decoder, "model_part_options": {"last": True}}, TypeError, "unexpected option"),
        ({**encoder, "model_part": None}, ValueError, "several parts"),
        ({**encoder, "model_part": "decoder"}, KeyError, "not loaded for a part 'decoder'"),
        ({**encoder, "hf_config": {}}, ValueError, "hf_config was removed"),
    ):
        with pytest.raises(error, match=text):
            module.mblt_compile(**arguments)
    parts = importlib.import_module("qbcompiler.model_dict.parser.patcher.parts")
    with pytest.raises(KeyError, match="no part 'vision'"):
        double.parsing(version, "vision")
    assert parts.available_parts(double.whisper) == ["encoder", "decoder"]


@pytest.mark.parametrize("version", WITH_TARGET)
def test_the_target_is_required_and_has_a_known_name(double: Double, version: str) -> None:
    module, arguments = double.parsed(version)
    steps = {
        module.mblt_compile: double.parsing(version),
        module.mxq_compile: arguments,
    }
    for function, given in steps.items():
        with pytest.raises(ValueError, match=r"Unsupported device name: 'aries2'\.\nAvailable"):
            function(**{**given, "target_device": "aries2"})
        del given["target_device"]
        with pytest.raises(TypeError, match="target_device"):
            function(**given)
    with pytest.raises(RuntimeError, match="the MBLT is for aries-rb, not regulus-rb"):
        module.mxq_compile(**arguments, target_device="regulus-rb")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"calib_data_path": Path("list.txt")}, TypeError, "calib_data_path must be"),
        ({"save_path": Path("encoder.mxq")}, TypeError, "save_path must be str"),
        ({"llm_config": {"apply": True}}, TypeError, "llm_config must be"),
        ({"inference_scheme": "double"}, ValueError, "Unknown inference scheme"),
        ({"device": "tpu"}, ValueError, "Unsupported compute device"),
        ({"calib_data_path": None}, RuntimeError, "No calibration dataset is provided"),
        ({"model": "list.txt"}, RuntimeError, r"\.mblt files only"),
    ],
)
def test_wrong_arguments_of_the_second_step(
    double: Double, version: str, change: dict[str, Any], error: type, text: str
) -> None:
    module, arguments = double.parsed(version)
    with pytest.raises(error, match=text):
        module.mxq_compile(**{**arguments, **change})
    assert not Path("encoder.mxq").exists()


@pytest.mark.parametrize(
    ("version", "change", "text"),
    [
        ("1.0.1", {"inference_scheme": "all"}, "Unknown inference scheme: 'all'"),
        ("1.0.2", {"inference_scheme": "all", "device": "cuda"}, ""),
        ("1.1.2", {"device": "cuda"}, "Unsupported compute device: 'cuda'"),
        ("1.3.0", {"hf_config": {}}, "hf_config was removed"),
        ("1.3.0", {"backend": "hf"}, "Unsupported backend"),
        ("1.3.0", {"model_part": "encoder"}, "do not apply to a .mblt"),
        ("1.3.0", {"config_preset": "whisper"}, "Unknown preset"),
    ],
)
def test_values_that_depend_on_the_version(
    double: Double, version: str, change: dict[str, Any], text: str
) -> None:
    module, arguments = double.parsed(version)
    if not text:
        module.mxq_compile(**{**arguments, **change})
        return
    with pytest.raises(ValueError, match=text):
        module.mxq_compile(**{**arguments, **change})


def test_a_device_with_one_core_has_one_scheme(double: Double) -> None:
    module = double.load("1.3.0")
    regulus = {"target_device": "regulus-rb"}
    module.mblt_compile(**double.parsing("1.3.0") | regulus)
    arguments = quantising("1.3.0", "encoder") | regulus
    for scheme in ("multi", "global", "global4", "global8"):
        with pytest.raises(ValueError, match="needs several cores"):
            module.mxq_compile(**arguments, inference_scheme=scheme)
    module.mxq_compile(**arguments, inference_scheme="all")
    assert "single" in Path("encoder.mxq").read_text()


def test_resolved_settings_are_written_before_and_can_be_given_back(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, arguments = double.parsed("1.3.0")
    configs = importlib.import_module("qbcompiler.configs")
    bits = configs.BitConfig(layer_overrides={"activation16Bits": ["score"]})
    monkeypatch.setenv("QB_DOUBLE", "fail")
    with pytest.raises(RuntimeError):
        module.mxq_compile(**arguments, bit_config=bits, config_save_path="used/config.json")
    resolved = json.loads(Path("used/config.json").read_text())
    assert resolved["bit"] == {"layerOverrides": {"activation16Bits": ["score"]}}
    assert (resolved["device"], resolved["inferenceScheme"]) == ("cpu", "single")
    monkeypatch.delenv("QB_DOUBLE")
    module.mxq_compile(**arguments, compile_config="used/config.json")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (None, "No calibration tensors loaded"),
        (np.ones((1, FRAMES, MELS)), "dtype float64"),
        (np.ones((1, MELS, FRAMES), np.float32), "shape mismatch"),
        (np.ones((FRAMES, MELS), np.float32), "shape mismatch"),
        (np.ones((1, FRAMES, MELS), np.float32, order="F"), "not row-major"),
        (np.full((1, FRAMES, MELS), np.nan, np.float32), "nan or inf"),
        (np.ones((1, FRAMES, MELS), np.float32), "zeropoint=-2147483648 is out of range"),
    ],
)
@pytest.mark.parametrize("version", ["1.2.0", "1.3.0"])
def test_every_calibration_file_is_read(
    double: Double, version: str, array: Any, text: str
) -> None:
    module, arguments = double.parsed(version)
    Path("mel.npy").rename("good.npy")
    if array is not None:
        np.save("mel.npy", array)
    constant = text.startswith("zeropoint")
    Path("list.txt").write_text("mel.npy\n" if constant else "good.npy\nmel.npy\n")
    with pytest.raises(RuntimeError, match=text):
        module.mxq_compile(**arguments)


def test_lists_without_files_and_folders(double: Double) -> None:
    module, arguments = double.parsed("1.4.0")
    Path("list.txt").write_text("")
    for path in ("list.txt", "nowhere.txt", "nowhere"):
        with pytest.raises(RuntimeError, match="No calibration tensors loaded"):
            module.mxq_compile(**arguments | {"calib_data_path": path})
    Path("folder").mkdir()
    Path("mel.npy").rename("folder/mel.npy")
    module.mxq_compile(**arguments | {"calib_data_path": "folder"})


@pytest.mark.parametrize(
    ("version", "pair", "text"),
    [
        ("1.2.0", ["states.npy", "embeddings.npy"], "shape mismatch"),
        ("1.2.0", ["embeddings.npy"], "input count mismatch"),
        ("1.3.0", ["embeddings.npy"], "input count mismatch"),
        ("1.3.0", ["embeddings.npy", "embeddings.npy"], "shape mismatch"),
    ],
)
def test_pairs_that_do_not_fit(double: Double, version: str, pair: list[str], text: str) -> None:
    module, arguments = double.parsed(version, "decoder")
    write_pair(["first", "second"][: len(pair)], pair)
    with pytest.raises(RuntimeError, match=text):
        module.mxq_compile(**arguments)


def test_since_1_3_inputs_are_matched_by_shape_and_alike_ones_by_name(double: Double) -> None:
    module, arguments = double.parsed("1.3.0", "decoder")
    write_pair(["anything", "at all"], ["states.npy", "embeddings.npy"])
    module.mxq_compile(**arguments)
    write_pair(["anything", "at all"], ["states.npy", "states.npy"])
    with pytest.raises(RuntimeError, match="input name 'anything' is none of"):
        module.mxq_compile(**arguments)
    write_pair(["encoder_hidden_states", "inputs_embeds"], ["states.npy", "states.npy"])
    module.mxq_compile(**arguments)


def test_it_goes_wrong_on_demand(
    double: Double, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module, encoder = double.parsed("1.3.0")
    module.mblt_compile(**double.parsing("1.3.0", "decoder"))
    decoder = quantising("1.3.0", "decoder")

    def stop(value: float) -> None:
        raise InterruptedError(value)

    monkeypatch.setattr(os, "_exit", stop)
    monkeypatch.setattr(time, "sleep", stop)
    for fault, error, text in (
        ("fail", RuntimeError, "dummy dma"),
        ("fail-encoder", RuntimeError, "dummy dma"),
        ("die", InterruptedError, "134"),
        ("hang", InterruptedError, "60"),
        ("typo", ValueError, "none of"),
    ):
        monkeypatch.setenv("QB_DOUBLE", fault)
        with pytest.raises(error, match=text):
            module.mxq_compile(**encoder)
        if error is RuntimeError:
            assert capfd.readouterr().err.count("\n") == 2
    assert "terminate called" in capfd.readouterr().err
    monkeypatch.setenv("QB_DOUBLE", "nothing")
    module.mxq_compile(**encoder)
    assert not Path("encoder.mxq").exists()
    monkeypatch.setenv("QB_DOUBLE", "empty")
    module.mxq_compile(**encoder)
    assert Path("encoder.mxq").read_bytes() == b""
    monkeypatch.setenv("QB_DOUBLE", "fail-encoder")
    module.mxq_compile(**decoder)
    assert Path("decoder.mxq").stat().st_size


@pytest.mark.parametrize("version", NEWEST)
def test_the_layers_of_a_graph_can_be_read_since_1_3(double: Double, version: str) -> None:
    double.parsed(version, "decoder")
    reader = importlib.import_module("qbcompiler.artifact.input")
    _, (subgraph,) = reader.read_mblt_graph_info("decoder.mblt")
    assert [one.name for one in subgraph.operators] == ["layers.0.self_attn.score"]
    double.load("1.2.0")
    with pytest.raises(ImportError):
        importlib.import_module("qbcompiler.artifact.input")
