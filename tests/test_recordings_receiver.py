"""What is handed over reads recordings as they come, where it is received, with what is there."""

import io
import runpy
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from transformers import WhisperProcessor

from common.files import read_json, write_json
from compilation.hand_off.portable import make_portable
from compilation.hand_off.provenance import left_out_counts
from tests.imports import ROOT

SCRIPT = ROOT / "compilation/hand_off/transcribe.py"
SPEECH = np.random.default_rng(0).integers(-9999, 9999, 40_000).astype(np.int16)


@pytest.fixture(scope="module")
def read() -> Callable[[Path], np.ndarray]:
    """The script's function; run as a module it does nothing else."""
    return runpy.run_path(str(SCRIPT))["read"]


def wav(data: int | None = None, kind: str = "WAV", rate: int = 16_000) -> bytes:
    """A WAV file; `data` is the size that its header says."""
    buffer = io.BytesIO()
    soundfile.write(buffer, SPEECH, rate, format=kind, subtype="PCM_16")
    file = bytearray(buffer.getvalue())
    if data is not None:
        place = file.index(b"data") + 4
        file[place : place + 4] = struct.pack("<I", data)
    return bytes(file)


WHOLE = {
    "a file": lambda: wav(),
    "extensible": lambda: wav(kind="WAVEX"),
    "of a pipe, all bits": lambda: wav(0xFFFFFFFF),
    "of a pipe, 2 GB": lambda: wav(0x7FFFF000),
    "with chunks around": lambda: (
        b"RIFF\0\0\0\0WAVEodd \1\0\0\0x\0" + wav()[12:] + b"LIST\2\0\0\0xx"
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_the_script_reads_what_a_wav_file_holds(tmp_path: Path, read: Callable, case: str) -> None:
    (tmp_path / "a.wav").write_bytes(WHOLE[case]())
    samples = read(tmp_path / "a.wav")
    assert samples.dtype == np.float32
    assert np.array_equal(samples * 32768, SPEECH)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wav()[:-100], "was cut off: 79900 of 80000 bytes of sound are there"),
        (wav(0), "holds no sound, or its header says so"),
        (wav()[:30], "cannot be read as audio: "),
        (b"", "cannot be read as audio: "),
    ],
)
def test_the_script_says_why_not(
    tmp_path: Path, read: Callable, content: bytes, message: str
) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SystemExit, match=message):
        read(tmp_path / "a.wav")


def test_the_script_says_that_another_openvino_is_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openvino_genai").mkdir()
    (tmp_path / "openvino_genai/__init__.py").write_text("")
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino_genai"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SystemExit, match=rf"error: .*{tmp_path}.*`unset PYTHONPATH`"):
        runpy.run_path(str(SCRIPT))


def test_processor_files_are_those_that_older_transformers_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ROOT / "demo/model", tmp_path / "folder"))
    before = WhisperProcessor.from_pretrained(folder)
    make_portable(folder)
    assert not (folder / "processor_config.json").exists()
    assert read_json(folder / "preprocessor_config.json")["processor_class"] == "WhisperProcessor"
    tokenizer = read_json(folder / "tokenizer_config.json")
    assert "<|ko|>" in tokenizer["additional_special_tokens"]
    assert not isinstance(tokenizer.get("extra_special_tokens"), list)
    after = WhisperProcessor.from_pretrained(folder)
    assert after.feature_extractor.to_dict() == before.feature_extractor.to_dict()
    assert after.tokenizer.all_special_ids == before.tokenizer.all_special_ids
    text = "<|startoftranscript|><|ko|>Zero <|0.00|> one."
    assert after.tokenizer(text).input_ids == before.tokenizer(text).input_ids
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    make_portable(folder)
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_left_out_is_counted_in_the_manifest(tmp_path: Path) -> None:
    left_out = {"ko_kr": {"silent": ["a.wav", "b.wav"], "without text": ["c.wav"]}, "de_de": {}}
    for language, names in left_out.items():
        write_json(tmp_path / f"{language}.left_out.json", names)
    counts = left_out_counts(sorted(tmp_path.iterdir()))
    assert counts == {"ko_kr": {"silent": 2, "without text": 1}}
