"""The production run's way to its data: from a stand-in for the Hub, and what happens without one."""

import shutil
import time
from pathlib import Path

import pytest
import yaml

from tests.hub import Fault, Hub
from tests.imports import ROOT
from tests.workflow import clean_copy, planned, snakemake

GENERATED = ("data/audio_files", "data/sources", "data/checkpoints", "calibration/sets", "compiled")


def generated(folder: Path) -> list[Path]:
    """Every generated file."""
    return [path for name in GENERATED for path in (folder / name).rglob("*") if path.is_file()]


def test_without_the_hub_the_run_stops_with_one_sentence(tmp_path: Path) -> None:
    folder = clean_copy(tmp_path / "project")
    begin = time.monotonic()
    result = snakemake(
        folder, cores=8, HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="0"
    )
    assert result.returncode != 0
    assert time.monotonic() - begin < 30
    sentences = {line for line in result.stdout.splitlines() if line.startswith("error: ")}
    assert len(sentences) == 1, result.stdout
    sentence = sentences.pop()
    for part in ("http://127.0.0.1:9", "demo/config.yaml", "local folder", "HF_ENDPOINT"):
        assert part in sentence
    assert "Traceback" not in result.stdout
    assert generated(folder) == []


def test_a_run_that_fails_takes_nothing_from_the_one_before(tmp_path: Path) -> None:
    folder = clean_copy(tmp_path / "project")
    small = ("data", "--configfile", "tests/small.yaml")
    result = snakemake(folder, *small)
    assert result.returncode == 0, result.stdout
    before = generated(folder)
    dead = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    assert snakemake(folder, "data", **dead).returncode != 0
    assert generated(folder) == before
    assert planned(folder, *small) == {}


@pytest.fixture
def hub(tmp_path: Path):
    """A Hub with the demo's speech and model as repositories."""
    root = tmp_path / "hub"
    for language in ("de_de", "en_us", "ko_kr"):
        path = f"parquet-data/{language}"
        shutil.copytree(ROOT / "demo/fleurs" / path, root / "datasets/owner/fleurs" / path)
    shutil.copytree(ROOT / "demo/model", root / "models/owner/micro")
    with Hub(root) as served:
        yield served


def test_data_and_checkpoint_come_from_the_hub_once(tmp_path: Path, hub: Hub) -> None:
    folder = clean_copy(tmp_path / "project")
    config = {
        "build": ["micro"],
        "models": {"micro": {"source": "owner/micro", "revision": "main"}},
        "data": {"source": "owner/fleurs", "languages": ["de_de"], "samples_per_language": 2},
        "compilation": {"targets": ["cpu"]},
        "evaluation": {"samples_per_language": 1},
    }
    config["data"]["revision"] = "main"
    (folder / "hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    call = ("data", "--configfile", "hub.yaml")
    environment = hub.environment(tmp_path / "cache")
    result = snakemake(folder, *call, **environment)
    assert result.returncode == 0, result.stdout
    assert len(list((folder / "data/audio_files/calibration").glob("de_de_*.wav"))) == 2
    assert len(hub.requests) > 0
    hub.requests.clear()
    shutil.rmtree(folder / "data/audio_files")
    shutil.rmtree(folder / "data/sources")
    shutil.rmtree(folder / "data/checkpoints")
    result = snakemake(folder, *call, **(environment | {"HF_HUB_OFFLINE": "1"}))
    assert result.returncode == 0, result.stdout
    assert len(list((folder / "data/audio_files/calibration").glob("de_de_*.wav"))) == 2
    assert hub.requests == []


def test_a_language_that_fails_keeps_no_other_from_finishing(tmp_path: Path, hub: Hub) -> None:
    folder = clean_copy(tmp_path / "project")
    config = {
        "build": ["micro"],
        "models": {"micro": {"source": "demo/model"}},
        "data": {
            "source": "owner/fleurs",
            "revision": "main",
            "languages": ["de_de", "en_us", "ko_kr"],
            "samples_per_language": 2,
        },
        "evaluation": {"samples_per_language": 1},
    }
    (folder / "hub.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    call = ("data", "--configfile", "hub.yaml")
    environment = hub.environment(tmp_path / "cache")
    hub.faults.append(Fault("flip", "de_de", times=99))
    result = snakemake(folder, *call, **environment)
    assert result.returncode != 0
    (sentence,) = {line for line in result.stdout.splitlines() if line.startswith("error: ")}
    assert "parquet-data/de_de/" in sentence and "arrived damaged twice" in sentence
    done = {path.name for path in (folder / "data/audio_files/calibration").glob("*.jsonl")}
    assert done == {"en_us.jsonl", "ko_kr.jsonl"}
    hub.faults.clear()
    hub.requests.clear()
    result = snakemake(folder, *call, **environment)
    assert result.returncode == 0, result.stdout
    files = {path for _, path in hub.requests if "/resolve/" in path}
    assert len(files) == 1 and "de_de" in files.pop()
    assert (folder / "data/audio_files/calibration/de_de.jsonl").is_file()


def test_a_wrong_key_stops_the_run_before_any_work(tmp_path: Path) -> None:
    folder = clean_copy(tmp_path / "project")
    (folder / "typo.yaml").write_text("data: {sample_per_language: 3}\n", encoding="utf-8")
    result = snakemake(folder, "--configfile", "demo/config.yaml", "typo.yaml")
    assert result.returncode != 0
    expected = "data has no key `sample_per_language` (did you mean `samples_per_language`?)"
    assert expected in result.stdout
    assert "Traceback" not in result.stdout and generated(folder) == []
