"""The clips that calibration and evaluation read: manifests in, one interleaved list out."""

from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import soundfile

from common.cli import UserError
from common.files import is_unchanged, read_jsonl

Clip = dict[str, Any]  # a line of data/audio_files/{use}/{language}.jsonl, and its "path"


def interleave(manifests: list[Path]) -> list[Clip]:
    """The clips of all manifests, one of each language in turn.

    Vendor compilers look at the head of a calibration list only (16 samples in some steps), so
    every head holds as many languages as it can. The order depends on the manifests' order alone.
    """
    columns = [
        [{**line, "path": manifest.parent / line["file"]} for line in read_jsonl(manifest)]
        for manifest in manifests
    ]
    return [clip for row in zip_longest(*columns) for clip in row if clip is not None]


def is_multilingual(generation: SimpleNamespace) -> bool:
    """Whether the prompt names a language and a task; an English-only checkpoint's does not."""
    return getattr(generation, "is_multilingual", False)


def understood(clips: list[Clip], generation: SimpleNamespace) -> list[Clip]:
    """The clips in languages that the checkpoint can transcribe.

    An English-only checkpoint takes the English clips. A multilingual one must know every language.

    Raises:
        UserError: No clip is left, or a language is unknown to the checkpoint.
    """
    if is_multilingual(generation):
        for clip in clips:
            if f"<|{clip['whisper_language']}|>" not in generation.lang_to_id:
                raise UserError(
                    f"the checkpoint does not know {clip['language']} (Whisper language"
                    f" `{clip['whisper_language']}`); take it out of data.languages, or list the"
                    " languages of this model under models.<name>.languages"
                )
        return clips
    english = [clip for clip in clips if clip["whisper_language"] == "en"]
    if not english:
        raise UserError("the checkpoint is English-only; add en_us to data.languages")
    return english


def read_audio(clip: Clip) -> np.ndarray:
    """Samples of a clip, float32 in [-1, 1], shape [time], 16 kHz.

    Raises:
        UserError: The file is missing or is not the one that the manifest lists.
    """
    path = clip["path"]
    if not is_unchanged(path, clip["sha256"]):
        raise UserError(
            f"{path} is missing or was changed since its manifest was written; delete"
            f" {path.parent / clip['language']}.jsonl and run the same command again"
        )
    audio, _ = soundfile.read(path, dtype="float32")
    return audio
