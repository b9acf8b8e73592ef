"""Phonemes of the demo's words, from espeak-ng: what the lower encoder layers are taught to hear.

They are shared by the languages, so that each language learns from the speech of all of them.
"""

import subprocess
from functools import cache

from demo.words import LANGUAGES, Sentence

STRESS_AND_TONE = str.maketrans("", "", "ˈˌ0123456789-ˑ")


def _spell(code: str) -> tuple[tuple[str, ...], ...]:
    """IPA symbols of every word of a language."""
    spelled = []
    for word in LANGUAGES[code].spoken:
        command = ["espeak-ng", "-q", "--ipa", "--sep=_", "-v", LANGUAGES[code].voice, word]
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        symbols = text.translate(STRESS_AND_TONE).replace(" ", "_").strip().split("_")
        spelled.append(tuple(symbol.strip() for symbol in symbols if symbol.strip()))
    return tuple(spelled)


@cache
def lexicon() -> dict[str, tuple[tuple[str, ...], ...]]:
    """Language -> phonemes of each word."""
    return {code: _spell(code) for code in LANGUAGES}


@cache
def inventory() -> dict[str, int]:
    """Phoneme -> number from 1; 0 is CTC's blank."""
    symbols = {symbol for words in lexicon().values() for word in words for symbol in word}
    return {symbol: number for number, symbol in enumerate(sorted(symbols), 1)}


def phoneme_ids(code: str, sentence: Sentence) -> list[int]:
    """Numbers of the phonemes of a sentence."""
    return [inventory()[symbol] for word in sentence for symbol in lexicon()[code][word]]
