"""The checkpoint that a fine-tune was trained from: its name, and its revision on the Hub."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError
from common.folders import folder_at

ADAPTER = "adapter_config.json"
MAIN = "main"


class Base(NamedTuple):
    """Where a checkpoint is."""

    source: str  # Hub name or local folder
    revision: str = MAIN  # branch, tag or commit on the Hub


def parse(text: str) -> Base:
    """`owner/name`, `owner/name@revision`, or a local folder, whose name may have an @ in it.

    Raises:
        UserError: It is a folder that cannot be read.
    """
    if folder_at(text):
        return Base(text)
    source, _, revision = text.partition("@")
    return Base(source, revision or MAIN)


def of_adapter(config: dict[str, Any]) -> Base | None:
    """What an adapter_config.json names, if it does."""
    source, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(source, str) or not source:
        return None
    return Base(source, revision if isinstance(revision, str) and revision else MAIN)


def folder_of_adapter(folder: Path) -> Path | None:
    """The local folder that the adapter in a folder names, if both are such."""
    # What is odd, checkpoint.py says.
    with suppress(OSError, ValueError, AttributeError, TypeError, UserError):
        base = of_adapter(json.loads((folder / ADAPTER).read_text(encoding="utf-8")))
        found = folder_at(base.source) if base else None
        return found if found != folder else None
    return None
