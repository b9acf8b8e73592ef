"""A Whisper checkpoint as the maker of labels: each clip encoded once, transcribed, translated."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from common.cli import UserError
from common.files import sha256_of
from common.progress import Progress
from data import whisper
from data.audio import RATE
from data.clips import Clip, is_multilingual, read_audio
from data.label_store import Label, LabelStore
from data.whisper import facts_of, load_generation, load_model, load_processor

BATCH = {"cpu": 8, "cuda": 16}  # clips encoded and decoded together, where the user does not say


def labels_of(
    checkpoint: Path, clips: list[Clip], store: LabelStore, batch: int | None = None
) -> list[Label]:
    """Labels of all clips, in their order; those that the store lacks are made, and kept in it.

    Args:
        checkpoint: Manifest of the checkpoint.
        clips: Manifest lines with their "path".
        store: Finished labels. Neither the batch nor the other clips are part of their keys.
        batch: Clips at once; None for what suits the device. The GPU is used where there is one.

    Raises:
        UserError: The checkpoint cannot do a language, a clip was changed, or the GPU is too small.
    """
    facts = facts_of(checkpoint)
    generation = load_generation(checkpoint)
    refuse_languages(clips, generation, facts["source"])
    code = [sha256_of(Path(module)) for module in (__file__, whisper.__file__)]
    keys = [_key_of(facts, code, clip) for clip in clips]
    missing = {key: clip for key, clip in zip(keys, clips, strict=True) if not store.find(key)}
    if missing:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        _make(checkpoint, missing, store, batch or BATCH[device], device)
    return [store.find(key) for key in keys]


def refuse_languages(clips: list[Clip], generation: SimpleNamespace, source: str) -> None:
    """Raise a `UserError` that names the clips' languages that a checkpoint cannot label."""

    def refuse(clips: list[Clip], reason: str) -> None:
        if names := ", ".join(sorted({clip["language"] for clip in clips})):
            raise UserError(
                f"{source} cannot label {names}: {reason}; name a checkpoint in data.labels.model"
                " that can, or `reference`"
            )

    foreign = [clip for clip in clips if clip["whisper_language"] != "en"]
    if not is_multilingual(generation):
        refuse(foreign, "it is English-only")
        return
    known = generation.lang_to_id
    unknown = [clip for clip in clips if f"<|{clip['whisper_language']}|>" not in known]
    refuse(unknown, "it does not know the language")
    if "translate" not in generation.task_to_id:
        refuse(foreign, "it does not translate")


@torch.inference_mode()
def label_batch(
    model: WhisperForConditionalGeneration, processor: WhisperProcessor, clips: list[Clip]
) -> list[Label]:
    """Labels of some clips: one pass through the encoder, and one `generate` a task.

    English is not translated: its translation is its transcription.
    """
    # Clip by clip, so that nothing about a clip depends on its neighbours.
    features = [
        processor.feature_extractor(read_audio(clip), sampling_rate=RATE, return_tensors="pt")
        for clip in clips
    ]
    inputs = torch.cat([feature.input_features for feature in features])
    states = model.model.encoder(inputs.to(model.device)).last_hidden_state
    languages = [clip["whisper_language"] for clip in clips]
    spoken = _texts(model, processor, states, languages, "transcribe")
    foreign = [row for row, language in enumerate(languages) if language != "en"]
    english = dict(enumerate(spoken))
    if foreign:
        sources = [languages[row] for row in foreign]
        texts = _texts(model, processor, states[foreign], sources, "translate")
        english |= zip(foreign, texts, strict=True)
    return [Label(text, english[row]) for row, text in enumerate(spoken)]


def _texts(
    model: WhisperForConditionalGeneration,
    processor: WhisperProcessor,
    states: torch.Tensor,
    languages: list[str],
    task: str,
) -> list[str]:
    """Greedy texts of encoder states float32 [clips, positions, d_model].

    `force_unique_generate_call` keeps a stray timestamp from starting a second pass.
    """
    generation = model.generation_config
    prompt = {"language": languages, "task": task} if is_multilingual(generation) else {}
    prompt_length = 4 if prompt else 2  # without language and task
    rows = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        max_new_tokens=model.config.max_target_positions - prompt_length,
        do_sample=False,
        num_beams=1,
        return_timestamps=False,
        force_unique_generate_call=True,
        **prompt,
    ).tolist()
    ends = generation.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]  # a checkpoint may have several
    texts = []
    for row in rows:
        # What follows the end is padding, which in some checkpoints is a token of text.
        length = next((place for place, token in enumerate(row) if token in ends), len(row))
        texts.append(processor.tokenizer.decode(row[:length], skip_special_tokens=True).strip())
    return texts


def _key_of(facts: dict[str, Any], code: list[str], clip: Clip) -> str:
    """One key for everything that a label depends on."""
    parts = [facts, code, clip["sha256"], clip["whisper_language"]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make(
    checkpoint: Path, missing: dict[str, Clip], store: LabelStore, batch: int, device: str
) -> None:
    """Make the missing labels, and keep those of each batch as soon as it is finished."""
    model, processor = load_model(checkpoint).to(device), load_processor(checkpoint)
    # A batch takes as long as its longest text, and texts of one language are the most alike.
    keys = sorted(missing, key=lambda k: (missing[k]["language"], missing[k]["seconds"], k))
    with Progress(total=len(keys), desc="labels", unit="clip") as progress:
        for start in range(0, len(keys), batch):
            some = keys[start : start + batch]
            try:
                labels = label_batch(model, processor, [missing[key] for key in some])
            except torch.OutOfMemoryError as error:
                raise UserError(
                    f"the GPU has too little memory for {batch} clips at once; run python -m"
                    " data.labels with a smaller --batch: it goes on from here"
                ) from error
            store.add(zip(some, labels, strict=True))
            progress.update(len(some))
