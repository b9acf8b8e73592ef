"""Where a run's speech comes from: splits, pools, and the files of a local data set."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import expanded
from common.folders import files_in, folder_at
from data.base import folder_of_adapter
from data.local import local_layout, local_split
from pipeline.local_file_hashes import Contents

USES = {"calibration": "data", "evaluation": "evaluation"}  # and whose settings are theirs
CHECKPOINT_FILES = (".bin", ".json", ".safetensors", ".txt")
LONGEST_NAME = 100  # bytes; of a longer path, its end and a hash make the name
ENGLISH = "en_us"  # FLEURS is parallel: its sentences translate those of all other languages


class Speech:
    """The speech that a configuration names.

    Attributes:
        languages: Its languages, sorted: calibration sets are in their order, whatever order the
            configuration names them in.
        own: Whether it is a folder of own audio, which has no splits and brings translations along.
        splits: The split that the clips of each use come from.
        pools: Which of a split's sentences a use may take: within one split they are halved.
        folder: Where what is found of it is written: a folder a data set, so that one that cannot
            be had takes nothing from the one before.
        together: All that a run fetches, as split/language.

    Raises:
        UserError: The folder that is named cannot be read, or has several indexes.
    """

    def __init__(self, config: dict[str, Any], contents: Contents) -> None:
        source: str = config["data"]["source"]
        self._folder = folder_at(source)
        self._contents = contents
        self.languages: list[str] = sorted(config["data"]["languages"])
        self.own = bool(self._folder) and local_layout(self._folder) == "files"
        self.splits = {use: config[section]["split"] for use, section in USES.items()}
        halved = self.own or len(set(self.splits.values())) == 1
        self.pools = {"calibration": "calibration", "evaluation": "evaluation" if halved else "all"}
        self.folder = f"data/sources/{_name_of(str(expanded(source)))}"
        languages = {*self.languages, *([] if self.own else [ENGLISH])}
        splits = set(self.splits.values())
        self.together = sorted(f"{split}/{one}" for split in splits for one in languages)
        self._found = {one: self._content(*one.split("/")) for one in self.together}

    def content(self, split: str, language: str) -> str:
        """A hash of what a local folder holds of a split of a language; empty for the Hub."""
        return self._found.get(f"{split}/{language}", "")

    def files(self, use: str, language: str) -> str:
        """The listing of the files that clips of a language are chosen from."""
        return f"{self.folder}/{self.splits[use]}/{language}.json"

    def english(self, use: str) -> list[str]:
        """The listing of the English sentences of the same ids, where translations come from it."""
        return [] if self.own else [self.files(use, ENGLISH)]

    def _content(self, split: str, language: str) -> str:
        if self._folder is None:
            return ""
        try:
            names = local_split(self._folder, language, split)
        except UserError as error:  # the job will say it, and so it must run
            return str(error)
        return self._contents.of(self._folder, names)


def _name_of(source: str) -> str:
    """One name of a folder for a source, whatever its path."""
    name = re.sub(r"[^\w.-]+", "--", source).strip(".-") or "here"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
    return f"{name.encode()[-LONGEST_NAME:].decode(errors='ignore').strip('.-')}-{digest}"


def checkpoint_content(source: str, contents: Contents) -> str:
    """A hash of the files of a checkpoint in a local folder; empty for the Hub.

    Of an adapter, with one of the local folder that it names as its base, if it does.

    Raises:
        UserError: The folder cannot be read.
    """
    folder = folder_at(source)
    if folder is None:
        return ""
    base = folder_of_adapter(folder)
    return " ".join(_checkpoint_files(one, contents) for one in (folder, base) if one)


def _checkpoint_files(folder: Path, contents: Contents) -> str:
    names = [name for name in files_in(folder) if name.endswith(CHECKPOINT_FILES)]
    return contents.of(folder, [name for name in names if not name.startswith(".")])
