"""Terminals that cannot show every letter: nothing ends in a traceback for it."""

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from common import cli
from common.progress import TERMINAL, Progress
from tests.imports import ROOT


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "cp1252", "euc_kr"])
def test_letters_that_a_terminal_lacks(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    terminal = io.TextIOWrapper(written, encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", terminal)
    cli.run(lambda: print("heard: 한국어 é ௵"))
    terminal.flush()
    text = written.getvalue().decode(encoding)
    assert text.startswith("heard: ") and "\\u0bf5" in text


@pytest.mark.parametrize(("host", "there"), [(socket.gethostname(), True), ("elsewhere", False)])
def test_progress_is_shown_by_the_run_where_it_is_on_the_same_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, there: bool
) -> None:
    monkeypatch.setenv(cli.RUN, f"{host}:1")
    monkeypatch.setenv(TERMINAL, str(tmp_path / "terminal"))
    Progress(total=1).display("half of it")
    assert (tmp_path / "terminal").is_file() is there


def ended(code: str, *, output: str) -> tuple[int, str]:
    """Exit status and errors of a command whose output goes to a closed pipe, or a full disk."""
    if output == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open(output, os.O_WRONLY)
    command = [sys.executable, "-c", f"from common.cli import UserError, run\n{code}"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT
    )
    os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("text", ["'a'", "'a' * 100_000", "'a', flush=True"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads_ends_a_command_quietly(
    monkeypatch: pytest.MonkeyPatch, text: str, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    assert ended(f"run(lambda: print({text}))", output="pipe") == (cli.CLOSED, "")
    status, said = ended(f"run(lambda: print({text}))", output="/dev/full")
    assert status == 1 and said.startswith("error: no space left on the device while writing a")
    assert said.count("\n") == 1


def test_another_pipe_that_broke_is_a_bug() -> None:
    def write() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        cli.run(write)
