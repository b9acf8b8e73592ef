"""Which targets are built, and the sentence that says why."""

import stat
from pathlib import Path

import pytest

from common.cli import UserError
from compilation.targets import compiler_version, resolve


def interpreter(path: Path, answer: str, status: int = 0) -> str:
    """A stand-in for an interpreter that answers every question alike."""
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_list_is_taken_as_it_is() -> None:
    targets, reason = resolve(["cpu"], "1.2.0", "python", "image")
    assert targets == ["cpu"] and "listed in compilation.targets" in reason


def test_a_listed_npu_needs_the_compiler() -> None:
    with pytest.raises(UserError, match=r"names an NPU, and `py` has no qbcompiler, or cannot be"):
        resolve(["aries-rb", "cpu"], None, "py", "")
    assert resolve(["aries-rb"], None, "py", "image")[0] == ["aries-rb"]


def test_auto_builds_what_the_compiler_can() -> None:
    targets, reason = resolve("auto", None, "python", "")
    assert targets == ["cpu"] and "`python` has no qbcompiler" in reason
    targets, reason = resolve("auto", "1.1.2+aries2", "py", "")
    assert targets == ["aries-rb", "cpu"] and "`py` has qbcompiler 1.1.2+aries2" in reason
    every = ["aries-rb", "regulus-rb", "cpu"]
    assert resolve("auto", "1.2.0", "py", "")[0] == every
    targets, reason = resolve("auto", None, "python", "vendor/image:1.3")
    assert targets == every and "the image vendor/image:1.3 is configured" in reason


def test_another_interpreter_is_asked_for_the_compiler(tmp_path: Path) -> None:
    has = interpreter(tmp_path / "has", "1.2.0")
    assert compiler_version(has) == "1.2.0"
    assert compiler_version(interpreter(tmp_path / "lacks", "", status=1)) is None
    assert compiler_version(str(tmp_path / "missing")) is None
    odd = interpreter(tmp_path / "odd", "")
    Path(odd).write_text("#!/bin/sh\nprintf '1.2.0 \\377'\n", encoding="utf-8")
    assert compiler_version(odd) == "1.2.0 \ufffd"
