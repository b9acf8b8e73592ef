"""Terminals that cannot show every letter: nothing ends in a traceback for it."""

import io
import sys

import pytest

from common import cli


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "cp1252", "euc_kr"])
def test_letters_that_a_terminal_lacks(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    terminal = io.TextIOWrapper(written, encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", terminal)
    cli.run(lambda: print("heard: 한국어 é ௵"))
    terminal.flush()
    text = written.getvalue().decode(encoding)
    assert text.startswith("heard: ") and "\\u0bf5" in text
