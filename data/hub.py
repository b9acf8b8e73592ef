"""Questions to the Hugging Face Hub (or the mirror in HF_ENDPOINT): which commit? which files?

They are short: a Hub that cannot be reached is reported within 20 s.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import HfApi, errors

from common.cli import UserError
from data import hub_errors
from data.cache import (
    COMMIT,
    CONVERTED,
    RemoteFile,
    Repo,
    remember_commit,
)

ANSWER_WITHIN = 7.0  # seconds for one question: two of them and a pause stay below 20
QUESTION_TRIES = 2  # when nothing answers
BUSY_TRIES = 6  # with pauses of 1, 2, 4, 8, 16 s, or as long as the Hub says


class Unreachable(UserError):
    """The Hub does not answer, or not now."""


def resolve(repo: Repo, revision: str) -> str:
    """The commit that a branch, tag or (shortened) commit of `repo` stands for.

    Raises:
        UserError: the Hub cannot be reached, or has no such repository or revision.
    """
    if COMMIT.fullmatch(revision):
        return revision  # whoever lists its files will hear if there is none
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


def converted_commit(repo: Repo) -> str | None:
    """The commit of the branch on which the Hub keeps a data set converted to Parquet, if any."""

    def question() -> str | None:
        try:
            return (
                HfApi()
                .repo_info(repo.name, repo_type=repo.kind, revision=CONVERTED, expand=["sha"])
                .sha
            )
        except errors.RevisionNotFoundError:
            return None

    commit = _ask(question, repo, CONVERTED)
    if commit:
        remember_commit(repo, CONVERTED, commit)
    return commit


def list_folder(
    repo: Repo, commit: str, folder: str = "", *, recursive: bool = False
) -> tuple[list[RemoteFile], list[str]]:
    """Files and names of subfolders in a folder, sorted; both empty if it is absent."""

    def listing() -> list[Any]:
        try:
            return list(
                HfApi().list_repo_tree(
                    repo.name,
                    folder or None,
                    repo_type=repo.kind,
                    revision=commit,
                    recursive=recursive,
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


def _ask(question: Callable[[], Any], repo: Repo, revision: str) -> Any:
    try:
        return persist(lambda: _within(ANSWER_WITHIN, question), repo, revision, QUESTION_TRIES)
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


def persist(
    call: Callable[[], Any],
    repo: Repo,
    revision: str,
    tries_if_lost: int,
    position: Callable[[], int] = lambda: 0,
) -> Any:
    """`call()`, repeated while the Hub is busy or the connection is lost; then one sentence.

    Tries are counted since `position()` last grew: a download that gets on is not given up.
    """
    busy = lost = furthest = 0
    while True:
        try:
            return call()
        except hub_errors.FAILURES as error:
            if position() > furthest:
                busy, lost, furthest = 0, 0, position()
            busy += hub_errors.is_busy(error)
            lost += hub_errors.is_lost(error)
            transient = hub_errors.is_busy(error) or hub_errors.is_lost(error)
            if not transient or busy >= BUSY_TRIES or lost >= tries_if_lost:
                said = hub_errors.sentence(error, repo, revision)
                if said is None:
                    raise
                raise (Unreachable if transient else UserError)(said) from error
            time.sleep(hub_errors.pause_after(error, busy + lost))
