"""Publish a hand-off folder as a model repository on the Hugging Face Hub (or HF_ENDPOINT's).

Example:
    python -m compilation.publish compiled/whisper-small/aries-rb
        --repo owner/whisper-small-aries-rb

Needs a token that may write there: HF_TOKEN, or `hf auth login`. Nothing is sent of a folder that
is not what its SHA256SUMS says, or that did not pass its checks. One commit makes the repository
what the folder is: files that the folder does not have are deleted there, but for .gitattributes.

A repository is for one device, which its name ends in: where a path is wrong, the vendor's loader
takes whatever .mxq it finds in it. One that holds parts for another device is refused.
"""

import argparse
import json
import sys
from pathlib import Path

import httpx
from huggingface_hub import constants as hub
from huggingface_hub import errors, get_token
from huggingface_hub.utils import validate_repo_id

from common.cli import UserError, run
from common.files import read_json
from compilation.hand_off import sums
from compilation.upload import MAIN, upload
from compilation.verify import check_measured, checked_manifest
from data import hub_errors
from data.cache import Repo, is_offline

NEEDED = ("manifest.json", "README.md", "SHA256SUMS")
VERDICT = "evaluation.json"  # says whether it has passed, where it was measured
# What the client fails with: also a body that is no Hub's, and what it finds wrong before it sends.
FAILURES = (*hub_errors.FAILURES, KeyError, TypeError, ValueError)


def check(folder: Path, even_if_not_passed: bool = False, even_own_speech: bool = False) -> None:
    """Refuse a folder that is not whole, did not pass its evaluation, or has speech of your own.

    Args:
        folder: The hand-off folder.
        even_if_not_passed: Accept one that has not passed.
        even_own_speech: Accept golden clips that are no published data set's.

    Raises:
        UserError: it may not be published; the message says why.
    """
    if absent := [name for name in NEEDED if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} has no {' and no '.join(absent)}, so it is no hand-off folder: name a folder"
            " that the pipeline has made, compiled/{model}/{target}"
        )
    sums.check(folder)
    checked_manifest(folder)
    speech = read_json(folder / "manifest.json")["dataset"]
    if speech["commit"] is None and not even_own_speech:
        raise UserError(
            f"{folder}/golden has recordings of {speech['source']}, which is no data set of the"
            " Hub, so nothing was sent: give --private, or --even-own-speech to publish them"
        )
    path = folder / VERDICT
    if not path.is_file():
        print(f"note: nothing was measured of {folder}; it has no {VERDICT}", file=sys.stderr)
        return
    check_measured(folder)
    if read_json(path)["passed"] is False and not even_if_not_passed:
        raise UserError(
            f"{folder} did not pass its evaluation ({read_json(path)['sentence']}), so nothing was"
            " sent: compile it better, or give --even-if-not-passed"
        )


def check_name(repo: str, folder: Path) -> None:
    """Refuse a repository whose name does not end in what a folder is compiled for.

    Raises:
        UserError: it does not.
        ValueError: it is no name of a repository.
    """
    validate_repo_id(repo)
    target = read_json(folder / "manifest.json")["target"]
    if not repo.endswith(f"-{target}"):
        raise UserError(
            f"--repo {repo} does not end in -{target}, what {folder} is compiled for: name it so"
            f" ({repo}-{target}), as a repository is for one device"
        )


def sentence(error: BaseException, repo: str, revision: str) -> str | None:
    """What to tell the user of a failed upload; None for an error that is not the Hub's."""
    if isinstance(error, RuntimeError):
        error = error.__cause__ or error  # itself, it says only which file was being sent
    where, said = f"{repo} on {hub.ENDPOINT}", " ".join(str(error).split())
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{where} has no branch {revision!r}: create it there, or leave out --revision"
    if isinstance(error, errors.RepositoryNotFoundError) and revision != MAIN:
        return (
            f"{where} is not there, or not for this token, so there is no branch {revision!r}:"
            " create both there, or leave out --revision"
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        if status in (401, 403, 404):
            return (
                f"no right to write {where} ({status}): correct the name, or set HF_TOKEN to a"
                " token that may write there"
            )
        said = " ".join((error.server_message or "it does not say why").split())
        return (
            f"{where} was not written, the Hub answered {status} ({said}): run the same command"
            " again later; large files that arrived are not sent again"
        )
    # ConnectionError is what hf_xet raises, also where the Hub does not know it.
    if hub_errors.is_lost(error) or isinstance(error, ConnectionError | httpx.InvalidURL):
        return (
            f"cannot reach the Hub at {hub.ENDPOINT} to write {repo} ({said}): check the network"
            " and HF_ENDPOINT (a mirror may need HF_HUB_DISABLE_XET=1), and run the same command"
            " again"
        )
    if isinstance(error, json.JSONDecodeError | KeyError | TypeError):
        return hub_errors.not_a_hub(Repo("model", repo))
    if isinstance(error, ValueError):
        return f"{where} was not written: {said}; put that right, and run the same command again"
    return None


def main(argv: list[str] | None = None) -> None:
    """Check the folder, publish it, and print where."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the hand-off folder")
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="where to publish it")
    parser.add_argument("--private", action="store_true", help="create the repository private")
    parser.add_argument("--revision", default=MAIN, help="branch of the repository")
    parser.add_argument("--message", help="message of the commit")
    parser.add_argument("--even-if-not-passed", action="store_true", help="publish it all the same")
    parser.add_argument(
        "--even-own-speech", action="store_true", help="publish golden clips of your own, too"
    )
    args = parser.parse_args(argv)
    check(args.folder, args.even_if_not_passed, args.private or args.even_own_speech)
    if args.repo.count("/") != 1:
        raise UserError(f"--repo {args.repo!r} is not of the form owner/name: correct it")
    if is_offline():
        raise UserError("HF_HUB_OFFLINE is set: unset it and run the same command again")
    if get_token() is None:
        raise UserError(
            f"no token for {hub.ENDPOINT}: set HF_TOKEN to one that may write {args.repo}, or run"
            " `hf auth login`"
        )
    try:
        check_name(args.repo, args.folder)
        commit = upload(args.folder, args.repo, args.private, args.revision, args.message)
    except FAILURES as error:
        said = sentence(error, args.repo, args.revision)
        if said is None:
            raise
        raise UserError(said) from error
    print(f"{hub.ENDPOINT}/{args.repo} at commit {commit}")


if __name__ == "__main__":
    run(main)
