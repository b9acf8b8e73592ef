"""What the report shows of the operations in speed.json: where each backend's time goes."""

from collections.abc import Collection
from typing import Any

from evaluation.report.format import number, percent, significant

PARTS = {
    "encoder": "encoder, one pass",
    "prompt": "decoder, first step",
    "token": "decoder, a further token",
}
SMALL = 0.005  # shares below are not worth a word


def operations(backends: list[dict[str, Any]], compiled: Collection[str]) -> list[dict[str, Any]]:
    """A table of each part of each backend that has a profile.

    Args:
        backends: Those of speed.json; older ones have no profiles.
        compiled: Names of those that run the compiled model.
    """
    return [
        _part(one, title, one["operations"][part], one["name"] in compiled)
        for one in backends
        if "operations" in one
        for part, title in PARTS.items()
    ]


def _part(
    backend: dict[str, Any], title: str, profile: dict[str, Any], compiled: bool
) -> dict[str, Any]:
    shares = {key: share for key, share in profile["precisions"].items() if _matters(share)}
    return {
        "backend": backend["name"],
        "part": title,
        "ms": significant(profile["ms"]),
        "precisions": ", ".join(f"{key} {percent(share, 0)}" for key, share in shares.items()),
        "rows": [_row(row, compiled) for row in profile["operations"]],
    }


def _row(row: dict[str, Any], compiled: bool) -> dict[str, Any]:
    return {
        **{key: row[key] for key in ("type", "precision", "kernel", "inputs")},
        "count": number(row["count"], 0),
        "ms": significant(row["ms"]),
        "share": percent(row["share"]),
        "fell_back": compiled and _matters(row["share"]) and _is_float(row["precision"]),
    }


def _matters(share: float | None) -> bool:
    return share is not None and share >= SMALL


def _is_float(precision: str) -> bool:
    """Whether an operation read floating-point values alone."""
    kinds = precision.split(" × ")
    return all(kind in ("f32", "f16", "bf16") for kind in kinds)
