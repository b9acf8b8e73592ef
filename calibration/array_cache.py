"""A cache of arrays computed for one clip, each under the key of all that it depends on.

A calibration set numbers its files by position, and a position changes when a language is added.
So each clip's arrays are stored once under their key and hard-linked into place: a killed run, a
new order or a new language recomputes only what is not there, and a damaged file is made again.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.files import is_unchanged, link_or_copy, read_json, save_npy, sha256_of, write_json

Record = dict[str, Any]  # {"files": {name: sha256}} and whatever the maker recorded


def key_of(*facts: Any) -> str:
    """A key for JSON-able facts: the same facts give the same key."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def load(cache: Path, key: str) -> Record | None:
    """The record under `key`, or None where it or one of its files is absent or damaged."""
    path = _record_path(cache, key)
    if not path.is_file():
        return None
    try:
        record = read_json(path)
        files = dict(record["files"])
    except (UserError, ValueError, KeyError, TypeError):
        return None  # damaged
    whole = all(is_unchanged(_array_path(cache, key, name), files[name]) for name in files)
    return record if whole else None


def save(cache: Path, key: str, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Record:
    """Store `arrays` and `facts` under `key`; the record is written last."""
    files = {}
    for name, array in arrays.items():
        path = _array_path(cache, key, name)
        save_npy(path, array)
        files[name] = sha256_of(path)
    record = {"files": files, **facts}
    write_json(_record_path(cache, key), record)
    return record


def read(cache: Path, key: str, name: str) -> np.ndarray:
    """A stored array."""
    return np.load(_array_path(cache, key, name), allow_pickle=False)


def place(cache: Path, key: str, name: str, destination: Path) -> None:
    """Make `destination` the stored array (a hard link, or a copy where links are not possible)."""
    source = _array_path(cache, key, name)
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists() and destination.samefile(source):
        return  # renaming one link of a file over another would leave both
    temporary = destination.with_name(f".{destination.name}.part")
    temporary.unlink(missing_ok=True)
    link_or_copy(source, temporary)
    temporary.replace(destination)


def prune(cache: Path, keys: Iterable[str]) -> None:
    """Remove everything that is not stored under one of `keys`."""
    kept = set(keys)
    for path in sorted(cache.iterdir()):
        if path.name.split(".")[0] not in kept:
            path.unlink()


def _record_path(cache: Path, key: str) -> Path:
    return cache / f"{key}.json"


def _array_path(cache: Path, key: str, name: str) -> Path:
    return cache / f"{key}.{name}.npy"
