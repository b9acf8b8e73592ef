"""An NPU hears a recording: the parts of a hand-off folder, through transformers' `generate`."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from transformers import WhisperProcessor

from calibration.greedy import rules_of
from common.memory import peak_bytes
from data.audio import RATE
from data.clips import is_multilingual
from evaluation.page.heard import BROKEN, Heard, Settings, Timed, spoken
from evaluation.transcription.long_audio import transcribe
from evaluation.transcription.models import with_sessions
from runtime.folder import sessions_of
from runtime.sessions import DecoderSession
from runtime.word_times import WordTimes

SEGMENT = re.compile(r"<\|(\d+\.\d+)\|>([^<]*)<\|(\d+\.\d+)\|>")
STAMP = re.compile(r"<\|\d+\.\d+\|>")


class Watched:
    """A decoder session, and what was fed to it: the text as it is decoded.

    Args:
        session: The session.
        decode: What makes a text of tokens.
    """

    def __init__(self, session: DecoderSession, decode: Callable[[list[int]], str]) -> None:
        self._session = session
        self._decode = decode
        self.states = np.empty(0, np.float32)  # of the last window
        self.fed: list[int] = []  # in it
        self.prompt = 0  # how many of them came before the text
        self.watch(lambda _: None)

    def watch(self, say: Callable[[str], None]) -> None:
        """Say further pieces of text to somebody, and count anew."""
        self._say = say
        self._said = ""
        self.times: list[float] = []  # when the logits of each step were there

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self.states = states.copy()
        self._session.start(states)

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        logits = self._session.step(token_ids, cached)
        tokens = token_ids[0].tolist()
        if len(tokens) > 1 or not cached:
            self.prompt, self._said = cached + len(tokens), ""
        self.times.append(time.perf_counter())
        self.fed = [*self.fed[:cached], *tokens]
        text = self._decode(self.fed[self.prompt :])
        if BROKEN not in text and text.startswith(self._said) and text != self._said:
            self._say(text[len(self._said) :])
            self._said = text
        return logits


class Device:
    """A hand-off folder on the device that it is for, ready to hear.

    Args:
        folder: The folder.

    Raises:
        UserError: What runs it is not here.
    """

    def __init__(self, folder: Path) -> None:
        encoder, decoder = sessions_of(folder)
        self._processor = WhisperProcessor.from_pretrained(str(folder))
        self._decoder = Watched(decoder, self._decoded)
        self._whisper = with_sessions(folder, encoder, self._decoder)
        self._times = WordTimes(folder) if (folder / "alignment.xml").is_file() else None

    def hear(self, audio: np.ndarray, settings: Settings, say: Callable[[str], None]) -> Heard:
        """See `GenAI.hear`. Words have times in audio of one window."""
        generation, watched = self._whisper.generation_config, self._decoder
        asked: dict[str, Any] = {}
        if is_multilingual(generation):
            asked["task"] = settings.task
            asked |= {"language": settings.language} if settings.language else {}
        watched.watch(say)
        begin = time.perf_counter()
        text = transcribe(self._whisper, self._processor, audio, asked, settings.timestamps)
        seconds = time.perf_counter() - begin
        language = self._language() if asked else None
        first, last = watched.times[0], watched.times[-1]
        return Heard(
            text=STAMP.sub("", text).strip(),
            segments=[Timed(said, float(a), float(b)) for a, said, b in SEGMENT.findall(text)],
            words=self._words(audio, spoken(settings, language)),
            language=language,
            seconds=seconds,
            first_token=first - begin,
            tokens_per_second=(len(watched.times) - 1) / max(last - first, 1e-9),
            real_time_factor=seconds * RATE / len(audio),
            peak_bytes=peak_bytes(),
        )

    def _decoded(self, tokens: list[int]) -> str:
        return self._processor.decode(tokens, skip_special_tokens=True)

    def _language(self) -> str | None:
        """That of the last prompt."""
        codes = {
            number: code for code, number in self._whisper.generation_config.lang_to_id.items()
        }
        prompt = self._decoder.fed[: self._decoder.prompt]
        return next((codes[token].strip("<|>") for token in prompt if token in codes), None)

    def _words(self, audio: np.ndarray, language: str) -> list[Timed]:
        watched, extractor = self._decoder, self._processor.feature_extractor
        if self._times is None or len(audio) > extractor.n_samples:
            return []
        ends = rules_of(self._whisper.generation_config).ends
        tokens = [one for one in watched.fed if one not in ends]
        given = watched.prompt, len(audio) / RATE, self._processor.tokenizer, language
        return [Timed(*word) for word in self._times.of_words(watched.states, tokens, *given)]
