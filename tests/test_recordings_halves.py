"""Halves of own speech: even, the same in all languages, and near to what the hash alone says."""

import random
from collections import Counter

import pytest

from data.choose import even_halves, half_of


def counts(halves: dict[int, str], languages: dict[int, set[str]]) -> dict[str, list[int]]:
    found: dict[str, Counter[str]] = {}
    for sentence, half in halves.items():
        for language in languages[sentence]:
            found.setdefault(language, Counter())[half] += 1
    return {one: sorted([half["calibration"], half["evaluation"]]) for one, half in found.items()}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("count", [1, 2, 7, 8, 200])
def test_one_language(seed: int, count: int) -> None:
    languages = {n: {"ko"} for n in range(count)}
    halves = even_halves(seed, languages)
    assert counts(halves, languages) == {"ko": [count // 2, (count + 1) // 2]}
    assert halves == even_halves(seed, dict(reversed(languages.items())))


def test_parallel_sentences_are_in_the_same_half_of_all_languages_which_are_even() -> None:
    languages = {n: {"ko", "de", "en"} for n in range(8)}
    halves = even_halves(0, languages)
    assert counts(halves, languages) == {"ko": [4, 4], "de": [4, 4], "en": [4, 4]}


@pytest.mark.parametrize("seed", range(20))
def test_languages_that_share_some_sentences(seed: int) -> None:
    rng = random.Random(seed)
    codes = ["ko", "de", "en"]
    languages = {n: set(rng.sample(codes, rng.randint(1, 3))) for n in range(30)}
    languages |= {100 + n: {code} for n, code in enumerate(3 * codes)}
    for few, many in counts(even_halves(seed, languages), languages).values():
        assert many - few <= 1


def test_few_sentences_are_moved_from_the_half_of_their_hash() -> None:
    """So a sentence more moves at most a few others."""
    languages = {n: {"ko"} for n in range(200)}
    halves = even_halves(0, languages)
    moved = [n for n, half in halves.items() if half != half_of(0, n)]
    by_hash = Counter(half_of(0, n) for n in languages)
    assert len(moved) == (max(by_hash.values()) - min(by_hash.values())) // 2
    more = even_halves(0, languages | {200: {"ko"}})
    assert sum(more[n] != half for n, half in halves.items()) <= 2
