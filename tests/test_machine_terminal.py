"""Terminals that cannot show every letter: nothing ends in a traceback for it."""

import io
import socket
import sys
from pathlib import Path

import pytest

from common import cli
from common.progress import TERMINAL, Progress


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
