"""Whether a text is a loop: one stretch of it over and over, as a decoder writes that is lost.

Counted in characters, and in what stands directly one after the other: neither the script nor the
length of a text matters. (By the compression ratio of UTF-8, as openai/whisper measures it, a
longer ordinary text in a script of three bytes a character reads as a loop, and a looping line in
a long text does not.)
"""

import unicodedata
from typing import NamedTuple

import numpy as np

TIMES = 4  # people say a thing twice, some three times
WIDTH = 24  # columns that all repeats take together: "no, no, no, no" is said


class Loop(NamedTuple):
    """What a text repeats, and how many times it stands in a row."""

    stretch: str
    times: int


def loop_in(text: str) -> Loop | None:
    """The longest loop of a text, or None: a stretch four times in a row, 24 columns in all.

    Case and the width of spaces do not count. A character of Han, kana or Hangul takes two columns:
    it says as much as several letters.
    """
    folded = "".join(f"{word} " for word in text.casefold().split())
    codes = np.array([ord(char) for char in folded], np.int32)
    found, longest = None, 0
    for period in range(1, len(codes) // TIMES + 1):
        begin, equal = _longest_run(codes[period:] == codes[:-period])
        length = equal + period
        if length < TIMES * period or length <= longest:
            continue
        if sum(map(_columns, folded[begin : begin + length])) >= WIDTH:
            start = _word_from(folded, begin, period)
            found = Loop(folded[start : start + period].strip(), length // period)
            longest = length
    return found


def _longest_run(same: np.ndarray) -> tuple[int, int]:
    """Where the longest run of True begins, and its length."""
    ends = np.flatnonzero(np.concatenate([[True], ~same, [True]]))
    lengths = np.diff(ends) - 1
    longest = int(np.argmax(lengths))
    return int(ends[longest]), int(lengths[longest])


def _word_from(text: str, begin: int, period: int) -> int:
    """Where the first word begins of those that a loop goes round in; `begin` where none does."""
    if begin == 0 or text[begin - 1] == " ":
        return begin
    return text.find(" ", begin, begin + period) + 1 or begin


def _columns(char: str) -> int:
    """How wide a character is, in columns of a terminal."""
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
