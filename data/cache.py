"""What is on this disk, in the Hub's cache or a local folder: where it lies, and if it is whole.

Nothing here needs a network.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import constants

from common.cli import UserError
from common.files import CHUNK, expanded, read_json, replacing, sha256_of
from common.folders import folder_at

COMMIT = re.compile(r"[0-9a-f]{40}")
CONVERTED = "refs/convert/parquet"  # the branch on which the Hub keeps its own conversions
DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's blob id or SHA-256


# Where config.yaml names what comes from a repository, or a folder in its place.
SETTINGS = {"dataset": "data.source", "model": "models.<name>.source (or its base)"}


class Repo(NamedTuple):
    """A repository of the Hub."""

    kind: str  # "dataset" or "model"
    name: str  # "google/fleurs"

    def __str__(self) -> str:
        """As it is named in messages."""
        return f"{self.kind} {self.name}"


class RemoteFile(NamedTuple):
    """A file as the Hub lists it."""

    path: str
    bytes: int
    digest: str  # SHA-256 (64 digits) of a large file, git's blob id (40 digits) of a small one


def is_offline() -> bool:
    """Whether the user has switched the Hub off (HF_HUB_OFFLINE=1)."""
    return constants.HF_HUB_OFFLINE


def _folder(repo: Repo) -> Path:
    return Path(constants.HF_HUB_CACHE) / f"{repo.kind}s--{repo.name.replace('/', '--')}"


def snapshot(repo: Repo, commit: str) -> Path:
    """Folder in which the cache keeps the files of a commit (it may not exist)."""
    return _folder(repo) / "snapshots" / commit


def blob_path(repo: Repo, digest: str) -> Path:
    """Where the cache keeps a file of this digest; links in snapshots lead to it."""
    return _folder(repo) / "blobs" / digest


def cached_commit(repo: Repo, revision: str) -> str | None:
    """The commit that `revision` was when the Hub was last asked, if some file of it is cached."""
    ref = _folder(repo) / "refs" / revision
    commit = revision if COMMIT.fullmatch(revision) else ""
    if not commit and ref.is_file():
        commit = ref.read_text(encoding="utf-8").strip()
    return commit if commit and snapshot(repo, commit).is_dir() else None


def cached_files(repo: Repo, commit: str) -> list[RemoteFile]:
    """The files of a commit that are cached, sorted, with the digests of their names there."""
    folder = snapshot(repo, commit)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        RemoteFile(path.relative_to(folder).as_posix(), path.stat().st_size, _digest_of(path))
        for path in paths
    ]


def _digest_of(path: Path) -> str:
    """The digest that names the blob of a cached file; of the file, where there are no links."""
    name = path.readlink().name if path.is_symlink() else ""
    return name if DIGEST.fullmatch(name) else sha256_of(path)


def remember_commit(repo: Repo, revision: str, commit: str) -> None:
    """Note what a branch or tag was, as the Hub's client does, for a run without network."""
    if revision != commit:
        with replacing(_folder(repo) / "refs" / revision) as temporary:
            temporary.write_text(commit, encoding="utf-8")


def is_intact(path: Path, digest: str) -> bool:
    """Whether a file has this digest: SHA-256 (64 digits) or git's blob id (40 digits)."""
    if len(digest) == 64:
        return sha256_of(path) == digest
    blob_id = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            blob_id.update(chunk)
    return blob_id.hexdigest() == digest


def is_whole(path: Path) -> bool:
    """Whether a cached file has the digest that names the blob it links to.

    A cache on a file system without links names none: only the Hub could tell, so it is believed.
    """
    name = path.readlink().name if path.is_symlink() else ""
    return is_intact(path, name) if DIGEST.fullmatch(name) else True


def discard(path: Path) -> None:
    """Remove a cached file: the link in the snapshot and everything that it points to."""
    while path.is_symlink():
        target = path.parent / path.readlink()
        path.unlink()
        path = target
    path.unlink(missing_ok=True)


def local_folder_of(source: str, kind: str) -> Path | None:
    """The local folder that `source` names, or None if it is the name of a Hub repository.

    Args:
        source: As config.yaml has it.
        kind: Of a repository, as `Repo` has it.

    Raises:
        UserError: it can only be a path, and there is no such folder, or it cannot be read.
    """
    if folder := folder_at(source):
        return folder
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise UserError(
            f"source {source!r} is neither a folder on this machine nor a Hub name of the form"
            f" owner/name: correct {SETTINGS[kind]} in config.yaml"
        )
    return None


def folder_beside(manifest: Path) -> Path:
    """Where the files of a checkpoint are that does not take part as it is."""
    return manifest.with_name(f"{manifest.stem}.files")


def local_folder(manifest: Path) -> Path:
    """The folder of a manifest's files, all there, without any network.

    Raises:
        UserError: a file is gone or has another size than the manifest says.
    """
    record = read_json(manifest)
    source, commit = record["source"], record["commit"]
    kind = "dataset" if "split" in record else "model"
    folder = snapshot(Repo(kind, source), commit) if commit else expanded(source)
    if "folder" in record:
        folder = manifest.with_name(record["folder"])
    for file in record["files"]:
        path = folder / file["path"]
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            state = "has changed" if path.is_file() else "is gone"
            raise UserError(
                f"{file['path']} of {source}, listed in {manifest}, {state}: delete {manifest} and"
                " run the same command again"
            )
    return folder


def local_paths(manifest: Path) -> list[Path]:
    """The files of a manifest on this disk, in its order; raises as `local_folder`."""
    folder = local_folder(manifest)
    return [folder / file["path"] for file in read_json(manifest)["files"]]
