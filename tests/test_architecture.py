"""Who may import whom: stages only earlier ones, packages of a stage nothing from their siblings."""

import ast
from pathlib import Path

import pytest

from common.source_files import ROOT
from tests.imports import PACKAGES

# What the other packages of evaluation/ are built on, the lowest first.
FOUNDATIONS = ("scoring", "transcription")
QUESTIONS = ("quality", "conditions", "layers", "speed", "report")


def imported_by(path: Path) -> set[str]:
    """Dotted names of what a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports_of(folder: str) -> set[tuple[str, str]]:
    """Module and what it imports, for all modules below a folder."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    return {
        (path.relative_to(ROOT).as_posix(), name) for path in paths for name in imported_by(path)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_a_stage_imports_nothing_from_a_later_one(package: str) -> None:
    later = PACKAGES[PACKAGES.index(package) + 1 :]
    wrong = [one for one in imports_of(package) if one[1].split(".")[0] in (*later, "tests")]
    assert not wrong


@pytest.mark.parametrize("package", ["openvino", "qb"])
def test_compilers_know_nothing_of_each_other(package: str) -> None:
    mine, names = (
        f"compilation.{package}.",
        [name for _, name in imports_of(f"compilation/{package}")],
    )
    own = [name for name in names if name.startswith("compilation.")]
    assert own
    assert not [name for name in own if not name.startswith((mine, "compilation.hand_off."))]


@pytest.mark.parametrize("package", FOUNDATIONS + QUESTIONS)
def test_packages_of_evaluation_are_built_on_its_foundations_alone(package: str) -> None:
    below = FOUNDATIONS[: FOUNDATIONS.index(package)] if package in FOUNDATIONS else FOUNDATIONS
    allowed = tuple(f"evaluation.{name}." for name in (*below, package))
    own = [one for one in imports_of(f"evaluation/{package}") if one[1].startswith("evaluation.")]
    assert own
    assert not [one for one in own if not one[1].startswith(allowed)]


def test_the_snakefile_imports_nothing_that_takes_seconds() -> None:
    """It is read at every start, and again by every job of a cluster."""
    from common.source_files import sources

    heavy = {"torch", "transformers", "librosa", "openvino", "nncf", "datasets", "huggingface_hub"}
    files = sources("pipeline.build", "pipeline.flags", "pipeline.running")
    for file in files:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [node.module]
                    if isinstance(node, ast.ImportFrom)
                    else [a.name for a in node.names]
                )
                assert not heavy & {name.split(".")[0] for name in names}, file


def test_nothing_else_loads_the_page_or_what_it_is_made_with() -> None:
    """It is made with an optional group of packages."""
    own = {"av", "gradio", "fastapi", "uvicorn", "playwright"}
    for package in PACKAGES:
        for path, name in imports_of(package):
            if not path.startswith("evaluation/page/"):
                assert not name.startswith("evaluation.page"), path
                assert name.split(".")[0] not in own, path
