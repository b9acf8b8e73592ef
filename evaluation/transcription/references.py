"""The human texts of clips, that transcripts are compared with."""

from types import SimpleNamespace
from typing import Any

from calibration.prompts import tasks_of
from data.clips import Clip
from evaluation.scoring.text_errors import language_of, normalise


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
