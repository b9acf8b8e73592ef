"""Everything that is said to the Hugging Face Hub (or the mirror in HF_ENDPOINT).

A question (which commit? which files?) is short: a Hub that cannot be reached is reported within
20 s. A download is patient, and a file is accepted only with the digest that the Hub lists for it:
the Hub's own client keeps a file with a changed byte without a word.
"""

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from huggingface_hub import HfApi, constants, errors, hf_hub_download

from common.cli import UserError
from data import hub_errors
from data.cache import (
    COMMIT,
    Repo,
    cached_commit,
    discard,
    is_intact,
    is_offline,
    remember_commit,
    snapshot,
)

ANSWER_WITHIN = 7.0  # seconds for one question: two of them and a pause stay below 20
QUESTION_TRIES = 2  # when nothing answers
DOWNLOAD_TRIES = 4  # the same for a download, on top of the tries inside hf_hub_download
BUSY_TRIES = 6  # with pauses of 1, 2, 4, 8, 16 s, or as long as the Hub says


class RemoteFile(NamedTuple):
    """A file as the Hub lists it."""

    path: str
    bytes: int
    digest: str  # SHA-256 (64 digits) of a large file, git's blob id (40 digits) of a small one


def resolve(repo: Repo, revision: str) -> str:
    """The commit that a branch, tag or (shortened) commit of `repo` stands for.

    Raises:
        UserError: the Hub cannot be reached, or has no such repository or revision.
    """
    if is_offline():
        if commit := cached_commit(repo, revision):
            return commit
        raise UserError(hub_errors.offline(repo, revision))
    question = partial(
        HfApi().repo_info,
        repo.name,
        repo_type=repo.kind,
        revision=revision,
        expand=["sha"],  # not the names of FLEURS' thousands of files
        timeout=ANSWER_WITHIN,
    )
    commit = _ask(question, repo, revision).sha or ""
    if not COMMIT.fullmatch(commit):
        raise UserError(hub_errors.not_a_hub(repo))
    remember_commit(repo, revision, commit)
    return commit


def list_folder(repo: Repo, commit: str, folder: str = "") -> tuple[list[RemoteFile], list[str]]:
    """Files and names of subfolders directly in a folder, sorted; both empty if it is absent."""

    def listing() -> list[Any]:
        try:
            return list(
                HfApi().list_repo_tree(
                    repo.name, folder or None, repo_type=repo.kind, revision=commit
                )
            )
        except errors.EntryNotFoundError:
            return []

    entries = sorted(_ask(listing, repo, commit), key=lambda entry: entry.path)
    files = [entry for entry in entries if hasattr(entry, "blob_id")]
    folders = [Path(entry.path).name for entry in entries if not hasattr(entry, "blob_id")]
    return [
        RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else file.blob_id)
        for file in files
    ], folders


def download(repo: Repo, commit: str, file: RemoteFile) -> Path:
    """Have a file in the Hub's ordinary cache, with the digest that the Hub lists for it.

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
    print(f"fetching {file.path} ({file.bytes / 1e6:.1f} MB) of {repo.name}", file=sys.stderr)
    fetch = partial(hf_hub_download, repo.name, file.path, repo_type=repo.kind, revision=commit)
    for _ in range(2):
        path = Path(_persist(fetch, repo, commit, DOWNLOAD_TRIES))
        if is_intact(path, file.digest):
            return path
        print(f"{file.path}: arrived damaged", file=sys.stderr)
        discard(path)
    raise UserError(
        f"{file.path} of the {repo} arrived damaged twice (its digest is not {file.digest[:12]}...,"
        f" which {constants.ENDPOINT} lists): check the connection, the proxy or the mirror in"
        " HF_ENDPOINT"
    )


def _ask(question: Callable[[], Any], repo: Repo, revision: str) -> Any:
    try:
        return _persist(lambda: _within(ANSWER_WITHIN, question), repo, revision, QUESTION_TRIES)
    except (AttributeError, KeyError, TypeError) as error:  # JSON, but not what a Hub answers
        raise UserError(hub_errors.not_a_hub(repo)) from error


def _within(seconds: float, call: Callable[[], Any]) -> Any:
    """`call()`, or httpx.ReadTimeout: no socket's timeout covers a resolver that never answers."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["value"] = call()
        except BaseException as error:  # handed over, and raised below
            outcome["error"] = error

    thread = threading.Thread(target=work, daemon=True)  # left behind if it hangs
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise httpx.ReadTimeout(f"no answer within {seconds:.0f} s")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def _persist(call: Callable[[], Any], repo: Repo, revision: str, tries_if_lost: int) -> Any:
    """`call()`, repeated while the Hub is busy or the connection is lost; then one sentence."""
    busy = lost = 0
    while True:
        try:
            return call()
        except hub_errors.FAILURES as error:
            busy += hub_errors.is_busy(error)
            lost += hub_errors.is_lost(error)
            transient = hub_errors.is_busy(error) or hub_errors.is_lost(error)
            if not transient or busy >= BUSY_TRIES or lost >= tries_if_lost:
                said = hub_errors.sentence(error, repo, revision)
                if said is None:
                    raise
                raise UserError(said) from error
            time.sleep(hub_errors.pause_after(error, busy + lost))
