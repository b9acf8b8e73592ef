"""One sample of a decoder's calibration set, as it goes through all steps."""

from typing import NamedTuple

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
    states_key: str
    embeddings_key: str
    token_ids: list[int]  # all that the decoder is fed, once it is decoded; else empty
    sha256: dict[str, str]  # of the array files, by name, once they are kept
