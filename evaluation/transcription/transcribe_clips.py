"""The loop over clips: each is encoded by every encoder, and transcribed by every pairing."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from calibration.features import encoder_input
from common.cli import UserError
from common.progress import Progress
from data.clips import Clip, read_audio
from evaluation.transcription.hear import Text, hear
from evaluation.transcription.heard_texts import HeardTexts
from evaluation.transcription.pairings import Pairings
from evaluation.transcription.references import references

Hear = Callable[..., Text]  # as hear.hear
Row = dict[str, Any]  # of transcripts.json: what pairings make of a clip for one task


class Transcribed(NamedTuple):
    """A clip, and what became of it."""

    clip: Clip
    states: dict[str, np.ndarray]  # of each encoder, float32 [1, positions, d_model]
    texts: dict[str, dict[str, Text]]  # by task, then by pairing
    rows: list[Row]  # one a task
    seconds: float  # that encoding and all pairings took


def transcribe_clips(
    pairings: Pairings,
    clips: list[Clip],
    tasks: list[str],
    what: str,
    known: HeardTexts | None = None,
    by: Hear = hear,
) -> Iterator[Transcribed]:
    """Every clip, transcribed and translated by every pairing in one pass over the window.

    Args:
        pairings: What transcribes.
        clips: In languages that the model knows.
        tasks: Tasks that the checkpoint was trained for.
        what: Is done, for the progress.
        known: What other evaluations have heard; without it, everything is heard.
        by: How a decoder's tokens are chosen.

    Raises:
        UserError: After the last clip, if none has a human text to be compared with.
    """
    scored = False
    for clip in Progress(clips, desc=what, unit="clip"):
        audio = read_audio(clip)
        features = encoder_input(pairings.processor.feature_extractor, audio)
        begin = time.perf_counter()
        states = {kind: one.encode(features) for kind, one in pairings.encoders.items()}
        wanted = references(clip, pairings.generation, tasks)
        texts = {task: _texts(pairings, states, clip, task, audio, known, by) for task in wanted}
        seconds = time.perf_counter() - begin
        rows = [row_of(clip, task, reference, texts[task]) for task, reference in wanted.items()]
        scored |= bool(rows)
        yield Transcribed(clip, states, texts, rows, seconds)
    if not scored:
        raise UserError("no clip has a human text to compare with; give the index a column `text`")


def _texts(
    pairings: Pairings,
    states: dict[str, np.ndarray],
    clip: Clip,
    task: str,
    audio: np.ndarray,
    known: HeardTexts | None,
    by: Hear,
) -> dict[str, Text]:
    """What every pairing makes of a clip."""
    asked = [clip["whisper_language"], task]
    files = pairings.generation, pairings.processor
    texts = {}
    for e, d in product(states, pairings.decoders):
        heard = partial(by, pairings.decoders[d], states[e], *asked, *files)
        name = f"{e}+{d}"
        texts[name] = known.text(name, audio, asked, heard) if known else heard()
    return texts


def row_of(clip: Clip, task: str, reference: str, texts: dict[str, Text]) -> Row:
    """A row of transcripts.json."""
    return {
        "clip": str(clip["path"]),
        "language": clip["language"],
        "task": task,
        "whisper_language": clip["whisper_language"],
        "reference": reference,
        "texts": {pairing: one.text for pairing, one in texts.items()},
        "tokens": {pairing: len(one.tokens) for pairing, one in texts.items()},
        "at_limit": {pairing: one.at_limit for pairing, one in texts.items()},
    }
