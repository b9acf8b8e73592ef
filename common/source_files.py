"""Which of the project's own files a module runs: what is compared to know what to re-run."""

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from common.files import sha256_of

ROOT = Path(__file__).parent.parent
RESOURCES = (".css", ".j2", ".py", ".yaml")  # kinds of files that code or templates name and use
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # of a statement, with others in them
SHORT = 12  # digits of a hash that tell two versions of a file apart


def sources(*modules: str) -> list[str]:
    """The source files of modules, of what they import, and of what that imports.

    Imports count wherever they stand, also within functions. A file that stands beside a source
    file and is named there in quotes, such as a template, is one of its sources too.

    Args:
        *modules: Dotted names, such as `calibration.decoder`.

    Returns:
        Paths relative to the repository, sorted.

    Raises:
        FileNotFoundError: There is no such module.
    """
    seen: set[str] = set()
    waiting = {f"{module.replace('.', '/')}.py" for module in modules}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _used_by(file) - seen
    return sorted(seen)


def hashed_sources(*modules: str) -> list[str]:
    """Each source of modules with the begin of its SHA-256: code as params of a rule.

    Snakemake then says which file another result would come of, and knows it by its content: the
    times of sources, which archives and clocks set at will, take no part.
    """
    return [f"{file} {_sha256(file)[:SHORT]}" for file in sources(*modules)]


def code_hash(*modules: str) -> str:
    """SHA-256 over all sources of modules: a fact in the keys of what they compute."""
    listing = "".join(f"{file} {_sha256(file)}\n" for file in sources(*modules))
    return hashlib.sha256(listing.encode()).hexdigest()


@cache
def _sha256(file: str) -> str:
    return sha256_of(ROOT / file)


@cache
def _used_by(file: str) -> frozenset[str]:
    """Source files that one imports or names."""
    text = (ROOT / file).read_text(encoding="utf-8")
    folder = Path(file).parent
    named = {(folder / name).as_posix() for name in re.findall(r'"([\w.]+\.\w+)"', text)}
    found = {name for name in named if name.endswith(RESOURCES) and (ROOT / name).is_file()}
    return frozenset(found | (_imported_by(text) if file.endswith(".py") else set()))


def _imported_by(text: str) -> set[str]:
    """Modules of the project that one imports; what `__init__.py` holds is a docstring alone."""
    names: set[str] = set()
    for node in _statements(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = {f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if (ROOT / file).is_file()}


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements of a module; without their expressions, which are most of it."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in BLOCKS:
            waiting += getattr(node, block, [])
