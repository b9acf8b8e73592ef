"""What the float model makes each part be fed of clips: features, states, embedded texts."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calibration.features import encoder_input
from calibration.given_texts import text_tokens
from calibration.prompts import TRANSCRIBE, prompt_tokens
from common.listing import check_listed
from common.progress import Progress
from data.clips import Clip, interleave, read_audio, understood
from data.whisper import load_feature_extractor, load_generation, load_tokenizer
from runtime.openvino_sessions import float_encoder
from runtime.tables import TABLES, load_tables

INPUTS = ("mel", "encoder_states", "embeddings")


def first_of_each(checkpoint: Path, clip_manifests: list[Path], count: int) -> list[Clip]:
    """The first clips of each language that the checkpoint knows, the languages in turn.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of clips, one a language.
        count: Clips of a language, at most.
    """
    taken: dict[str, int] = defaultdict(int)
    clips = []
    for clip in understood(interleave(clip_manifests), load_generation(checkpoint)):
        taken[clip["language"]] += 1
        if taken[clip["language"]] <= count:
            clips.append(clip)
    return clips


def inputs_of(
    checkpoint: Path, graphs: Path, clips: list[Clip], what: str
) -> Iterator[tuple[Clip, dict[str, np.ndarray]]]:
    """Each clip, and by the names in INPUTS what the parts are fed of it.

    Args:
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs.
        clips: Of which the human text is embedded, behind the prompt.
        what: Is done, for the progress.
    """
    check_listed(graphs)
    extractor, tokenizer = load_feature_extractor(checkpoint), load_tokenizer(checkpoint)
    generation, tables = load_generation(checkpoint), load_tables(graphs.with_name(TABLES))
    encoder = float_encoder(graphs.parent)
    for clip in Progress(clips, desc=what, unit="clip"):
        mel = encoder_input(extractor, read_audio(clip))
        prompt = prompt_tokens(clip["whisper_language"], TRANSCRIBE, generation)
        said = text_tokens(clip["transcription"] or "", clip, TRANSCRIBE, tokenizer)
        fed = np.array([[*prompt, *said][: len(tables.positions)]])
        arrays = mel, encoder.encode(mel), tables.embed(fed)
        yield clip, dict(zip(INPUTS, arrays, strict=True))
