"""Which files a module runs, computed."""

import ast
from pathlib import Path

import pytest

from common import source_files as module
from common.source_files import ROOT, code_hash, hashed_sources, sources
from tests.imports import PACKAGES


def forget() -> None:
    """What files held before."""
    module._used_by.cache_clear()
    module._sha256.cache_clear()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three modules and two templates."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    forget()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/one.py").write_text('import json\nfrom b import two\nPAGE = "page.j2"\n')
    (tmp_path / "a/page.j2").write_text('{% extends "base.j2" %}')
    (tmp_path / "a/base.j2").write_text("page")
    (tmp_path / "b/two.py").write_text("def f():\n    import b.three\n")
    (tmp_path / "b/three.py").write_text("from a.one import PAGE\nOUT = 'made.json'\n")
    (tmp_path / "b/made.json").write_text("{}")
    yield tmp_path
    forget()


def test_sources_are_imports_and_templates_and_theirs(project: Path) -> None:
    everything = ["a/base.j2", "a/one.py", "a/page.j2", "b/three.py", "b/two.py"]
    assert sources("a.one") == everything
    assert sources("b.two", "a.one") == everything
    (project / "b/three.py").write_text("")
    forget()
    assert sources("b.two") == ["b/three.py", "b/two.py"]


def test_a_module_that_is_not_there_is_an_error(project: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sources("a.misspelt")


def test_the_hash_changes_with_any_source_and_no_other_file(project: Path) -> None:
    before = code_hash("a.one")
    (project / "b/made.json").write_text("[]")
    assert code_hash("a.one") == before
    assert hashed_sources("b.three")[0].startswith("a/base.j2 ")
    (project / "a/base.j2").write_text("another page")
    forget()
    assert code_hash("a.one") != before


# Packages that look for another OpenVINO before their modules import one: no result depends on it.
LOOKING = ("runtime", "evaluation", "compilation/openvino")
LOOK = [
    "from common.foreign_packages import end_with_foreign_openvino",
    "end_with_foreign_openvino()",
]


def test_packages_are_docstrings_alone() -> None:
    """`sources` does not count them."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    assert len(files) >= len(PACKAGES)
    looking = {ROOT / package / "__init__.py" for package in LOOKING}
    assert looking <= set(files)
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        _, *more = map(ast.unparse, tree.body)
        assert ast.get_docstring(tree), path
        assert more == (LOOK if path in looking else []), path
        assert len(ast.get_docstring(tree).splitlines()) == 1, path
