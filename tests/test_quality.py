"""What is calibrated with matters: silence and noise ruin a model; the broken half is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import soundfile
import yaml

from calibration import decoder, encoder
from common.files import listed, read_json, read_jsonl, sha256_of, write_json, write_jsonl
from compilation.hand_off.assemble import Sources, assemble
from compilation.openvino import quantise
from evaluation.quality.evaluate import evaluate
from evaluation.quality.score import score
from runtime.ir import read_model
from tests.imports import ROOT

TASKS = ["transcribe", "translate"]
WHOLE = {"fractions": [1.0], "silence": False}
DRAW = {"seed": 0, "mix": {"transcribe": 0.8, "translate": 0.2}, "max_new_tokens": 444}
DRAW |= {"text": "generated", "set_aside": 1.0}  # of silence it says nothing


def compile_with(folder: Path, demo: Path, clips: list[Path]) -> Path:
    """Calibrate, quantise and assemble the demo's model with these clips; the hand-off manifest."""
    checkpoint = demo / "data/checkpoints/whisper-micro.json"
    features = folder / "encoder/manifest.json"
    encoder.calibrate_encoder(checkpoint, clips, WHOLE, features)
    sequences = folder / "decoder/manifest.json"
    graphs = demo / "runtime/float/whisper-micro/manifest.json"
    settings = {**DRAW, "tasks": TASKS}
    decoder.calibrate_decoder(checkpoint, clips, features, graphs, settings, sequences)
    records = []
    for part, manifest in (("encoder", features), ("decoder", sequences)):
        graph = graphs.with_name(f"{part}.xml")
        out = folder / f"parts/{part}.xml"
        files = ["--graph", str(graph), "--calibration", str(manifest), "--out", str(out)]
        quantise.main(["--part", part, *files])
        records.append(out.with_suffix(".json"))
    compiled = folder / "compiled/manifest.json"
    (dataset,) = (demo / "data/sources").glob("*/dataset.json")
    golden = demo / "compilation/golden/whisper-micro/golden.json"
    sources = Sources(checkpoint, dataset, graphs, golden, [features, sequences], records)
    assemble("whisper-micro", "cpu", sources, None, compiled)
    return compiled


def few_clips(demo: Path, folder: Path, count: int) -> list[Path]:
    """Manifests of the first evaluation clips of each language."""
    folder.mkdir()
    manifests = []
    for manifest in sorted((demo / "data/audio_files/evaluation").glob("*.jsonl")):
        lines = read_jsonl(manifest)[:count]
        for line in lines:
            shutil.copy2(manifest.parent / line["file"], folder)
        write_jsonl(folder / manifest.name, lines)
        manifests.append(folder / manifest.name)
    return manifests


def single_clip(demo: Path, folder: Path) -> list[Path]:
    """A manifest of the first calibration clip alone."""
    folder.mkdir()
    manifest = min((demo / "data/audio_files/calibration").glob("*.jsonl"))
    line = read_jsonl(manifest)[0]
    shutil.copy2(manifest.parent / line["file"], folder)
    write_jsonl(folder / manifest.name, [line])
    return [folder / manifest.name]


Sound = Callable[[int], np.ndarray]  # samples of a length


def silence_of(length: int) -> np.ndarray:
    """Digital silence."""
    return np.zeros(length)


def noise_of(length: int) -> np.ndarray:
    """White noise, as loud as speech."""
    return 0.1 * np.random.default_rng(length).standard_normal(length)


def clips_of(demo: Path, folder: Path, sound: Sound) -> list[Path]:
    """The calibration clips' manifests, with a sound of the same length as their audio."""
    folder.mkdir()
    manifests = []
    for manifest in sorted((demo / "data/audio_files/calibration").glob("*.jsonl"))[:4]:
        lines = read_jsonl(manifest)[:2]
        for line in lines:
            path = folder / line["file"]
            soundfile.write(path, sound(int(line["seconds"] * 16_000)), 16_000, "PCM_16")
            line["sha256"] = sha256_of(path)
        write_jsonl(folder / manifest.name, lines)
        manifests.append(folder / manifest.name)
    return manifests


def rates(quality: dict[str, Any], pairing: str) -> dict[str, float]:
    """Error rate by task."""
    return {
        task: found["all"]["pairings"][pairing]["rate"] for task, found in quality["tasks"].items()
    }


def quality_of(
    demo: Path, compiled: Path, clips: list[Path], tasks: list[str] = TASKS
) -> dict[str, Any]:
    """The quality of a hand-off folder on these clips."""
    graphs = demo / "runtime/float/whisper-micro/manifest.json"
    calibration = demo / "calibration/sets/whisper-micro/encoder/manifest.json"
    heard = evaluate(graphs, compiled, clips, calibration, tasks)
    gate = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["evaluation"]["gate"]
    return score(heard, gate)


def quality_with(
    demo: Path, folder: Path, clips: list[Path], tasks: list[str] = TASKS
) -> tuple[Path, dict[str, Any]]:
    """The hand-off manifest of a model calibrated on these clips, and its quality."""
    compiled = compile_with(folder, demo, clips)
    return compiled, quality_of(demo, compiled, few_clips(demo, folder / "evaluation", 2), tasks)


@pytest.fixture(scope="module")
def silence(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Calibrated on silence."""
    folder = tmp_path_factory.mktemp("silence")
    return quality_with(demo, folder, clips_of(demo, folder / "clips", silence_of))


def test_silence_changes_the_compiled_parts(demo: Path, silence: tuple) -> None:
    whole = read_json(demo / "compiled/whisper-micro/cpu/manifest.json")["parts"]
    silent = read_json(silence[0])["parts"]
    for part in ("encoder", "decoder"):
        hashes = [{file["sha256"] for file in parts[part]["files"]} for parts in (whole, silent)]
        assert not hashes[0] & hashes[1]


def test_silence_ruins_the_error_rate(silence: tuple) -> None:
    before, after = (rates(silence[1], p) for p in ("float+float", "compiled+compiled"))
    for task in TASKS:
        assert after[task] > before[task] + 0.3, (task, before, after)
    gate = silence[1]["gate"]
    assert not gate["passed"] and gate["sentence"].startswith("not passed: ")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_the_half_that_silence_ruined_is_the_one_that_is_named(
    demo: Path, silence: tuple, tmp_path: Path, part: str
) -> None:
    folder = shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")
    for path in silence[0].parent.glob(f"openvino_{part}_model*"):
        shutil.copy2(path, folder / path.name)
    relist(folder)
    clips = few_clips(demo, tmp_path / "clips", 1)[:6]
    check_half(quality_of(demo, folder / "manifest.json", clips, ["transcribe"]), part)


def test_noise_does_not_pass_the_gate(demo: Path, tmp_path: Path) -> None:
    clips = clips_of(demo, tmp_path / "clips", noise_of)
    quality = quality_with(demo, tmp_path, clips, ["transcribe"])[1]
    assert not quality["gate"]["passed"], rates(quality, "compiled+compiled")


def test_a_single_clip_visibly_worsens_it(demo: Path, tmp_path: Path) -> None:
    quality = quality_with(demo, tmp_path, single_clip(demo, tmp_path / "clips"))[1]
    before, after = (rates(quality, p) for p in ("float+float", "compiled+compiled"))
    assert after["transcribe"] > before["transcribe"] + 0.02, (before, after)
    assert after["translate"] > before["translate"] + 0.1, (before, after)
    enough = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    assert rates(enough, "compiled+compiled")["translate"] < after["translate"] - 0.1


def scaled(path: Path, layer: str, factor: float) -> None:
    """Multiply a layer's weights in a compiled graph, by the scale that turns them into floats."""
    graph = read_model(path)
    (product,) = (op for op in graph.get_ordered_ops() if op.get_friendly_name() == layer)
    node = product.input_value(1).get_node()
    while not (constants := [c for c in inputs_of(node) if c.get_type_name() == "Constant"]):
        (node,) = (c for c in inputs_of(node) if c.get_type_name() in ("Convert", "Multiply"))
    floats = (openvino.Type.f32, openvino.Type.f16)
    scale = next(c for c in constants if c.get_element_type() in floats)
    larger = openvino.op.Constant(scale.data * factor)
    scale.output(0).replace(larger.output(0))
    path.unlink()  # not through a hard link
    path.with_suffix(".bin").unlink()
    openvino.serialize(graph, path, path.with_suffix(".bin"))


def inputs_of(node: openvino.Node) -> list[openvino.Node]:
    return [value.get_node() for value in node.input_values()]


def weighted_layers(path: Path) -> list[str]:
    """Names of the products with 8-bit weights."""
    names = []
    for op in read_model(path).get_ordered_ops():
        if op.get_type_name() == "MatMul":
            source = op.input_value(1).get_node()
            while source.get_type_name() in ("Convert", "Multiply", "Subtract"):
                source = source.input_value(0).get_node()
            if source.get_type_name() == "Constant":
                names.append(op.get_friendly_name())
    return names


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_broken_part_is_the_half_that_is_named(demo: Path, tmp_path: Path, part: str) -> None:
    folder = shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")
    path = folder / f"openvino_{part}_model.xml"
    ends = {"encoder": "layers.0.fc2", "decoder": "layers.0.encoder_attn.out_proj"}
    (layer,) = (name for name in weighted_layers(path) if name.endswith(ends[part]))
    scaled(path, layer, 100)
    relist(folder)
    clips = few_clips(demo, tmp_path / "clips", 1)[:6]
    check_half(quality_of(demo, folder / "manifest.json", clips, ["transcribe"]), part)


def relist(folder: Path) -> None:
    """Bring a hand-off folder's manifest up to date with its files."""
    manifest = read_json(folder / "manifest.json")
    manifest["files"] = listed(folder, [file["path"] for file in manifest["files"]])
    write_json(folder / "manifest.json", manifest)


def check_half(quality: dict[str, Any], part: str) -> None:
    """The figures say that it is this half that broke, and the gate is not passed."""
    alone = {"encoder": "compiled+float", "decoder": "float+compiled"}
    other = alone.pop(part), *alone.values()
    broken, whole = (rates(quality, pairing)["transcribe"] for pairing in other)
    assert broken > whole + 0.1
    assert not quality["gate"]["passed"]
    if part == "encoder":
        assert quality["encoder_states"]["all"]["cosine"]["mean"] < 0.97
        assert quality["logits"]["1-4"]["top1"] > 0.9
    else:
        assert quality["encoder_states"]["all"]["cosine"]["mean"] > 0.99
        assert quality["logits"]["1-4"]["top1"] < 0.9
