"""What a Whisper makes of a clip by transformers' own `generate`: by beams, say."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from calibration.greedy import rules_of
from calibration.prompts import TIMESTAMPS, prompt_tokens, task_of
from data.clips import is_multilingual
from evaluation.transcription.hear import Text
from runtime.compiled_whisper import CompiledWhisper
from runtime.sessions import DecoderSession


def outputs_of(states: np.ndarray) -> BaseModelOutput:
    """Encoder states [1, positions, d_model] as the library hands them on."""
    return BaseModelOutput(last_hidden_state=torch.from_numpy(states))


@torch.inference_mode()
def generate(
    whisper: WhisperForConditionalGeneration,
    processor: WhisperProcessor,
    states: np.ndarray,
    language: str,
    task: str,
) -> Text:
    """The text of a clip's encoder states, in one pass over the window.

    With the task `timestamps`, they are among the tokens, and the task is to transcribe.

    Raises:
        ValueError: the library has not begun with the prompt that the decoder was calibrated with.
    """
    settings = whisper.generation_config
    asked = {"language": language, "task": task_of(task)} if is_multilingual(settings) else {}
    ids = whisper.generate(
        encoder_outputs=outputs_of(states),
        force_unique_generate_call=True,
        return_timestamps=task == TIMESTAMPS,
        **asked,
    )[0].tolist()
    prompt = prompt_tokens(language, task, settings)
    if ids[: len(prompt)] != prompt:
        raise ValueError(f"the prompt is {ids[: len(prompt)]}, and not {prompt}")
    ended = ids[-1] in rules_of(settings).ends
    tokens = ids[len(prompt) : len(ids) - ended]
    text = processor.decode(tokens, skip_special_tokens=True).strip()
    return Text(text, tokens, not ended)


def by_beams(whisper: CompiledWhisper, beams: int) -> Callable[..., Text]:
    """A function like hear.hear that searches for a text with beams.

    Args:
        whisper: Has the session that the function will be given.
        beams: How many texts are followed at once.
    """
    whisper.generation_config.num_beams = beams

    def searched(
        _: DecoderSession,
        states: np.ndarray,
        language: str,
        task: str,
        __: SimpleNamespace,
        processor: WhisperProcessor,
    ) -> Text:
        whisper.forget()
        return generate(whisper, processor, states, language, task)

    return searched
