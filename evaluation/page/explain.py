"""Why float and compiled model differ on a recording: which half, where in it, at which tokens."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from calibration.features import encoder_input
from calibration.prompts import prompt_tokens, task_of
from data.audio import RATE
from data.clips import is_multilingual
from evaluation.page.heard import BROKEN, Moved, Why
from evaluation.quality.distances import softmax_log
from evaluation.scoring.pairs import FLOAT
from evaluation.transcription.hear import hear, language_logits, logits_beside
from evaluation.transcription.pairings import pairings_of

POSITION = 0.02  # seconds of one of the encoder's states
AVERAGED = 5  # states that a point of a curve is of: 0.1 s
MOST, LEAST = 8, 0.01  # tokens that are shown; how far the probability of one has moved
BEFORE = 6  # tokens that are shown before one
KINDS = ("float", "compiled")


class Parts:
    """Float and compiled parts of one model.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: A hand-off folder.
    """

    def __init__(self, graphs: Path, folder: Path) -> None:
        self._pairings = pairings_of(graphs, folder)
        self._generation = self._pairings.generation
        self._multilingual = is_multilingual(self._generation)
        self._window = self._pairings.processor.feature_extractor.n_samples

    def languages(self, audio: np.ndarray, _: Any) -> dict[str, tuple[str, float]]:
        """The likeliest language, a Whisper code, and its probability, for float and compiled.

        Args:
            audio: float32 [time], 16 kHz; the first window decides, as in generation.

        Returns:
            Nothing where the model knows one language.
        """
        if not self._multilingual:
            return {}
        states = self._states(audio, 0)
        return {kind: self._language(kind, states[kind]) for kind in KINDS}

    def why(self, audio: np.ndarray, begin: float, language: str | None, task: str, _: Any) -> Why:
        """Look into one window.

        Args:
            audio: float32 [time], 16 kHz, of the whole recording.
            begin: Where the window begins, in seconds.
            language: Whisper code; the float model's where not given.
            task: transcribe or translate.
        """
        states = self._states(audio, begin)
        if language is None:
            language = self._language("float", states["float"])[0] if self._multilingual else "en"
        decoders, files = self._pairings.decoders, (self._generation, self._pairings.processor)
        heard = {
            f"{e}+{d}": hear(decoders[d], states[e], language, task, *files)
            for e, d in product(KINDS, KINDS)
        }
        prompt = prompt_tokens(language, task_of(task), self._generation)
        said = heard[FLOAT].tokens
        logits = [
            logits_beside(heard[f"{kind}+{kind}"], decoders[kind], states[kind], prompt, said)
            for kind in KINDS
        ]
        seconds = min(len(audio) / RATE - begin, self._window / RATE)
        return Why(
            begin=begin,
            seconds=seconds,
            texts={name: heard[name].text for name in heard},
            distances=distances(states["float"][0], states["compiled"][0], seconds),
            moved=moved(said, logits[0], logits[1], self._text),
        )

    def _states(self, audio: np.ndarray, begin: float) -> dict[str, np.ndarray]:
        start = int(begin * RATE)
        extractor = self._pairings.processor.feature_extractor
        features = encoder_input(extractor, audio[start : start + self._window])
        return {kind: one.encode(features) for kind, one in self._pairings.encoders.items()}

    def _language(self, kind: str, states: np.ndarray) -> tuple[str, float]:
        """The likeliest language among all of them, and its share of their probability."""
        logits = language_logits(self._pairings.decoders[kind], states, self._generation)
        shares = np.exp(softmax_log(np.array(list(logits.values()))))
        best = int(shares.argmax())
        return list(logits)[best], float(shares[best])

    def _text(self, tokens: list[int]) -> str:
        return self._pairings.processor.decode(tokens, skip_special_tokens=True)


def distances(reference: np.ndarray, other: np.ndarray, seconds: float) -> list[float]:
    """1 - cosine of two encoders' states [positions, d_model], averaged over 0.1 s each.

    Args:
        reference: Float states.
        other: The compiled encoder's.
        seconds: Of audio in the window; what is behind is silence.
    """
    a, b = reference.astype(np.float64), other.astype(np.float64)
    away = 1 - (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    away = away[: max(int(seconds / POSITION), 1)]
    starts = np.arange(0, len(away), AVERAGED)
    means = np.add.reduceat(away, starts) / np.diff(np.append(starts, len(away)))
    return [float(value) for value in means]


def moved(said: list[int], before: np.ndarray, after: np.ndarray, text: Any) -> list[Moved]:
    """The tokens whose probability moved most, of a text and its end.

    Args:
        said: The text's tokens; after the last one, the end is expected.
        before: Float logits [len(said) + 1, vocabulary], fed with the text.
        after: The compiled model's.
        text: What makes a text of tokens.
    """
    expected = np.array([*said, before[-1].argmax()])
    places = np.arange(len(expected))
    p, q = (np.exp(softmax_log(logits))[places, expected] for logits in (before, after))
    order = np.argsort(-np.abs(p - q), kind="stable")[:MOST]
    order = order[np.abs(p - q)[order] >= LEAST]
    best = after.argmax(-1)
    return [
        Moved(
            before=text(said[max(place - BEFORE, 0) : place]),
            token=whole(expected.tolist(), int(place), text) or "end",
            float=float(p[place]),
            compiled=float(q[place]),
            instead="" if best[place] == expected[place] else text([int(best[place])]) or "end",
        )
        for place in order
    ]


def whole(tokens: list[int], place: int, text: Any) -> str:
    """The text of a token, with those after it where it is a part of a character."""
    for end in range(place + 1, len(tokens) + 1):
        if BROKEN not in (found := text(tokens[place:end])):
            return found
    return text(tokens[place : place + 1])
