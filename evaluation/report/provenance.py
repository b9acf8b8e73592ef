"""Where a model comes from, and how it was compiled."""

import json
from collections.abc import Iterator
from typing import Any

from evaluation.report.format import DASH, counted

LONG = 80  # characters of a setting that are shown


def provenance(quality: dict[str, Any], manifest: dict[str, Any] | None) -> dict[str, Any]:
    """Facts in sight, and settings and versions to be unfolded.

    Args:
        quality: quality.json.
        manifest: manifest.json of the hand-off folder that was measured, or nothing.
    """
    folder = [("hand-off folder", quality["folder"])]
    if manifest is None:
        gone = f"{quality['folder']}: it is not there, or not as it was when this was measured"
        return {"main": [("hand-off folder", gone)], "more": []}
    checkpoint, dataset, project = (manifest[key] for key in ("checkpoint", "dataset", "project"))
    main = [
        ("checkpoint", _with_commit(checkpoint)),
        ("licence", manifest["license"] or "not stated"),
        ("speech", _with_commit(dataset)),
        *((part, _part(own)) for part, own in sorted(manifest["parts"].items(), reverse=True)),
        ("project", _project(project)),
        *folder,
    ]
    return {"main": main, "more": list(_more(manifest))}


def _with_commit(source: dict[str, Any]) -> str:
    return f"{source['source']} at {source['commit'] or 'no commit: a local folder'}"


def _part(own: dict[str, Any]) -> str:
    compiler = own["compiler"].get("quantise") or own["compiler"]
    versions = ", ".join(f"{name} {version}" for name, version in compiler.items())
    return f"{counted(own['samples'], 'calibration sample')}; {versions}"


def _project(project: dict[str, Any]) -> str:
    changed = ", with changes" if project["clean"] is False else ""
    return f"commit {project['commit']}{changed}" if project["commit"] else "commit not known"


def _more(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for part, own in sorted(manifest["parts"].items(), reverse=True):
        for key, value in flat(own["settings"]):
            yield f"{part}: {key}", value
    for part, own in sorted(manifest["calibration"].items(), reverse=True):
        for key, value in flat(own["settings"]):
            yield f"{part} calibration: {key}", value
    for name, version in sorted(manifest["packages"].items()):
        yield name, str(version)


def flat(settings: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Settings as pairs of texts; those within others by their path."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{before}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{before}{key}", text


def differing(results: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """For each target with several results: the parts' settings that are not the same in all.

    Args:
        results: quality.json, and by name what else there is.
    """
    found = []
    for target in dict.fromkeys(quality["target"] for quality, _ in results):
        settings = {
            index: _settings(files)
            for index, (quality, files) in enumerate(results, 1)
            if quality["target"] == target and "manifest" in files
        }
        names = dict.fromkeys(name for own in settings.values() for name in own)
        rows = [(name, [own.get(name, DASH) for own in settings.values()]) for name in names]
        rows = [row for row in rows if len(set(row[1])) > 1]
        if rows:
            found.append({"target": target, "columns": list(settings), "rows": rows})
    return found


def _settings(files: dict[str, Any]) -> dict[str, str]:
    """How the parts were compiled, flat; a long value is cut."""
    parts = files["manifest"]["parts"]
    pairs = ((part, own) for part in parts for own in flat(parts[part]["settings"]))
    return {
        f"{part}: {key}": value if len(value) <= LONG else f"{value[:LONG]}…"
        for part, (key, value) in pairs
    }
