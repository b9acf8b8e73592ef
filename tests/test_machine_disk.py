"""A disk that is full at any moment: one sentence, whatever the library that was writing."""

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from common import cli
from common.files import read_json, replacing, save_npy, write_text
from data.audio import write_wav


def fill(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


@pytest.mark.parametrize(
    "said",
    [
        RuntimeError("basic_ios::clear: iostream error"),  # OpenVINO
        RuntimeError("System error."),  # soundfile
        OSError("400000 requested and 76768 written"),  # NumPy
        ValueError("I/O error: No space left on device (os error 28)"),  # safetensors
    ],
)
def test_every_writer_ends_in_the_same_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Exception
) -> None:
    def write() -> None:
        with replacing(tmp_path / "part.bin") as temporary:
            temporary.write_bytes(b"half")
            raise said

    fill(monkeypatch, 1000)
    with pytest.raises(SystemExit, match=r"^error: no space left .* writing .*/part\.bin; free"):
        cli.run(write)
    assert not list(tmp_path.iterdir())
    fill(monkeypatch, 10**9)
    with pytest.raises(type(said)) as error:
        write()
    assert error.value is said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("file/page.html", r"file \(Not a directory\)"),
        ("file/inner/page.html", r"file/inner \(Not a directory\)"),
        ("folder", r"folder \(Is a directory\)"),
        ("x" * 250 + ".html", r"x+\.html \(File name too long\)"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(tmp_path: Path, path: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder/inner").mkdir(parents=True)
    with pytest.raises(SystemExit, match=rf"^error: cannot read or write {tmp_path}/{said}; corre"):
        cli.run(lambda: write_text(tmp_path / path, "text"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_what_cannot_be_read_is_a_sentence_and_a_bug_is_none(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=rf"^error: cannot read or write {tmp_path} \(Is a dir"):
        cli.run(lambda: read_json(tmp_path))

    def fail() -> None:
        raise OSError("400000 requested and 76768 written")

    with pytest.raises(OSError, match="76768 written"):
        cli.run(fail)


def test_what_says_why_by_itself_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(monkeypatch, 0)
    denied = PermissionError(errno.EACCES, "Permission denied")
    for error in (denied, cli.UserError("another thing"), KeyboardInterrupt()):
        with pytest.raises(type(error)), replacing(tmp_path / "a"):
            raise error


def test_the_sounds_and_arrays_of_a_disk_that_is_not_full(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(16_000, np.int16))
    save_npy(tmp_path / "a.npy", np.zeros(3, np.float32))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.wav"]
