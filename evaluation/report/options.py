"""What the reports' command lines are given, checked before anything is read."""

import argparse
import json
from pathlib import Path
from typing import Any

from evaluation.report.speed_sections import MEASURES

FIGURES = tuple(measure.key for measure in MEASURES)


def page(text: str) -> Path:
    """Where a page is written: no other file is written over.

    Raises:
        argparse.ArgumentTypeError: It is not called .html.
    """
    path = Path(text)
    if path.suffix != ".html":
        raise argparse.ArgumentTypeError(f"{path} is no page; give a name that ends in .html")
    return path


def published(text: str) -> list[dict[str, Any]]:
    """Speeds from elsewhere, as `published` of the configuration has them: JSON.

    Raises:
        argparse.ArgumentTypeError: They are others.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise argparse.ArgumentTypeError("it is no JSON list")
    for one in value:
        if not _is_published(one):
            raise argparse.ArgumentTypeError(
                f"{json.dumps(one, ensure_ascii=False)} is no object with a name and figures above"
                f" 0, of {', '.join(FIGURES)}"
            )
    return value


def _is_published(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        return False
    figures = {key: value for key, value in one.items() if key != "name"}
    numbers = all(type(value) in (int, float) and value > 0 for value in figures.values())
    return numbers and figures.keys() <= set(FIGURES)


def _refuse(name: str) -> None:
    """NaN and Infinity, which are no JSON."""
    raise ValueError(name)
