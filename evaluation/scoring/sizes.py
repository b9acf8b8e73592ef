"""Sizes of parts, by their records."""

from typing import Any

KINDS = ("float", "compiled")


def sizes_of(parts: dict[str, Any]) -> dict[str, dict[str, int | None]]:
    """Bytes of each part's weights, float ones in float32 and compiled, and of both parts."""
    sizes: dict[str, dict[str, Any]] = {}
    for part, record in parts.items():
        own = [file["bytes"] for file in record["files"] if not file["path"].endswith(".xml")]
        float_files = record.get("float_weights", [])
        sizes[part] = {
            "float": sum(file.get("float32_bytes", file["bytes"]) for file in float_files) or None,
            "compiled": sum(own),
        }
    both = {kind: [size[kind] for size in sizes.values()] for kind in KINDS}
    return sizes | {"both": {k: sum(v) if all(v) else None for k, v in both.items()}}
