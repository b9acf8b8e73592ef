"""A CPU hand-off folder transcribes by itself, where there is openvino, transformers and numpy.

Its texts are those of the project, where transformers' own `generate` decodes.
"""

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import WhisperTokenizer

from common.files import read_json, write_json
from evaluation import transcribe
from tests.imports import ROOT

SCRIPT = ROOT / "compilation/hand_off/transcribe.py"
WANTED = [f"{name}=={version(name)}" for name in ("openvino", "transformers", "numpy")]
# transformers brings safetensors along; the script must not need it.
BLOCKED = """
import importlib.util, runpy, sys
found = [name for name in ("torch", "soundfile", "librosa") if importlib.util.find_spec(name)]
assert not found, found
sys.modules["safetensors"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def folder(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's folder, away from the project."""
    copy = tmp_path_factory.mktemp("received") / "cpu"
    return shutil.copytree(demo / "compiled/whisper-micro/cpu", copy)


@pytest.fixture(scope="module")
def clips(demo: Path) -> Path:
    return demo / "data/audio_files/evaluation"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds what the script names, and no more."""
    # Beside pyproject.toml, whose versions hold for what the three need, too.
    return interpreter(tmp_path_factory.mktemp("bare"), WANTED, ROOT)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the oldest version of transformers that reads the folder."""
    home = tmp_path_factory.mktemp("older")
    return interpreter(home, ["transformers==4.54.1", *WANTED[::2]], home)


def interpreter(home: Path, wanted: list[str], place: Path) -> Path:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("there is no uv to make an environment with")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, home / "venv"], check=True)
    python = home / "venv/bin/python"
    install = [uv, "pip", "install", "--quiet", "--no-compile-bytecode", "--python", python]
    for source in (["--offline"], []):  # uv's cache, else the package registry
        result = subprocess.run(
            [*install, *source, *wanted], cwd=place, capture_output=True, text=True, check=False
        )
        if result.returncode == 0:
            return python
    pytest.fail(f"{', '.join(wanted)} cannot be installed: {result.stderr[-300:]}")


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    """The project's command keeps the models that it has loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcribe, "load_compiled", cache(transcribe.load_compiled))
        yield


def alone(python: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Run the environment's Python away from the project (-I: and from the tests' variables)."""
    command = [python, "-I", *map(str, arguments)]
    return subprocess.run(
        command, cwd=python.parent, capture_output=True, encoding="utf-8", check=False
    )


def by_project(capsys: pytest.CaptureFixture[str], folder: Path, audio: Path, *options: str) -> str:
    transcribe.main([str(folder), str(audio), *options])
    return capsys.readouterr().out


def options_of(language: str | None, task: str) -> list[str]:
    return ["--task", task, *(["--language", language] if language else [])]


@pytest.mark.parametrize(
    ("clip", "language", "task"),
    [
        ("ko_kr_0000", "ko", "transcribe"),
        ("cmn_hans_cn_0001", "zh", "transcribe"),
        ("ar_eg_0002", "ar", "translate"),
        ("ta_in_0002", None, "transcribe"),
    ],
)
def test_texts_are_the_projects(
    python: Path,
    folder: Path,
    clips: Path,
    capsys: pytest.CaptureFixture[str],
    clip: str,
    language: str | None,
    task: str,
) -> None:
    audio, options = clips / f"{clip}.wav", options_of(language, task)
    result = alone(python, folder / SCRIPT.name, audio, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == by_project(capsys, folder, audio, *options) != "\n"


def test_three_packages_are_enough(
    python: Path, folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio, options = clips / "de_de_0001.wav", options_of("de", "translate")
    result = alone(python, "-c", BLOCKED, folder / SCRIPT.name, audio, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == by_project(capsys, folder, audio, *options)


def test_an_older_transformers_reads_the_folder(
    older: Path, folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = clips / "it_it_0001.wav"
    result = alone(older, folder / SCRIPT.name, audio, "--language", "it")
    assert result.returncode == 0, result.stderr
    assert result.stdout == by_project(capsys, folder, audio, "--language", "it") != "\n"


def test_long_audio_is_heard_in_windows(
    python: Path,
    folder: Path,
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    windows = [np.zeros(480_000, np.int16), np.zeros(100_000, np.int16)]
    texts = []
    for number, window in enumerate(windows):
        speech, _ = soundfile.read(clips / f"es_419_000{number}.wav", dtype="int16")
        window[: len(speech)] = speech
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, window, 16_000)
        texts.append(by_project(capsys, folder, path, "--language", "es").strip())
    assert all(texts) and texts[0] != texts[1]
    soundfile.write(tmp_path / "long.wav", np.concatenate(windows), 16_000)
    result = alone(python, folder / SCRIPT.name, tmp_path / "long.wav")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == " ".join(texts) + "\n"


@pytest.mark.parametrize(
    ("rate", "options", "message"),
    [
        (8_000, [], "speech.wav is no WAV of 16 kHz, mono, 16-bit PCM; make one with `ffmpeg -i "),
        (None, [], "speech.wav cannot be read: No such file"),
        (16_000, ["--language", "kr"], "language `kr` is unknown to this model; it knows ar, de,"),
    ],
    ids=["8 kHz", "missing", "unknown language"],
)
def test_errors_are_a_sentence(
    python: Path, folder: Path, tmp_path: Path, rate: int | None, options: list[str], message: str
) -> None:
    audio = tmp_path / "speech.wav"
    if rate:
        soundfile.write(audio, np.zeros(rate, np.int16), rate)
    result = alone(python, folder / SCRIPT.name, audio, *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize("case", ["tokens", "length", "English-only"])
def test_the_rules_are_those_of_generate(
    folder: Path,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    """By the script in this process, with another generation configuration in the folder.

    In one pass over the window: the script has no second try.
    """
    once = {"force_unique_generate_call": True}
    monkeypatch.setattr("evaluation.transcription.long_audio.FALLBACK", once)
    audio = clips / "fr_fr_0000.wav"
    free = by_project(capsys, folder, audio)
    said = WhisperTokenizer.from_pretrained(folder).encode(free.strip(), add_special_tokens=False)
    copy = Path(shutil.copytree(folder, tmp_path / "cpu"))
    rules = read_json(copy / "generation_config.json")
    changes = {
        "tokens": {
            "suppress_tokens": said[2:3],
            "begin_suppress_tokens": said[:1],
            "eos_token_id": [rules["no_timestamps_token_id"], rules["eos_token_id"]],
        },
        "length": {"max_length": 1},
        "English-only": {"is_multilingual": False},
    }
    rules |= changes[case]
    if not rules["is_multilingual"]:
        del rules["lang_to_id"], rules["task_to_id"]
    write_json(copy / "generation_config.json", rules)
    expected = by_project(capsys, copy, audio)
    assert expected != free

    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")  # which the script sets
    monkeypatch.setattr(sys, "argv", ["transcribe.py", str(audio)])
    runpy.run_path(str(copy / SCRIPT.name), run_name="__main__")
    assert capsys.readouterr().out == expected
