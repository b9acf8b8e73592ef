"""What the calibration clips are matters: silence ruins the compiled model, a single clip hurts it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from calibration import decoder, encoder
from common.files import read_json, read_jsonl, sha256_of, write_jsonl
from compilation import hand_off, openvino_quantise
from evaluation.evaluate import evaluate

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
        openvino_quantise.main(["--part", part, *files])
        records.append(out.with_suffix(".json"))
    compiled = folder / "compiled/manifest.json"
    hand_off.assemble("whisper-micro", "cpu", checkpoint, graphs, records, compiled)
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


def silent_clips(demo: Path, folder: Path) -> list[Path]:
    """The calibration clips' manifests, with digital silence of the same length as their audio."""
    folder.mkdir()
    manifests = []
    for manifest in sorted((demo / "data/audio_files/calibration").glob("*.jsonl"))[:4]:
        lines = read_jsonl(manifest)[:2]
        for line in lines:
            path = folder / line["file"]
            soundfile.write(path, np.zeros(int(line["seconds"] * 16_000)), 16_000, "PCM_16")
            line["sha256"] = sha256_of(path)
        write_jsonl(folder / manifest.name, lines)
        manifests.append(folder / manifest.name)
    return manifests


def rates(quality: dict[str, Any], pairing: str) -> dict[str, float]:
    """Error rate by task."""
    return {task: quality["pairings"][pairing][task]["rate"] for task in TASKS}


def quality_with(demo: Path, folder: Path, clips: list[Path]) -> tuple[Path, dict[str, Any]]:
    """The hand-off manifest of a model calibrated on these clips, and its quality."""
    compiled = compile_with(folder, demo, clips)
    held_out = few_clips(demo, folder / "evaluation", 2)
    checkpoint = demo / "data/checkpoints/whisper-micro.json"
    features = folder / "encoder/manifest.json"
    return compiled, evaluate(checkpoint, compiled, held_out, features, TASKS)


@pytest.fixture(scope="module")
def silence(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Calibrated on silence."""
    folder = tmp_path_factory.mktemp("silence")
    return quality_with(demo, folder, silent_clips(demo, folder / "clips"))


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


def test_a_single_clip_visibly_worsens_it(demo: Path, tmp_path: Path) -> None:
    quality = quality_with(demo, tmp_path, single_clip(demo, tmp_path / "clips"))[1]
    before, after = (rates(quality, p) for p in ("float+float", "compiled+compiled"))
    assert after["transcribe"] > before["transcribe"] + 0.02, (before, after)
    assert after["translate"] > before["translate"] + 0.1, (before, after)
    enough = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    assert rates(enough, "compiled+compiled")["translate"] < after["translate"] - 0.1
