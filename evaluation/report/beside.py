"""What else was measured of a hand-off folder than its quality.json: the files beside it."""

from pathlib import Path
from typing import Any

from common.files import sha256_of
from evaluation.scoring.result_files import check_same, read_result

Files = dict[str, Any]  # what the files hold that there are, by their names without .json


def beside(path: Path, given: dict[str, Path] | None = None) -> Files:
    """What lies beside a quality.json; the manifest, in its hand-off folder if that is still it.

    Under `path` that of the quality.json, as it is told.

    Args:
        path: quality.json.
        given: Files to be taken instead, by name.

    Raises:
        UserError: A file is another than it is called, or of another model, target or build.
    """
    quality = read_result(path)
    places = {name: path.with_name(f"{name}.json") for name in ("layers", "speed", "transcripts")}
    places["coverage"] = path.parent.parent / "coverage.json"
    manifest = Path(quality["folder"]) / "manifest.json"
    if manifest.is_file() and sha256_of(manifest) == quality["manifest_sha256"]:
        places["manifest"] = manifest
    places = {name: place for name, place in places.items() if place.is_file()} | (given or {})
    files = {name: read_result(place, name) for name, place in places.items()}
    for name, found in files.items():
        own = {"manifest_sha256": sha256_of(places[name])} if name == "manifest" else {}
        check_same(found | own, quality, places[name], name)
    return files | {"path": str(path)}
