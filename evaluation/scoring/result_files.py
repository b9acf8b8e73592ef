"""Files of results, read as what they were given as."""

from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json

# Of each, keys that files of other kinds lack.
KEYS = {
    "quality": ("tasks", "sizes", "gate"),
    "transcripts": ("model", "rows"),
    "speed": ("machine", "backends"),
    "layers": ("parts",),
    "coverage": ("inputs",),
    "keep_float": ("tries",),
    "manifest": ("checkpoint", "calibration", "parts"),
}


def read_result(path: Path, kind: str = "quality") -> dict[str, Any]:
    """What a file of results holds.

    Args:
        path: The file.
        kind: What it must be, of KEYS.

    Raises:
        UserError: There is no such file, or it is another.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not set(KEYS[kind]) <= found.keys():
        raise UserError(f"{path} is no {kind}.json; give the {kind}.json of a hand-off folder")
    return found
