"""Text and state metrics: how far a hypothesis is from its reference, and states from states."""

import unicodedata
from dataclasses import asdict, dataclass

import jiwer
import numpy as np

from data.languages import UNSPACED  # errors are counted in characters there (Whisper paper)

# Arabic vowel signs and the stretching sign: optional in writing, so not counted as errors.
ARABIC_OPTIONAL = frozenset(map(chr, [*range(0x064B, 0x0653), 0x0670, 0x0640]))


def normalise(text: str, language: str) -> str:
    """A text as it is compared: NFKC, case folded, no punctuation or symbols, single spaces.

    Combining marks stay: Whisper's own basic normaliser turns them into spaces, which cuts Tamil,
    Thai, Hindi and Arabic words to pieces.

    Args:
        text: Any text.
        language: Whisper code of the language that the text is in.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    if language in ("ar", "ur", "fa"):
        folded = "".join(char for char in folded if char not in ARABIC_OPTIONAL)
    kept = (" " if unicodedata.category(char)[0] in "PS" else char for char in folded)
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
    def rate(self) -> float:
        """Error rate of the corpus: edits per unit of the reference."""
        return (self.substitutions + self.deletions + self.insertions) / self.units

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


def cosine(reference: np.ndarray, other: np.ndarray) -> float:
    """Cosine of the angle between two arrays of one shape, taken as vectors; 1 is equal."""
    a, b = reference.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
