"""The tokens of texts that are given, not generated, and what is wrong with generated ones."""

import math
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from tokenizers import Tokenizer

from calibration.strata import TIMESTAMPS, task_of
from common.cli import UserError
from common.files import read_json
from data.clips import Clip
from data.languages import UNSPACED

STEP = 0.02  # seconds between two timestamp tokens
LAST = 1500  # steps of the last one, <|30.00|>
LOOPING = 2.4  # zlib ratio of a text that repeats itself (openai/whisper, transcribe.py)


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


def given(
    text: str, clip: Clip, stratum: str, tokenizer: Tokenizer, generation: SimpleNamespace
) -> list[int]:
    """All that the decoder says after its prompt, for a text of the whole clip.

    A shortened copy gets the first tokens of it, as many as its share.
    """
    tokens = text_tokens(text, clip, stratum, tokenizer)
    tokens = tokens[: math.ceil(len(tokens) * clip["fraction"])]
    return with_times(tokens, clip, generation) if stratum == TIMESTAMPS else tokens


def previous(
    clip: Clip, tokenizer: Tokenizer, generation: SimpleNamespace, positions: int
) -> list[int]:
    """Prompt tokens of a clip's reference as the text before another clip.

    The last ones, where it is long: fewer than half of the decoder's positions, as transformers'
    `generate` and openai/whisper cut it.
    """
    start = getattr(generation, "prev_sot_token_id", None)
    start = tokenizer.token_to_id("<|startofprev|>") if start is None else start
    tokens = text_tokens(clip["transcription"], clip, "transcribe", tokenizer)
    return [start, *tokens[-(positions // 2 - 1) :]]


def fault_of(tokens: list[int], tokenizer: Tokenizer, generation: SimpleNamespace) -> str | None:
    """Why a generated text is of no use, or None: it is empty, or it repeats itself."""
    ends = generation.eos_token_id
    end = min(ends) if isinstance(ends, list) else ends  # below it stand the tokens of text
    text = tokenizer.decode([token for token in tokens if token < end]).strip().encode()
    if not text:
        return "empty"
    ratio = len(text) / len(zlib.compress(text))
    return f"repeats itself (compression ratio {ratio:.1f})" if ratio > LOOPING else None
