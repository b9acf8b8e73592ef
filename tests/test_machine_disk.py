"""A disk that is full at any moment: one sentence, whatever the library that was writing."""

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from common import cli
from common.files import replacing, save_npy
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
