"""One sample of a decoder's calibration set, as it goes through all steps."""

from pathlib import Path
from typing import NamedTuple

from calibration import array_cache
from data.clips import Clip

GENERATED, LABELS, REFERENCE = TEXTS = ("generated", "labels", "reference")
# A sample's arrays, in the order of the vendor's list.
EMBEDDINGS, STATES = ARRAYS = ("decoder_hidden_states", "encoder_hidden_states")


class Sample(NamedTuple):
    """A clip, what it is asked for, and what is computed of it; the arrays are kept under keys."""

    clip: Clip
    stratum: str
    prompt: list[int]
    text: str  # where the tokens after the prompt come from: one of TEXTS
    given: list[int] | None  # these tokens; None: the checkpoint generates them
    keys: dict[str, str]  # of each of ARRAYS
    sha256: dict[str, str]  # of the files of those that are kept
    token_ids: list[int]  # all that the decoder is fed; empty before it is decoded


def with_kept(samples: list[Sample], cache: Path) -> list[Sample]:
    """The samples, each with those of its arrays that are kept already, whole."""
    for name in ARRAYS:
        keys = {sample.keys[name] for sample in samples}
        samples = with_records(samples, name, {key: array_cache.load(cache, key) for key in keys})
    return samples


def with_records(
    samples: list[Sample], name: str, records: dict[str, array_cache.Record | None]
) -> list[Sample]:
    """The samples, each with its array of this name where there is a record under its key."""
    found = []
    for sample in samples:
        if record := records.get(sample.keys[name]):
            sha256 = sample.sha256 | {name: record["files"][name]}
            token_ids = record.get("token_ids", sample.token_ids)
            sample = sample._replace(sha256=sha256, token_ids=token_ids)
        found.append(sample)
    return found


def missing(samples: list[Sample], name: str) -> list[Sample]:
    """A sample for each array of this name that is not kept."""
    return list({s.keys[name]: s for s in samples if name not in s.sha256}.values())
