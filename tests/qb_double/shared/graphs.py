"""What stands for the vendor's graph file: the inputs of a part of a Whisper."""

import json
from pathlib import Path
from typing import Any

MAGIC = "QB-DOUBLE-MBLT\n"


def write_graph(path: str, graph: dict[str, Any]) -> None:
    """Write a graph file."""
    Path(path).write_text(MAGIC + json.dumps(graph, indent=2) + "\n", encoding="utf-8")


def read_graph(path: str) -> dict[str, Any]:
    """Read a graph file; refuse another."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if not text.startswith(MAGIC):
        raise RuntimeError(f"[EXCEPTION] {path} is not an MBLT file: bad magic")
    return json.loads(text.removeprefix(MAGIC))
