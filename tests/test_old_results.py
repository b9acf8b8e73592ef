"""A run never calls old results good: what they were made from is known by content."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.workflow import clean_copy, planned, snakemake

SENTENCES = 20
CONFIG = {
    "build": ["whisper-micro"],
    "models": {"whisper-micro": {"source": "model", "tasks": ["transcribe"]}},
    "data": {
        "source": "my {own} speech",
        "languages": ["de_de"],
        "samples_per_language": 2,
        "labels": {"model": "reference"},
    },
    "evaluation": {"samples_per_language": 1},
    "compilation": {"targets": ["cpu"]},
}
GIVEN = ("data", "--configfile", "my.yaml")


def write_index(speech: Path, names: list[str]) -> None:
    """The index of recordings with a sentence each."""
    lines = [f'"{name}",de_de,sentence {number}\n' for number, name in enumerate(names)]
    (speech / "index.csv").write_text("file,language,text\n" + "".join(lines))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first stage has run on own speech and a local checkpoint.

    A recording has braces in its name, and another and the checkpoint's configuration are dated in
    the future.
    """
    folder = clean_copy(tmp_path_factory.mktemp("old") / "project")
    shutil.copytree(folder / "demo/model", folder / "model")
    speech = folder / CONFIG["data"]["source"]
    speech.mkdir()
    names = ["{call}.wav", "[0-9]*?.wav", *(f"{number}.wav" for number in range(2, SENTENCES))]
    noise = np.random.default_rng(0)
    for name in names:
        soundfile.write(speech / name, 0.1 * noise.standard_normal(16_000), 16_000)
    write_index(speech, names)
    for path in (speech / "2.wav", folder / "model/config.json"):
        os.utime(path, (4e9, 4e9))
    (folder / "my.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    result = snakemake(folder, *GIVEN)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of it; its files keep their times."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)


def test_names_and_dates_are_no_obstacle(finished: Path) -> None:
    assert planned(finished, *GIVEN) == {}


def test_recordings_that_are_gone_fail_the_run(project: Path) -> None:
    for path in (project / "my {own} speech").glob("*.wav"):
        path.unlink()
        path.symlink_to("nowhere.wav")
    result = snakemake(project, *GIVEN)
    assert result.returncode != 0
    assert "{call}.wav, which is not in my {own} speech: add the file" in result.stdout


def test_a_run_that_failed_fails_again(project: Path) -> None:
    """What the failed job took away is missed, though all that came of it before is there."""
    path = project / "my {own} speech/3.wav"
    before, config = path.read_bytes(), (project / "model/config.json").read_bytes()
    path.write_bytes(before[:-100])
    (project / "model/config.json").write_bytes(config.replace(b'_bins": 80', b'_bins": 128'))
    for _ in range(2):
        result = snakemake(project, *GIVEN)
        assert result.returncode != 0
        assert "3.wav, which" in result.stdout and "was cut off" in result.stdout
        assert "says feature_size 80, but config.json says num_mel_bins 128" in result.stdout
    path.write_bytes(before)
    (project / "model/config.json").write_bytes(config)
    assert snakemake(project, *GIVEN).returncode == 0
    assert planned(project, *GIVEN) == {}


def test_a_recording_of_the_same_size_and_an_older_date_is_another(project: Path) -> None:
    path = project / "my {own} speech/3.wav"
    before = path.read_bytes()
    path.write_bytes(before[:-2] + bytes([before[-2] ^ 1, before[-1]]))
    os.utime(path, (1e9, 1e9))
    assert set(planned(project, *GIVEN)) == {"fetch_speech", "prepare_audio"}


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_checkpoint_of_the_same_size_and_an_older_date_is_another(
    project: Path, name: str
) -> None:
    path = project / "model" / name
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    os.utime(path, (1e9, 1e9))
    assert set(planned(project, *GIVEN)) == {"fetch_checkpoint"}


def test_a_folder_that_is_gone_fails_the_run(project: Path) -> None:
    (project / "my {own} speech").rename(project / "elsewhere")
    result = snakemake(project, *GIVEN)
    assert result.returncode != 0 and "my {own} speech" in result.stdout
