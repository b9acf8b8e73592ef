"""Files of results, read as what they were given as."""

from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json
from common.model_names import split

# Of each, keys that files of other kinds lack.
KEYS = {
    "quality": ("tasks", "sizes", "gate"),
    "transcripts": ("clips", "rows"),
    "conditions": ("missing", "rows"),
    "speed": ("machine", "backends"),
    "layers": ("clips", "parts"),
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


def of_another_model(found: dict[str, Any], quality: dict[str, Any]) -> bool:
    """Whether a file says that it is of another model or target than a quality.json is.

    One that has no target is of a checkpoint, and so of all its variants.
    """
    if "target" not in found:
        return split(found.get("model", quality["model"]))[0] != split(quality["model"])[0]
    return (found["model"], found["target"]) != (quality["model"], quality["target"])


def of_another_build(found: dict[str, Any], quality: dict[str, Any]) -> bool:
    """Whether a file says that it is of a folder with another manifest than a quality.json's.

    An old speed.json does not say of which.
    """
    return found.get("manifest_sha256") not in (None, quality["manifest_sha256"])


def of_another_folder(found: dict[str, Any], quality: dict[str, Any]) -> bool:
    """Whether a file is of another model, target or build than a quality.json is, as it says."""
    return of_another_model(found, quality) or of_another_build(found, quality)


def check_same(
    found: dict[str, Any], quality: dict[str, Any], place: Path | str, kind: str = "speed"
) -> None:
    """Refuse a file of another model, target or build than a quality.json is of.

    Args:
        found: What the file holds.
        quality: quality.json.
        place: Where the file was found, as it is told.
        kind: What it is, of KEYS.

    Raises:
        UserError: They are of different ones.
    """
    if of_another_model(found, quality):
        target = f" for {found['target']}" if "target" in found else ""
        raise UserError(
            f"{place} is of {found['model']}{target}, and --quality of"
            f" {quality['model']} for {quality['target']}; give the {kind}.json of the same folder"
        )
    if of_another_build(found, quality):
        raise UserError(
            f"{place} is of an earlier or a later build of {quality['folder']} than --quality;"
            " take both of the folder that is there, and measure again what is of another"
        )
