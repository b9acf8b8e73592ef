"""A model repository on the Hugging Face Hub (or HF_ENDPOINT's), made what a folder is."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    get_token,
    hf_hub_download,
)
from huggingface_hub import constants as hub
from huggingface_hub.hf_api import RepoFile

from common.cli import UserError
from common.files import read_json
from compilation.hand_off.sums import NAME, files_of
from data.cache import is_intact

KEPT = ".gitattributes"  # the Hub's own: which files it stores as large ones
MAIN = "main"
PARTS = (".mxq", ".xml")


def upload(folder: Path, repo: str, private: bool, revision: str, message: str | None) -> str:
    """Make the repository what the folder is, in one commit; that commit.

    Not by `upload_folder`: where it sends large files by Xet, it may make several commits, of which
    the last can fail, and it always leaves some files out.

    Args:
        folder: The hand-off folder, checked.
        repo: owner/name; created if there is none, and the branch is main.
        private: Create it private; refuse one that is public.
        revision: The branch.
        message: Of the commit.

    Raises:
        UserError: the repository is public, holds parts for another device, or does not hold the
            folder afterwards.
    """
    api = HfApi(token=get_token())
    if revision == MAIN:  # a new repository has no other branch, and would be left empty
        api.create_repo(repo, private=private or None, exist_ok=True)
    before = api.model_info(repo, revision=revision, expand=["sha", "private"])
    if private and not before.private:
        raise UserError(
            f"{repo} is public on {hub.ENDPOINT}, so nothing was sent: make it private there, or"
            " leave out --private"
        )
    names = sorted([*files_of(folder), NAME])
    held = _digests(api, repo, revision).keys()
    _check_held(held, repo, before.sha, read_json(folder / "manifest.json")["target"])
    gone = sorted(held - {*names, KEPT})
    commit = api.create_commit(
        repo,
        [
            *(CommitOperationDelete(name, is_folder=False) for name in gone),
            *(CommitOperationAdd(name, folder / name) for name in names),
        ],
        commit_message=message or "Publish the hand-off folder",
        revision=revision,
        parent_commit=before.sha,  # refused if somebody else commits meanwhile
    ).oid
    after = _digests(api, repo, commit)  # a .gitignore there makes the Hub drop files unasked
    if lost := [n for n in names if n not in after or not is_intact(folder / n, after[n])]:
        raise UserError(
            f"{repo} at {commit} does not have {', '.join(lost)} as {folder} has: run the same"
            " command again"
        )
    return commit


def _check_held(held: Iterable[str], repo: str, commit: str, target: str) -> None:
    """Refuse a repository that holds parts for another device, or of an unknown one."""
    parts = sorted(name for name in held if name.endswith(PARTS))
    if not parts:
        return
    holds = "no manifest of a hand-off folder"
    if "manifest.json" in held:
        manifest = read_json(Path(hf_hub_download(repo, "manifest.json", revision=commit)))
        if manifest.get("target") == target:
            return
        holds = f"parts for {manifest.get('target', 'an unknown target')}"
    raise UserError(
        f"{repo} on {hub.ENDPOINT} holds {parts[0]} and {holds}, so nothing was sent: publish what"
        f" is for {target} in a repository of its own"
    )


def _digests(api: HfApi, repo: str, revision: str) -> dict[str, str]:
    """Of each file of a repository: SHA-256 of a large one, git's blob id of a small one."""
    tree = api.list_repo_tree(repo, recursive=True, revision=revision)
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    return {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in files}
