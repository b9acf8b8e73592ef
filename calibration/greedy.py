"""Greedy decoding of a batch of clips: the token sequences that the decoder will be fed.

The rules are those of transformers' `generate` for a Whisper, and the tests hold the two together.
Neither torch nor transformers is needed, which are a gigabyte of memory.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from runtime.sessions import DecoderSession

CHUNK = 32  # tokens; see `first_feed`


class Rules(NamedTuple):
    """What a checkpoint's generation configuration allows at each place."""

    ends: list[int]  # tokens that end a text
    suppress: list[int]  # never
    begin_suppress: list[int]  # not as the first token after the prompt
    no_timestamps: int  # the token that switches timestamps off; <|0.00|> comes after it
    latest_first: int | None  # how many steps of 0.02 s the first timestamp may be late


def rules_of(generation: SimpleNamespace) -> Rules:
    """The rules of a generation configuration."""
    ends = generation.eos_token_id
    return Rules(
        ends=ends if isinstance(ends, list) else [ends],
        suppress=getattr(generation, "suppress_tokens", None) or [],
        begin_suppress=getattr(generation, "begin_suppress_tokens", None) or [],
        no_timestamps=generation.no_timestamps_token_id,
        latest_first=getattr(generation, "max_initial_timestamp_index", None),
    )


def first_feed(prompt: list[int]) -> int:
    """How many tokens of a prompt are fed at once; clips of a batch must agree in it.

    The rest follows one by one. So a batch holds prompts of different lengths, and what it is fed
    at each step has the same shape, hence the same results, whatever clips are in it.
    """
    return len(prompt) // CHUNK * CHUNK or len(prompt)


def batches(prompts: list[list[int]], size: int) -> Iterator[list[int]]:
    """Which clips are decoded together: their indices, at most `size`, of all prompts.

    A batch takes as long as its longest text: clips of one language and task together.
    """

    def feed(index: int) -> int:
        return first_feed(prompts[index])

    ordered = sorted(range(len(prompts)), key=lambda index: (feed(index), prompts[index]))
    for _, group in groupby(ordered, key=feed):
        while batch := list(islice(group, size)):
            yield batch


def greedy(
    decoder: DecoderSession,
    states: np.ndarray,
    prompts: list[list[int]],
    rules: Rules,
    positions: int,
    max_new_tokens: int,
    heard: list[np.ndarray] | None = None,
) -> list[list[int]]:
    """All tokens that the decoder is fed for each clip: its prompt, then what it says.

    No end-of-text token stands at the tail: the decoder makes it and is never fed it. Timestamps
    are written where the prompt does not switch them off.

    Args:
        decoder: A session.
        states: Encoder states, float32 [B, positions, d_model].
        prompts: The prompts' tokens, equal in `first_feed`.
        rules: The checkpoint's.
        positions: How many tokens the checkpoint has positions for.
        max_new_tokens: Tokens after the prompt at most; cut to what there are positions for.
        heard: Where given, the logits [B, vocabulary] of each step after the longest prompt are
            appended, before any token is forbidden.
    """
    rows = [list(prompt) for prompt in prompts]
    limits = [min(len(prompt) + max_new_tokens, positions) for prompt in prompts]
    finished = [len(prompt) >= limit for prompt, limit in zip(prompts, limits, strict=True)]
    decoder.start(states)
    feed, cached = np.array([prompt[: first_feed(prompts[0])] for prompt in prompts]), 0
    while not all(finished):
        scores = decoder.step(feed, cached)[:, -1]
        cached += feed.shape[1]
        if heard is not None and cached >= max(map(len, prompts)):
            heard.append(scores.copy())
        for row, (ids, prompt) in enumerate(zip(rows, prompts, strict=True)):
            if finished[row] or len(ids) > cached:  # or it is still fed its prompt
                continue
            timestamps = prompt[-1] != rules.no_timestamps
            forbid(scores[row], ids[len(prompt) :], rules, timestamps)
            token = int(scores[row].argmax())
            if token not in rules.ends:
                ids.append(token)
            finished[row] = token in rules.ends or len(ids) == limits[row]
        # What a finished row is fed no longer matters.
        feed = np.array([[ids[cached] if cached < len(ids) else rules.ends[0]] for ids in rows])
    return rows


def forbid(scores: np.ndarray, said: list[int], rules: Rules, timestamps: bool) -> None:
    """Set the scores [vocabulary] of what may not come after `said` to minus infinity.

    In the order of transformers' logits processors, because the last rule looks at what is left.
    """
    if not said:
        scores[rules.begin_suppress] = -np.inf
    scores[rules.suppress] = -np.inf
    if timestamps:
        _forbid_by_time(scores, said, rules)


def _forbid_by_time(scores: np.ndarray, said: list[int], rules: Rules) -> None:
    """Timestamps come in pairs, never go back, and win where they are likelier than any text.

    After WhisperTimeStampLogitsProcessor of transformers, which is after openai/whisper's
    ApplyTimestampRules.
    """
    first = rules.no_timestamps + 1  # <|0.00|>
    scores[rules.no_timestamps] = -np.inf
    last_is_time = bool(said) and said[-1] >= first
    before_is_time = len(said) < 2 or said[-2] >= first
    if last_is_time:
        if before_is_time:
            scores[first:] = -np.inf
        else:
            scores[: rules.ends[0]] = -np.inf
    times = [token for token in said if token >= first]
    if times:
        opened = last_is_time and not before_is_time
        scores[first : times[-1] + (0 if opened else 1)] = -np.inf
    if not said:
        scores[:first] = -np.inf
        if rules.latest_first is not None:
            scores[first + rules.latest_first + 1 :] = -np.inf
    time_scores = scores[first:].astype(np.float64)
    highest = time_scores.max()
    if highest > -np.inf:
        together = highest + np.log(np.exp(time_scores - highest).sum())
        if together > scores[:first].max():
            scores[:first] = -np.inf
