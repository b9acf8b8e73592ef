"""What can go wrong between here and the Hub: whether to try again, and what to tell the user."""

import errno
import json
from pathlib import Path

import httpx
from huggingface_hub import constants, errors

from data.cache import SETTINGS, Repo

BUSY = (408, 429, 500, 502, 503, 504)  # the Hub is there, but not now
LONGEST_PAUSE = 300.0  # seconds that a Retry-After may ask for

# What a request can fail with; `sentence` says which of them are not a bug.
FAILURES = (
    httpx.HTTPError,
    httpx.InvalidURL,
    OSError,
    errors.EntryNotFoundError,
    errors.HFValidationError,
    RuntimeError,  # of hf_xet, which carries the large files of the Hub itself
    json.JSONDecodeError,
)


def _cause(error: BaseException) -> BaseException:
    """The error behind hf_hub_download's own "cannot find it in the cache either"."""
    wrapped = isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None
    return error.__cause__ if wrapped else error


def _status(error: BaseException) -> int | None:
    error = _cause(error)
    return error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None


def is_busy(error: BaseException) -> bool:
    """Whether the Hub answered, but asks to come back later."""
    return _status(error) in BUSY


def is_lost(error: BaseException) -> bool:
    """Whether there was no answer, a broken one, or a body shorter than announced."""
    error = _cause(error)
    return (
        isinstance(error, httpx.TransportError | RuntimeError)
        or type(error).__module__ == "hf_xet"
        or (isinstance(error, OSError) and str(error).startswith("Consistency check failed"))
    )


def pause_after(error: BaseException, tries: int) -> float:
    """Seconds to wait after so many tries: what Retry-After says, or 1, 2, 4, ..."""
    if _status(error) is not None:
        said = _cause(error).response.headers.get("Retry-After", "")
        if said.isdigit():
            return min(float(said), LONGEST_PAUSE)
    return float(2 ** (tries - 1))


def sentence(error: BaseException, repo: Repo, revision: str) -> str | None:
    """What to tell the user; None for an error that is not the Hub's, the network's or theirs."""
    error = _cause(error)
    endpoint = constants.ENDPOINT
    status = _status(error)
    if isinstance(error, errors.GatedRepoError):
        return (
            f"the {repo} is gated: accept its terms on {endpoint} and set HF_TOKEN to a token of"
            " that account"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        return (
            f"{endpoint} has no {repo}, and there is no local folder of this name: correct"
            f" {SETTINGS[repo.kind]} in config.yaml, or set HF_TOKEN if the repository is private"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the {repo} has no revision {revision!r} on {endpoint}: correct it in config.yaml"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return offline(repo, revision)
    if status in (401, 403):
        return f"{endpoint} refuses access to the {repo} ({status}): check HF_TOKEN and its rights"
    if status in BUSY:
        return (
            f"{endpoint} keeps answering {status} for the {repo}: run the same command again later"
            " (finished files are kept)"
        )
    if status is not None:
        return f"{endpoint} answers {status} for the {repo} at {revision}: check HF_ENDPOINT"
    if is_lost(error) or isinstance(error, httpx.InvalidURL):
        detail = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        if isinstance(error, RuntimeError):
            detail += "; HF_HUB_DISABLE_XET=1 takes the ordinary way"
        # A repository's name that looks like a path here is more likely a misspelt one.
        typo = (
            f", and there is no folder {repo.name} here" if Path(repo.name).parent.is_dir() else ""
        )
        return (
            f"cannot reach the Hub at {endpoint} ({detail}){typo}: try the demo, which needs no"
            " network (--configfile demo/config.yaml), name a local folder as source, or set"
            " HF_ENDPOINT to a mirror (HF_HUB_OFFLINE=1 uses what is cached)"
        )
    if isinstance(error, json.JSONDecodeError | errors.FileMetadataError):
        return not_a_hub(repo)
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write {error.filename}: make it writable, or set HF_HOME to another folder"
    return None


def offline(repo: Repo, revision: str) -> str:
    """The sentence for something that is not in the cache while the Hub is away or switched off."""
    switched_off = constants.HF_HUB_OFFLINE
    return (
        f"{'HF_HUB_OFFLINE is set' if switched_off else f'{constants.ENDPOINT} does not answer'},"
        f" but what is needed of the {repo} at {revision} is not (or not whole) in the cache"
        f" {constants.HF_HUB_CACHE}: {'unset it and ' if switched_off else ''}run the same command"
        " once with network"
    )


def not_a_hub(repo: Repo) -> str:
    """The sentence for an endpoint that answers, but not as a Hub does."""
    return (
        f"{constants.ENDPOINT} does not answer like a Hub when asked for the {repo}: check"
        " HF_ENDPOINT, the proxy and the network's log-in page"
    )
