"""What two parts make of one window of audio, greedily: the text, its tokens, and their logits.

By the decoding that calibration has (calibration/greedy.py), which the tests hold to transformers'
`generate`, token for token: so nothing is computed but the parts.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from transformers import WhisperProcessor

from calibration.greedy import greedy, rules_of
from calibration.prompts import prompt_tokens
from data.clips import is_multilingual
from runtime.sessions import DecoderSession


class Text(NamedTuple):
    """A text, and the tokens that it is of."""

    text: str
    tokens: list[int]  # after the prompt, without the end
    at_limit: bool  # the text was cut off where the position table ends
    logits: np.ndarray | None = None  # of each token and of what came after: [tokens + 1, words]


def hear(
    decoder: DecoderSession,
    states: np.ndarray,
    language: str,
    task: str,
    generation: SimpleNamespace,
    processor: WhisperProcessor,
) -> Text:
    """The text of a clip's encoder states, in one pass over the window.

    Args:
        decoder: Of any kind.
        states: Encoder states, float32 [1, positions, d_model].
        language: Whisper code.
        task: Or `timestamps`, with which they are among the tokens, and the task is to transcribe.
        generation: The checkpoint's generation configuration; `max_length` is its number of
            positions.
        processor: The checkpoint's.
    """
    prompt, limit = prompt_tokens(language, task, generation), generation.max_length
    logits: list[np.ndarray] = []
    (ids,) = greedy(decoder, states, [prompt], rules_of(generation), limit, limit, logits)
    tokens = ids[len(prompt) :]
    text = processor.decode(tokens, skip_special_tokens=True).strip()
    return Text(text, tokens, len(ids) == limit, np.concatenate(logits))


def detect(decoder: DecoderSession, states: np.ndarray, generation: SimpleNamespace) -> str | None:
    """Whisper code of the language that states are heard in; None where a model knows only one."""
    scores = language_logits(decoder, states, generation)
    return max(scores, key=lambda code: scores[code], default=None)


def language_logits(
    decoder: DecoderSession, states: np.ndarray, generation: SimpleNamespace
) -> dict[str, float]:
    """Logits of every language that a model knows, by Whisper code; none where it is only one."""
    if not is_multilingual(generation):
        return {}
    (logits,) = logits_of(decoder, states, [generation.decoder_start_token_id], [])
    return {name.strip("<|>"): logits[token] for name, token in generation.lang_to_id.items()}


def logits_of(
    decoder: DecoderSession, states: np.ndarray, prompt: list[int], said: list[int]
) -> np.ndarray:
    """Logits [len(said) + 1, vocabulary] after a prompt, and after each token that is then fed.

    Token by token, as at run time: some parts for NPUs give the logits of the last token only.
    """
    decoder.start(states)
    rows = [decoder.step(np.array([prompt]), 0)[0, -1]]
    for cached, token in enumerate(said, len(prompt)):
        rows.append(decoder.step(np.array([[token]]), cached)[0, -1])
    return np.stack(rows)


def logits_beside(
    text: Text, decoder: DecoderSession, states: np.ndarray, prompt: list[int], said: list[int]
) -> np.ndarray:
    """The same: those that a text was heard with, where it is kept and begins with `said`."""
    rows = len(said) + 1
    if text.logits is not None and len(text.logits) >= rows and text.tokens[: rows - 1] == said:
        return text.logits[:rows]
    return logits_of(decoder, states, prompt, said)
