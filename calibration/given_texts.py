"""Texts that are given, not generated: labels and human references, as the decoder's tokens."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from tokenizers import Tokenizer

from calibration.prompts import TIMESTAMPS, task_of
from calibration.sample import LABELS
from common.cli import UserError
from common.files import read_json
from data.clips import Clip
from data.languages import UNSPACED

STEP = 0.02  # seconds between two timestamp tokens
LAST = 1500  # steps of the last one, <|30.00|>


class Labels(NamedTuple):
    """What a model heard, by the clip's path."""

    transcriptions: dict[str, str]
    translations: dict[str, dict[str, str]]

    def text(self, clip: Clip, stratum: str) -> str:
        """A clip's text in the stratum's task; raises a `UserError` where there is none."""
        name = clip["path"].as_posix()
        if task_of(stratum) == "translate" and name in self.translations:
            return self.translations[name]["translation"]
        if task_of(stratum) == "transcribe" and name in self.transcriptions:
            return self.transcriptions[name]
        raise UserError(
            f"data/transcriptions.json and data/translations.json lack the {stratum} text of"
            f" {name}; make them again with `snakemake --cores all labels`, by a model"
            " (data.labels) where there are no human translations"
        )


def read_labels(transcriptions: Path, translations: Path) -> Labels:
    """The labels of both files."""
    return Labels(read_json(transcriptions), read_json(translations))


def reference(clip: Clip, stratum: str) -> str:
    """A clip's human text in the stratum's task; raises a `UserError` where there is none."""
    text = clip["translation" if task_of(stratum) == "translate" else "transcription"]
    if text is None:
        raise UserError(
            f"{clip['path']} has no English reference; set calibration.decoder.text to generated or"
            " labels, or give the share of translate in calibration.decoder.mix to transcribe"
        )
    return text


def text_tokens(text: str, clip: Clip, stratum: str, tokenizer: Tokenizer) -> list[int]:
    """Tokens of a text as Whisper writes it: after a space, where its language has spaces."""
    language = "en" if task_of(stratum) == "translate" else clip["whisper_language"]
    text = text.strip()
    spaced = f" {text}" if text and language not in UNSPACED else text
    return tokenizer.encode(spaced, add_special_tokens=False).ids


def with_times(tokens: list[int], clip: Clip, generation: SimpleNamespace) -> list[int]:
    """Tokens of a text as one timed segment, from the clip's first moment to its last."""
    first = generation.no_timestamps_token_id + 1
    steps = min(LAST, round(clip["seconds"] * clip["fraction"] / STEP))
    return [first, *tokens, first + steps]


def given_tokens(
    clip: Clip,
    stratum: str,
    text: str,
    labels: Labels | None,
    tokenizer: Tokenizer,
    generation: SimpleNamespace,
) -> list[int]:
    """All that the decoder says after its prompt, where it is given, for a whole clip.

    A shortened copy gets the first tokens of it, as many as its share.

    Args:
        clip: With its `fraction`.
        stratum: Says the task, and whether there are timestamps.
        text: Labels or reference.
        labels: The labels.
        tokenizer: The checkpoint's.
        generation: The checkpoint's generation configuration.

    Raises:
        UserError: There is no such text of the clip.
    """
    written = labels.text(clip, stratum) if text == LABELS else reference(clip, stratum)
    tokens = text_tokens(written, clip, stratum, tokenizer)
    tokens = tokens[: math.ceil(len(tokens) * clip["fraction"])]
    return with_times(tokens, clip, generation) if stratum == TIMESTAMPS else tokens
