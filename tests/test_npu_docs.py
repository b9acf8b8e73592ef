"""The commands of docs/npu.md's first day exist, and take what they are given."""

import importlib
import re
import shlex

import pytest

from tests.imports import ROOT

DOCS = (ROOT / "docs/npu.md").read_text(encoding="utf-8")
FIRST_DAY = DOCS.split("## The first day")[1].split("\n## ")[0]


def test_there_are_ten_commands_and_each_has_its_line() -> None:
    numbers = re.findall(r"^ ?(\d+)  uv run ", FIRST_DAY, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)]
    rows = re.findall(r"^\| ([\d, ]+)(?:, on the board)? \|", FIRST_DAY, re.MULTILINE)
    assert ", ".join(rows).split(", ") == numbers


def test_the_modules_take_these_options(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"python -m (\S+)((?: [^`\n]+)?)", FIRST_DAY)
    assert len(commands) >= 6
    for module, given in commands:
        with pytest.raises(SystemExit):
            importlib.import_module(module).main(["--help"])
        known = capsys.readouterr().out
        for option in [word for word in shlex.split(given) if word.startswith("--")]:
            assert option in known, (module, option)
