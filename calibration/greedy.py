"""Greedy decoding of a batch of clips: the token sequences that the decoder will be fed.

The rules are those of transformers' `generate` for a Whisper, and the tests hold the two together.
Neither torch nor transformers is needed, which are a gigabyte of memory.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from runtime.sessions import DecoderSession
from runtime.tables import Tables


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


def greedy(
    decoder: DecoderSession,
    tables: Tables,
    states: np.ndarray,
    prompts: list[list[int]],
    rules: Rules,
    max_new_tokens: int,
) -> list[list[int]]:
    """All tokens that the decoder is fed for each clip: its prompt, then what it says.

    No end-of-text token stands at the tail: the decoder makes it and is never fed it. Timestamps
    are written where the prompt does not switch them off.

    Args:
        decoder: A session for this batch.
        tables: The checkpoint's embedding tables.
        states: Encoder states, float32 [B, positions, d_model].
        prompts: The prompts' tokens, of one length, all with timestamps or all without.
        rules: The checkpoint's.
        max_new_tokens: Tokens after the prompt at most; cut to what the position table holds.
    """
    timestamps = prompts[0][-1] != rules.no_timestamps
    length = len(prompts[0])
    said: list[list[int]] = [[] for _ in prompts]
    finished = [False] * len(prompts)
    decoder.start(states)
    feed, cached = np.array(prompts), 0
    for _ in range(min(max_new_tokens, len(tables.positions) - length)):
        scores = decoder.step(tables.embed(feed, cached), cached)[:, -1]
        cached += feed.shape[1]
        for row, tokens in enumerate(said):
            if finished[row]:
                continue
            forbid(scores[row], tokens, rules, timestamps)
            token = int(scores[row].argmax())
            finished[row] = token in rules.ends
            if not finished[row]:
                tokens.append(token)
        if all(finished):
            break
        # What a finished row is fed no longer matters.
        feed = np.array([[tokens[-1] if tokens else rules.ends[0]] for tokens in said])
    return [prompt + tokens for prompt, tokens in zip(prompts, said, strict=True)]


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
