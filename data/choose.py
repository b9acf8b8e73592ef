"""Which sentences, and which recording of each, become the samples of a language.

Every choice is a hash of the seed and a name, never of a position: the same sentences come first in
all languages (FLEURS is parallel), and more samples keep those that fewer had.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

POOLS = ("calibration", "evaluation", "all")
GENDERS = ("male", "female", "other")  # FLEURS' class labels, in their order


class Recording(NamedTuple):
    """One recording of a data set, without its audio."""

    file: int  # which of the files, and
    row: int  # which row of it
    name: str  # of its audio file: the key of a recording
    sentence_id: int
    gender: str  # one of GENDERS
    samples: int | None  # length at 16 kHz; None: known only from the audio
    text: str  # raw transcription
    translation: str | None = None  # into English, where the data set has one for the recording


class Choice(NamedTuple):
    """How many sentences to choose, and among which."""

    samples: int
    seed: int
    pool: str  # one of POOLS


def draw(seed: int, purpose: str, name: int | str) -> int:
    """A 64-bit number that looks random and depends on these three only."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def in_pool(seed: int, pool: str, sentence_id: int) -> bool:
    """Whether a sentence is in the pool: `calibration` and `evaluation` are one half each.

    The half depends on the seed and the sentence id alone, hence is the same in every language.
    """
    half = "calibration" if draw(seed, "pool", sentence_id) % 2 == 0 else "evaluation"
    return pool in ("all", half)


def choose(
    recordings: Iterable[Recording], choice: Choice, usable: Callable[[Recording], bool]
) -> list[Recording]:
    """The first sentences of the pool that have a usable recording, in a seeded order.

    Of a sentence's usable recordings the one whose gender was taken least so far is taken, and
    among equals the first in a seeded order. Fewer than wanted are returned if there are no more.
    """
    seed = choice.seed
    sentences: dict[int, list[Recording]] = {}
    for recording in recordings:
        if in_pool(seed, choice.pool, recording.sentence_id):
            sentences.setdefault(recording.sentence_id, []).append(recording)
    taken: Counter[str] = Counter()
    chosen: list[Recording] = []
    for sentence in sorted(sentences, key=lambda name: (draw(seed, "sentence", name), name)):
        if len(chosen) == choice.samples:
            break
        candidates = [recording for recording in sentences[sentence] if usable(recording)]
        if candidates:
            best = min(
                candidates,
                key=lambda one: (taken[one.gender], draw(seed, "recording", one.name), one.name),
            )
            taken[best.gender] += 1
            chosen.append(best)
    return chosen
