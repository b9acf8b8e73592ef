"""Which of the project's own source files a module runs: its imports, and theirs."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def direct_imports(path: str) -> set[str]:
    """Source files that a source file imports, anywhere in it; paths relative to the root."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = {f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if (ROOT / file).is_file()}


def all_imports(path: str) -> set[str]:
    """The file itself and all that it imports, directly or not."""
    seen: set[str] = set()
    waiting = {path}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= direct_imports(file) - seen
    return seen
