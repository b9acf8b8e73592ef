"""Text metrics: how far a hypothesis is from its reference, and what is wrong with it by itself."""

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jiwer

from data.languages import UNSPACED  # errors are counted in characters there (Whisper paper)

# Arabic vowel signs and the stretching sign: optional in writing, so not counted as errors.
ARABIC_OPTIONAL = frozenset(map(chr, [*range(0x064B, 0x0653), 0x0670, 0x0640]))


def language_of(task: str, clip: Mapping[str, Any]) -> str:
    """Whisper code of the language that a task's text of a clip, or of a row, is in."""
    return "en" if task == "translate" else clip["whisper_language"]


def normalise(text: str, language: str) -> str:
    """A text as it is compared: NFKC, case folded, single spaces, no punctuation or symbols.

    Nor characters that are not seen (category Cf: zero-width spaces and joiners, soft hyphens).

    Combining marks stay: Whisper's own basic normaliser turns them into spaces, which cuts Tamil,
    Thai, Hindi and Arabic words to pieces.

    Args:
        text: Any text.
        language: Whisper code of the language that the text is in.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if language in ("ar", "ur", "fa"):
        folded = "".join(char for char in folded if char not in ARABIC_OPTIONAL)
    kinds = ((unicodedata.category(char), char) for char in folded)
    kept = (" " if kind[0] in "PS" else char for kind, char in kinds if kind != "Cf")
    words = "".join(kept).split()
    return "".join(words) if language in UNSPACED else " ".join(words)


@dataclass(frozen=True)
class Errors:
    """Edits against the reference and the reference's length, in words or characters."""

    substitutions: int
    deletions: int
    insertions: int
    units: int

    @property
    def edits(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Error rate of the corpus: edits per unit of the reference."""
        return self.edits / self.units

    @property
    def capped(self) -> int:
        """Edits of one text, at most as many as the reference has units: a loop is one failure."""
        return min(self.edits, self.units)

    def as_dict(self) -> dict[str, float]:
        """The counts and the rate, for JSON."""
        return {**asdict(self), "rate": self.rate}

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.units + other.units,
        )


def count_errors(reference: str, hypothesis: str, language: str) -> Errors:
    """Edits from reference to hypothesis, words or (where words are not spaced) characters.

    Args:
        reference: What was said; must hold something after normalisation.
        hypothesis: What was heard; may be empty.
        language: Whisper code of the language of both texts.
    """
    measure = jiwer.process_characters if language in UNSPACED else jiwer.process_words
    result = measure(normalise(reference, language), normalise(hypothesis, language))
    units = result.hits + result.substitutions + result.deletions
    return Errors(result.substitutions, result.deletions, result.insertions, units)


def in_wrong_script(reference: str, hypothesis: str) -> bool:
    """Whether most letters of a text are of scripts that its reference is not written in."""
    expected = set(_scripts(reference))
    found = _scripts(hypothesis)
    return sum(script not in expected for script in found) > len(found) / 2


def _scripts(text: str) -> list[str]:
    """The script of every letter, by its name in Unicode: LATIN, CJK, HIRAGANA, ..."""
    letters = (char for char in text if unicodedata.category(char).startswith("L"))
    return [unicodedata.name(letter, "UNKNOWN").split()[0] for letter in letters]
