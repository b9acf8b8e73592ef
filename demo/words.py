"""The small domain of the demo: twenty words in seventeen languages, and the voices that say them.

A sentence is a tuple of word numbers: 0 to 9 are the digits, 10 to 19 the ten nouns. The same tuple
means the same in every language, which makes the speech n-way parallel, as FLEURS is.
"""

import random
import zlib
from dataclasses import dataclass
from pathlib import Path

import yaml

Sentence = tuple[int, ...]

DIGITS = 10
LENGTHS = {1: 0.1, 2: 0.18, 3: 0.3, 4: 0.3, 5: 0.12}  # words in a sentence: probability
NOUN_SHARE = 0.35
HELD_OUT_EVERY = 8  # one in so many sentences of three or more words is never trained on


@dataclass(frozen=True)
class Language:
    """How one language is spoken and written, and what FLEURS calls it."""

    voice: str  # espeak-ng
    whisper: str  # Whisper's code
    joiner: str  # between written words: a space or nothing
    stop: str  # full stop
    words: tuple[str, ...]
    spoken: tuple[str, ...]  # what espeak-ng is given for each word
    name: str
    group: str


def _language(entry: dict[str, str]) -> Language:
    words = f"{entry['digits']} {entry['nouns']}".split()
    words = tuple(word.replace("_", " ") for word in words)
    phonemes = tuple(f"[[{word}]]" for word in entry.get("spoken", "").split())
    return Language(
        voice=entry["voice"],
        whisper=entry["whisper"],
        joiner=entry.get("joiner", " "),
        stop=entry.get("stop", "."),
        words=words,
        spoken=phonemes or words,
        name=entry["name"],
        group=entry["group"],
    )


TABLE = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text(encoding="utf-8"))
LANGUAGES: dict[str, Language] = {
    code: _language(entry) for code, entry in TABLE["languages"].items()
}
TRAINING_VOICES = ("", *TABLE["training_voices"].split())  # "" is the plain voice
HELD_OUT_VOICES = {  # voice -> gender
    voice: gender for gender, voices in TABLE["held_out_voices"].items() for voice in voices.split()
}


def is_held_out(sentence: Sentence) -> bool:
    """Whether a sentence is kept for testing, in every language."""
    return len(sentence) >= 3 and zlib.crc32(bytes(sentence)) % HELD_OUT_EVERY == 0


def random_sentence(rng: random.Random, held_out: bool) -> Sentence:
    """Draw a sentence from one side of the split; held-out ones have three to five words."""
    while True:
        length = rng.choices(list(LENGTHS), list(LENGTHS.values()))[0]
        sentence = tuple(
            rng.randrange(DIGITS) + (DIGITS if rng.random() < NOUN_SHARE else 0)
            for _ in range(length)
        )
        if is_held_out(sentence) == held_out:
            return sentence


def written(code: str, sentence: Sentence) -> str:
    """The natural text of a sentence: first letter upper case, full stop; "" for silence."""
    if not sentence:
        return ""
    language = LANGUAGES[code]
    text = language.joiner.join(language.words[word] for word in sentence)
    return text[0].upper() + text[1:] + language.stop


def spoken(code: str, sentence: Sentence, pause: str = " ") -> str:
    """What espeak-ng is asked to say; always spaced, or `ja` would read a word as a particle."""
    return pause.join(LANGUAGES[code].spoken[word] for word in sentence)


def plain_words(text: str, code: str) -> list[str]:
    """Words of a text without case and full stops, for counting errors.

    Text of scripts without spaces is cut by longest match; what matches no word of the vocabulary
    counts one word a character.
    """
    for stop in {language.stop for language in LANGUAGES.values()} - {""}:
        text = text.replace(stop, " ")
    text = text.casefold()
    if LANGUAGES[code].joiner:
        return text.split()
    text = "".join(text.split())
    vocabulary = sorted((word.casefold() for word in LANGUAGES[code].words), key=len, reverse=True)
    found, at = [], 0
    while at < len(text):
        word = next((word for word in vocabulary if text.startswith(word, at)), text[at])
        found.append(word)
        at += len(word)
    return found
