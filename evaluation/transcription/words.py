"""The words of one window, as the parts of a hand-off folder hear them, and their times."""

from pathlib import Path

import numpy as np
from transformers import WhisperProcessor

from calibration.features import encoder_input
from calibration.prompts import prompt_tokens, task_of
from common.cli import UserError
from data.audio import RATE
from evaluation.transcription.hear import detect, hear
from evaluation.transcription.models import generation_of
from runtime.folder import sessions_of
from runtime.word_times import Word, WordTimes


def timed_words(folder: Path, audio: np.ndarray, asked: dict[str, str]) -> list[Word]:
    """Words and times of audio that fits one window.

    Args:
        folder: A hand-off folder that has alignment.xml.
        audio: float32 [time], 16 kHz.
        asked: `language` and `task`; a language is detected where none is given.

    Raises:
        UserError: The folder gives no times of words, or the audio is longer than a window.
    """
    times = WordTimes(folder)
    encoder, decoder = sessions_of(folder)
    generation = generation_of(folder)
    processor = WhisperProcessor.from_pretrained(str(folder))
    if len(audio) > processor.feature_extractor.n_samples:
        raise UserError(
            f"times of words are those of one window, and the recording has {len(audio) / RATE:.0f}"
            f" s; give one of at most {processor.feature_extractor.chunk_length} s"
        )
    states = encoder.encode(encoder_input(processor.feature_extractor, audio))
    language = asked.get("language") or detect(decoder, states, generation) or "en"
    task = asked.get("task", "transcribe")
    heard = hear(decoder, states, language, task, generation, processor)
    prompt = prompt_tokens(language, task_of(task), generation)
    fed, seconds = [*prompt, *heard.tokens], len(audio) / RATE
    spoken = "en" if task == "translate" else language
    return times.of_words(states, fed, len(prompt), seconds, processor.tokenizer, spoken)
