"""Which sentences, and which recording of each, become the samples of a language.

Every choice is a hash of the seed and a name, never of a position: the same sentences come first in
all languages (FLEURS is parallel), and more samples keep those that fewer had.

Half of the sentences are for calibration, the others for evaluation. Of FLEURS, of which a job sees
one language, the hash alone says which: about as many each. Own speech may be a small set, and is
seen whole: it is halved evenly, with as few sentences as need be in another half than their hash
says.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
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
    halves: Mapping[int, str] = {}  # of sentences; of those that it lacks, the hash says it

    def may_take(self, sentence_id: int) -> bool:
        """Whether a sentence is in the pool."""
        half = self.halves.get(sentence_id) or half_of(self.seed, sentence_id)
        return self.pool in ("all", half)


def draw(seed: int, purpose: str, name: int | str) -> int:
    """A 64-bit number that looks random and depends on these three only."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def half_of(seed: int, sentence_id: int) -> str:
    """`calibration` or `evaluation`, from the seed and the sentence id alone."""
    return "calibration" if draw(seed, "pool", sentence_id) % 2 == 0 else "evaluation"


def even_halves(seed: int, languages: Mapping[int, Collection[str]]) -> dict[int, str]:
    """A half for each sentence, the same in all languages, so that each language is halved evenly.

    Sentences are moved from the larger half of their languages to the other one while that makes
    the languages more even: those of many languages first, because those of one can then make up
    for what is left. One language is halved to the sentence, as are parallel ones.

    Args:
        seed: Of the choice.
        languages: Of each sentence, the languages that have it.
    """
    halves = {sentence: half_of(seed, sentence) for sentence in languages}
    sign = {"calibration": 1, "evaluation": -1}
    surplus: Counter[str] = Counter()  # of calibration
    for sentence, half in halves.items():
        surplus.update(dict.fromkeys(languages[sentence], sign[half]))
    order = sorted(halves, key=lambda one: (-len(languages[one]), draw(seed, "even", one), one))
    moved = True
    while moved:
        moved = False
        for sentence in order:
            step = -2 * sign[halves[sentence]]
            before = [surplus[language] for language in languages[sentence]]
            if sum(abs(one + step) for one in before) < sum(map(abs, before)):
                surplus.update(dict.fromkeys(languages[sentence], step))
                halves[sentence] = "calibration" if step > 0 else "evaluation"
                moved = True
    return halves


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
        if choice.may_take(recording.sentence_id):
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
