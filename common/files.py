"""Files that are whole or absent: written under a temporary name, then renamed."""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

from common.cli import UserError

FULL = 1 << 20  # bytes free under which a failed write is put down to the disk
CHUNK = 1 << 20  # bytes read at a time when hashing


def expanded(path: str) -> Path:
    """A path whose ~ is the user's home; as it is, where there is no such user or home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 (which raises there)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_unchanged(path: Path, sha256: str) -> bool:
    """Whether there is a file, and it has this SHA-256."""
    return path.is_file() and sha256_of(path) == sha256


def listed(folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """Path in the folder, size and SHA-256 of each file, as manifests list them."""
    return [
        {"path": name, "bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in names
    ]


def make_folder(folder: Path) -> None:
    """Make a folder and those that it is in, where they are not there.

    Raises:
        OSError: It cannot be made; of what is a file, that it is no folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        code = errno.ENOTDIR
        raise NotADirectoryError(code, os.strerror(code), str(folder)) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    The temporary name keeps the suffix, because some writers choose the format by it, and has the
    process id, so that the orphan of a killed run cannot rename what this process is writing; what
    a killed process left is removed. The data is flushed to disk before the rename: a power cut
    leaves the old file or the new one, whole.

    Raises:
        OSError: The disk is full (ENOSPC), in whatever words the writer has said it; or `path`
            cannot be written, and then its `filename` is not the temporary one.
    """
    make_folder(path.parent)
    for stray in path.parent.glob(f".{glob.escape(path.stem)}.part*{path.suffix}"):
        stray.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.stem}.part{os.getpid()}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and str(error.filename) == str(temporary):
            error.filename = str(path)
        told = isinstance(error, UserError) or getattr(error, "errno", None) is not None
        if told or not isinstance(error, Exception) or shutil.disk_usage(path.parent).free > FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    finally:
        with suppress(OSError):  # where it could not be written, either
            temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, destination: Path) -> None:
    """Make `destination`, which must not exist, a hard link of `source`, or a copy of it."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, keys in the order given, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: There is no such file, or it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run what makes it, or get it again") from None
    except ValueError as error:
        raise UserError(
            f"{path} is no JSON ({error}); if a run has made it, delete it and run the same command"
            " again; if you have named it, name another"
        ) from None


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def save_npy(path: Path, array: "np.ndarray") -> None:
    """Write a C-contiguous array as `.npy`, atomically."""
    import numpy as np  # not everything that runs this module has it

    with replacing(path) as temporary:
        np.save(temporary, np.ascontiguousarray(array), allow_pickle=False)
