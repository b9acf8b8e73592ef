"""Have a file of a Hub repository in the Hub's ordinary cache, whole.

A file is accepted only with the digest that the Hub lists for it: the Hub's own client keeps a file
with a changed byte without a word. A large file is fetched by range: what a cut connection or a
killed run has left is continued, where the client would begin again.
"""

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import constants, errors, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from common.cli import UserError
from common.disk import free_bytes
from common.progress import Progress
from data.cache import (
    RemoteFile,
    Repo,
    blob_path,
    discard,
    is_intact,
    snapshot,
)
from data.hub import persist

PARTIAL = ".incomplete"  # suffix of what has arrived so far
RANGE_NOT_SATISFIABLE = 416
TRIES = 4  # without a byte more, on top of the tries inside huggingface_hub


def download(repo: Repo, commit: str, file: RemoteFile) -> Path:
    """Have a file in the cache, with the digest that the Hub lists for it; its path.

    A cached or downloaded file with another digest is deleted and fetched again, once.

    Raises:
        UserError: the file cannot be fetched, or arrives damaged twice.
    """
    path = snapshot(repo, commit) / file.path
    if path.is_file():
        if is_intact(path, file.digest):
            return path
        print(f"{file.path}: damaged in the cache, fetching it again", file=sys.stderr)
        discard(path)
    disable_progress_bars()  # of small files
    place = partial(hf_hub_download, repo.name, file.path, repo_type=repo.kind, revision=commit)
    large = len(file.digest) == 64
    for _ in range(2):
        if not large or _have_blob(repo, commit, file):
            arrived = Path(persist(place, repo, commit, TRIES))  # links a large file that is there
            if large or is_intact(arrived, file.digest):
                return arrived
            discard(arrived)
        print(f"{file.path}: arrived damaged", file=sys.stderr)
    raise UserError(
        f"{file.path} of the {repo} arrived damaged twice (its digest is not {file.digest[:12]}...,"
        f" which {constants.ENDPOINT} lists): check the connection, the proxy or the mirror in"
        " HF_ENDPOINT"
    )


def still_to_fetch(repo: Repo, commit: str, files: Iterable[RemoteFile]) -> int:
    """Bytes of these files that the cache does not hold yet."""
    missing = 0
    for file in files:
        blob = blob_path(repo, file.digest)
        partial_file = blob.with_name(blob.name + PARTIAL)
        if not blob.is_file() and not (snapshot(repo, commit) / file.path).is_file():
            have = partial_file.stat().st_size if partial_file.is_file() else 0
            missing += max(0, file.bytes - have)
    return missing


def check_space(repo: Repo, commit: str, files: Iterable[RemoteFile]) -> None:
    """Refuse to begin what the disk of the cache cannot hold.

    Raises:
        UserError: fewer bytes are free than are still to be fetched.
    """
    need, free = still_to_fetch(repo, commit, files), free_bytes(Path(constants.HF_HUB_CACHE))
    if need > free:
        raise UserError(
            f"{need / 1e9:.2f} GB of the {repo} are still to be fetched, but the disk of"
            f" {constants.HF_HUB_CACHE} has {free / 1e9:.2f} GB free: free some space, set HF_HOME"
            " to a folder on a larger disk, or take fewer languages"
        )


def _have_blob(repo: Repo, commit: str, file: RemoteFile) -> bool:
    """Fetch a large file to where the cache keeps its contents; False if it arrived damaged."""
    blob = blob_path(repo, file.digest)
    if blob.is_file():
        if is_intact(blob, file.digest):
            return True
        blob.unlink()
    path = blob.with_name(blob.name + PARTIAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as out:
        if blob.is_file():  # another run has fetched it meanwhile
            path.unlink()
            return True
        have = out.tell()
        more = f", {have / 1e6:.1f} MB of it are here" if have else ""
        print(f"fetching {file.path} ({file.bytes / 1e6:.1f} MB{more})", file=sys.stderr)
        url = hf_hub_url(repo.name, file.path, repo_type=repo.kind, revision=commit)
        persist(partial(_continue, url, out, file), repo, commit, TRIES, out.tell)
        out.flush()
        whole = is_intact(path, file.digest)
        if whole:
            path.rename(blob)
        else:
            path.unlink()
        return whole


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """A file opened for appending, by one process at a time."""
    while True:
        with path.open("ab") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            # While this process waited, the other one has moved or removed the file.
            if path.exists() and path.stat().st_ino == os.fstat(out.fileno()).st_ino:
                yield out
                return


def _continue(url: str, out: BinaryIO, file: RemoteFile) -> None:
    """Append to `out` what it lacks of a file."""
    if out.tell() >= file.bytes:
        return
    try:
        http_get(
            url,
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(),
            expected_size=file.bytes,
            displayed_filename="/".join(Path(file.path).parts[-2:]),
            tqdm_class=Progress,
        )
    except errors.HfHubHTTPError as error:
        if error.response.status_code != RANGE_NOT_SATISFIABLE:
            raise  # else the file there is shorter than listed: its digest will tell
