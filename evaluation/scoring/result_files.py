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


def of_another_build(speed: dict[str, Any], quality: dict[str, Any]) -> bool:
    """Whether a speed was measured of a folder with another manifest than a quality.json's.

    An old speed.json does not say of which.
    """
    return speed.get("manifest_sha256") not in (None, quality["manifest_sha256"])


def check_speed(speed: dict[str, Any], quality: dict[str, Any], place: Path | str) -> None:
    """Refuse the speed of another model, target or build than a quality.json is of.

    Args:
        speed: speed.json.
        quality: quality.json.
        place: Where speed.json was found, as it is told.

    Raises:
        UserError: They are of different ones.
    """
    if (speed["model"], speed["target"]) != (quality["model"], quality["target"]):
        raise UserError(
            f"{place} is of {speed['model']} for {speed['target']}, and --quality of"
            f" {quality['model']} for {quality['target']}; give the speed.json of the same folder"
        )
    if of_another_build(speed, quality):
        raise UserError(
            f"{place} was measured of an earlier or a later build of {quality['folder']} than"
            " --quality; measure both of the folder that is there"
        )
