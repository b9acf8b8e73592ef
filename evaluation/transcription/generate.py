"""What a Whisper makes of a clip, through transformers' own `generate`."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from calibration.prompts import TIMESTAMPS, prompt_tokens, tasks_of
from data.clips import Clip, is_multilingual
from evaluation.scoring.text_errors import normalise


class Text(NamedTuple):
    """A text, and the tokens that it is of."""

    text: str
    tokens: list[int]  # after the prompt, without the end
    at_limit: bool  # the text was cut off where the position table ends


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
    timestamps: bool = False,
) -> Text:
    """The text of a clip's encoder states, in one pass over the window.

    With timestamps, they are among the tokens, and the task is to transcribe.

    Raises:
        ValueError: the library has not begun with the prompt that the decoder was calibrated with.
    """
    settings = whisper.generation_config
    asked = {"language": language, "task": task} if is_multilingual(settings) else {}
    ids = whisper.generate(
        encoder_outputs=outputs_of(states),
        force_unique_generate_call=True,
        return_timestamps=timestamps,
        **asked,
    )[0].tolist()
    prompt = prompt_tokens(language, TIMESTAMPS if timestamps else task, settings)
    if ids[: len(prompt)] != prompt:
        raise ValueError(f"the prompt is {ids[: len(prompt)]}, and not {prompt}")
    ends = settings.eos_token_id
    ended = ids[-1] in (ends if isinstance(ends, list) else [ends])
    tokens = ids[len(prompt) : len(ids) - ended]
    text = processor.decode(tokens, skip_special_tokens=True).strip()
    return Text(text, tokens, not ended)


@torch.inference_mode()
def detect(whisper: WhisperForConditionalGeneration, states: np.ndarray) -> str | None:
    """Whisper code of the language that states are heard in; None where a model knows only one."""
    generation = whisper.generation_config
    if not is_multilingual(generation):
        return None
    (token,) = whisper.detect_language(encoder_outputs=outputs_of(states)).tolist()
    codes = {number: name.strip("<|>") for name, number in generation.lang_to_id.items()}
    return codes[token]


@torch.inference_mode()
def logits_of(
    whisper: WhisperForConditionalGeneration, states: np.ndarray, prompt: list[int], said: list[int]
) -> np.ndarray:
    """Logits [len(said) + 1, vocabulary] of every token after a prompt, with `said` fed.

    Token by token, as at run time: some parts for NPUs give the logits of the last token only.
    """
    fed = torch.tensor([[*prompt, *said]])
    rows = []
    for end in range(len(prompt), fed.shape[1] + 1):
        given = fed[:, :end]
        logits = whisper(decoder_input_ids=given, encoder_outputs=outputs_of(states)).logits
        rows.append(logits[0, -1].numpy().copy())
    return np.stack(rows)


def references(clip: Clip, generation: SimpleNamespace, tasks: list[str]) -> dict[str, str]:
    """The human text for each task that can be scored on a clip.

    Args:
        clip: English ones are not translated.
        generation: The checkpoint's generation configuration.
        tasks: Those that the checkpoint was trained for.
    """
    texts: dict[str, Any] = {"transcribe": clip["transcription"], "translate": clip["translation"]}
    if clip["whisper_language"] == "en":
        texts.pop("translate")
    able = tasks_of(generation, tasks)
    return {
        task: text
        for task, text in texts.items()
        if task in able and text and normalise(text, language_of(task, clip))
    }


def language_of(task: str, clip: Clip) -> str:
    """Whisper code of the language that a task's text is in."""
    return "en" if task == "translate" else clip["whisper_language"]
