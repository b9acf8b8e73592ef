"""Arrays computed for one clip, kept under the key of all that they depend on.

A calibration set numbers its files by position, and a position changes when a language is added.
So each clip's arrays are stored once under their key and hard-linked into place: a killed run, a
new order or a new language recomputes only what is not there, and a damaged file is made again.
"""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.files import is_unchanged, link_or_copy, read_json, save_npy, sha256_of, write_json

OVERHEAD = 1000  # bytes of disk for a record and an array's header, about
# How to need less disk, where the samples do not fit.
LESS = ", take fewer clips (data.samples_per_language, calibration.fractions)"
Record = dict[str, Any]  # {"files": {name: sha256}} and whatever the maker recorded


def key_of(*facts: Any) -> str:
    """A key for JSON-able facts: the same facts give the same key."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


@cache
def source_of(*modules: str) -> list[str]:
    """SHA-256 of modules' source, a fact of keys: changed code computes again."""
    return [sha256_of(Path(find_spec(module).origin)) for module in modules]


def has(store: Path, key: str) -> bool:
    """Whether there is a record under `key`; its files are not looked at."""
    return (store / f"{key}.json").is_file()


def record_of(store: Path, key: str) -> Record:
    """The record under `key`, which is there; its files are not looked at."""
    return read_json(store / f"{key}.json")


def load(store: Path, key: str) -> Record | None:
    """The record under `key`, or None where it or one of its files is absent or damaged."""
    if not has(store, key):
        return None
    try:
        record = record_of(store, key)
        files = dict(record["files"])
    except (UserError, ValueError, KeyError, TypeError):
        return None  # damaged
    whole = all(is_unchanged(_array_path(store, key, name), files[name]) for name in files)
    return record if whole else None


def save(store: Path, key: str, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Record:
    """Store `arrays` and `facts` under `key`; the record is written last."""
    files = {}
    for name, array in arrays.items():
        path = _array_path(store, key, name)
        save_npy(path, array)
        files[name] = sha256_of(path)
    record = {"files": files, **facts}
    write_json(store / f"{key}.json", record)
    return record


def read(store: Path, key: str, name: str) -> np.ndarray:
    """A stored array."""
    return np.load(_array_path(store, key, name), allow_pickle=False)


def place(store: Path, key: str, name: str, destination: Path) -> None:
    """Make `destination` the stored array (a hard link, or a copy where links are not possible)."""
    source = _array_path(store, key, name)
    destination.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists() and destination.samefile(source):
        return  # renaming one link of a file over another would leave both
    temporary = destination.with_name(f".{destination.name}.part")
    temporary.unlink(missing_ok=True)
    link_or_copy(source, temporary)
    temporary.replace(destination)


def prune(store: Path, keys: list[str]) -> None:
    """Remove everything that is not stored under one of `keys`."""
    for path in sorted(store.iterdir()):
        if path.name.split(".")[0] not in keys:
            path.unlink()


def _array_path(store: Path, key: str, name: str) -> Path:
    return store / f"{key}.{name}.npy"
