"""A CPU hand-off folder transcribes by itself, by OpenVINO GenAI, which loads it as it is.

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
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from transformers import WhisperTokenizer

from common.cli import UserError
from common.files import read_json, write_json
from compilation.hand_off import sums
from evaluation import transcribe
from tests.imports import ROOT

SCRIPT = ROOT / "compilation/hand_off/transcribe.py"
FILES = ("config.json", "openvino_encoder_model.xml", "openvino_encoder_model.bin")
WANTED = [f"{name}=={version(name)}" for name in ("openvino-genai", "soundfile", "soxr")]
BARE = """
import importlib.util, runpy, sys
found = [name for name in ("torch", "transformers", "librosa") if importlib.util.find_spec(name)]
assert not found, found
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
    # Beside pyproject.toml, whose versions hold for what they need, too.
    return interpreter(tmp_path_factory.mktemp("bare"), WANTED, ROOT)


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


def in_this_process(
    folder: Path, patch: pytest.MonkeyPatch, *arguments: object
) -> dict[str, Any] | str | None:
    """Run the script; its names, or what it exits with."""
    patch.setattr(sys, "argv", ["transcribe.py", *map(str, arguments)])
    try:
        return runpy.run_path(str(folder / SCRIPT.name), run_name="__main__")
    except SystemExit as end:
        return end.code


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
    result = alone(python, "-c", BARE, folder / SCRIPT.name, audio, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == by_project(capsys, folder, audio, *options)


def test_long_audio_is_walked_through(
    python: Path, folder: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
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
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate(windows), 16_000)
    lines = alone(python, folder / SCRIPT.name, path, "--timestamps").stdout.splitlines()
    times, said = zip(
        *((line.split()[:2], line.split(maxsplit=2)[2]) for line in lines), strict=True
    )
    assert list(said) == texts
    assert times[0][0] == "0:00:00.00" and times[1][0] == "0:00:30.00"


def test_words_have_times(
    python: Path, folder: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audio = clips / "it_it_0001.wav"
    result = alone(python, folder / SCRIPT.name, audio, "--words")
    assert "--words needs `alignment_heads` in generation_config.json" in result.stderr
    with pytest.raises(UserError, match=f"python {folder / SCRIPT.name} {audio} --words"):
        transcribe.main([str(folder), str(audio), "--words"])
    copy = Path(shutil.copytree(folder, tmp_path / "cpu"))
    rules = read_json(copy / "generation_config.json")
    write_json(copy / "generation_config.json", rules | {"alignment_heads": [[1, 0], [1, 2]]})
    sums.write(copy)
    result = alone(python, copy / SCRIPT.name, audio, "--words", "--language", "it")
    assert (result.returncode, result.stderr) == (0, "")
    words = [line.split() for line in result.stdout.splitlines()]
    assert " ".join(word for *_, word in words) == by_project(capsys, folder, audio).strip()
    times = [float(time.split(":")[-1]) for *pair, _ in words for time in pair]
    assert times == sorted(times) and times[-1] <= soundfile.info(audio).duration + 0.02


@pytest.mark.parametrize(("rate", "channels", "kind"), [(48_000, 2, "flac"), (44_100, 1, "mp3")])
def test_any_audio_file_is_taken(
    python: Path,
    folder: Path,
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rate: int,
    channels: int,
    kind: str,
) -> None:
    audio, _ = soundfile.read(clips / "es_419_0001.wav")
    resampled = soxr.resample(audio, 16_000, rate)
    path = tmp_path / f"speech.{kind}"
    soundfile.write(path, np.stack([resampled] * channels, axis=1), rate)
    result = alone(python, folder / SCRIPT.name, path, "--language", "es")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == by_project(capsys, folder, clips / "es_419_0001.wav") != "\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text", [], "speech.wav cannot be read as audio: "),
        (None, [], "there is no file "),
        (np.zeros(16_000, np.int16), ["--language", "kr"], "not know language `kr`; it knows ar,"),
    ],
    ids=["no audio", "missing", "unknown language"],
)
def test_errors_are_a_sentence(
    python: Path,
    folder: Path,
    tmp_path: Path,
    content: str | np.ndarray | None,
    options: list[str],
    message: str,
) -> None:
    audio = tmp_path / "speech.wav"
    if isinstance(content, str):
        audio.write_text(content)
    elif content is not None:
        soundfile.write(audio, content, 16_000)
    result = alone(python, folder / SCRIPT.name, audio, *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder that has the script, and no model that could be loaded."""
    folder = tmp_path / "cpu"
    folder.mkdir()
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
    for name in FILES:
        (folder / name).write_text("{}", encoding="utf-8")
    sums.write(folder)
    return folder


@pytest.mark.parametrize(
    ("samples", "name", "message"),
    [
        ([0, float("nan")] * 8_000, "a.wav", "holds values that are no finite numbers"),
        ([float("inf")] * 16_000, "a.wav", "holds values that are no finite numbers"),
        ([0.0] * 200, "a.wav", "is shorter than 201 samples at 16 kHz"),
        ([0.0] * 16_000, "a.raw", "cannot be read as audio: "),
        ([0.0] * 201, "a.wav", "cpu cannot be loaded on the device FOO: "),
    ],
    ids=["NaN", "infinite", "short", "raw", "device"],
)
def test_what_cannot_be_heard_is_a_sentence(
    empty: Path, monkeypatch: pytest.MonkeyPatch, samples: list[float], name: str, message: str
) -> None:
    audio, kind = empty.parent / name, {"subtype": "FLOAT", "format": name[2:].upper()}
    soundfile.write(audio, np.array(samples, np.float32), 16_000, **kind)
    said = in_this_process(empty, monkeypatch, audio, "--device", "FOO")
    assert isinstance(said, str) and said.startswith("error: ") and "\n" not in said
    assert message in said


@pytest.mark.parametrize("name", [*FILES, sums.NAME])
def test_a_damaged_folder_is_not_heard(
    empty: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    audio = empty / "speech.wav"  # a file beside them is none of its
    soundfile.write(audio, np.zeros(16_000, np.int16), 16_000)
    said = str(in_this_process(empty, monkeypatch, audio))
    assert "cannot be loaded on the device CPU" in said
    for damage in ("was changed", "is missing"):
        if damage == "is missing":
            (empty / name).unlink()
        else:
            (empty / name).write_text("{", encoding="utf-8")
        said = str(in_this_process(empty, monkeypatch, audio))
        assert damage in said and "get the folder again, whole" in said
        assert name in said or name == sums.NAME  # which does not list the first of them
        with pytest.raises(UserError, match=f"{name} {damage}"):
            transcribe.main([str(empty), str(audio)])


@pytest.mark.parametrize(
    "kind",
    ["WAV", "WAVEX", "RIFX", "FLAC", "OGG", "OPUS", "MP3", "AIFF", "W64", "RF64", "AU", "CAF"],
)
def test_half_a_recording_is_not_heard(
    empty: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sound, audio = np.random.default_rng(0).normal(0, 0.1, 32_000), empty.parent / "speech"
    how = {
        "RIFX": {"format": "WAV", "endian": "BIG"},
        "OPUS": {"format": "OGG", "subtype": "OPUS"},
    }.get(kind, {"format": kind})
    soundfile.write(audio, sound, 16_000, **how)
    whole = audio.read_bytes()
    said = str(in_this_process(empty, monkeypatch, audio))
    is_taken = kind in ("WAV", "WAVEX", "RIFX", "FLAC", "OGG", "OPUS", "MP3")
    assert (
        "cannot be loaded on the device" if is_taken else f"is {kind}; give a whole WAV"
    ) in said
    for part in (0.3, 0.7, 0.99):
        audio.write_bytes(whole[: int(part * len(whole))])
        said = str(in_this_process(empty, monkeypatch, audio))
        assert "was cut off" in said or "cannot be read as audio" in said or not is_taken
        assert said.startswith(f"error: {audio} ")
    audio.write_bytes(2 * whole)
    said = str(in_this_process(empty, monkeypatch, audio))
    assert ("several Ogg streams" in said) == (kind in ("OGG", "OPUS"))


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [("pipe", 141, ""), ("/dev/full", 1, "error: cannot write the text: No space left on device")],
)
def test_output_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, output: str, status: int, message: str
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # in which argparse ignores errors
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing if output == "pipe" else output, "wb") as file:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, SCRIPT, "--help"], stdout=file, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr.decode().strip()) == (status, message)


def test_a_name_that_is_too_long_is_a_sentence(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = str(in_this_process(empty, monkeypatch, "a" * 300))
    assert said.startswith("error: aaa") and "File name too long" in said


@pytest.mark.parametrize("place", ["links", "store"])
def test_the_folder_is_found_through_links(
    empty: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A link to the script alone; or every file is one, as in a cache of the Hub."""
    linked, audio = empty.parent / place, empty.parent / "speech.wav"
    soundfile.write(audio, np.zeros(16_000, np.int16), 16_000)
    linked.mkdir()
    if place == "links":
        (linked / SCRIPT.name).symlink_to(empty / SCRIPT.name)
    else:
        for number, path in enumerate(sorted(empty.iterdir())):
            path.rename(linked / f"{number}")
            path.symlink_to(linked / f"{number}")
    said = str(in_this_process(linked if place == "links" else empty, monkeypatch, audio))
    assert f"{empty} cannot be loaded on the device" in said


def test_what_is_loaded_must_be_listed(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = empty / "speech.wav"
    soundfile.write(audio, np.zeros(16_000, np.int16), 16_000)
    lines = (empty / sums.NAME).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = "".join(line for line in lines if FILES[0] not in line)
    (empty / sums.NAME).write_text(kept, encoding="utf-8")
    said = str(in_this_process(empty, monkeypatch, audio))
    assert f"{FILES[0]} is missing, was changed or is not listed; get the folder again" in said


def test_a_command_to_be_typed_is_quoted(empty: Path) -> None:
    audio = empty / "my speech.wav"
    soundfile.write(audio, np.zeros(16_000, np.int16), 16_000)
    with pytest.raises(UserError, match=f"python {empty / SCRIPT.name} '{audio}' --words"):
        transcribe.main([str(empty), str(audio), "--words"])


def test_times_are_rounded_as_a_whole() -> None:
    time_of = runpy.run_path(str(SCRIPT))["time_of"]
    assert time_of(59.996) == "0:01:00.00" and time_of(3599.999) == "1:00:00.00"
    assert time_of(3723.454) == "1:02:03.45" and time_of(0) == "0:00:00.00"
    assert time_of(-1.0) == "-"  # no end was heard


@pytest.mark.parametrize("case", ["tokens", "English-only"])
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
        "English-only": {"is_multilingual": False},
    }
    rules |= changes[case]
    if not rules["is_multilingual"]:
        del rules["lang_to_id"], rules["task_to_id"]
    write_json(copy / "generation_config.json", rules)
    sums.write(copy)
    expected = by_project(capsys, copy, audio)
    assert expected != free

    in_this_process(copy, monkeypatch, audio)
    assert capsys.readouterr().out == expected
