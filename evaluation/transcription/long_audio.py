"""Audio of any length, as a user hears it: by windows, with a second try where one fails."""

from typing import Any

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from data.audio import FULL_SCALE, RATE, levels

SILENCE = -55.0  # dBFS of the whole audio: what is not louder has no text, whatever a model writes
# What openai/whisper's `transcribe` does with a window whose text repeats itself or is unlikely: it
# is decoded again, at random, ever more freely; and one that hardly is speech has no text. The
# ratio is that of tokens, at which transformers has the effect of 2.4 over characters.
FALLBACK = {
    "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "compression_ratio_threshold": 1.35,
    "logprob_threshold": -1.0,
    "no_speech_threshold": 0.6,
}
SEED = 0  # of what is random in it: two calls agree


@torch.inference_mode()
def transcribe(
    whisper: WhisperForConditionalGeneration,
    processor: WhisperProcessor,
    audio: np.ndarray,
    asked: dict[str, Any],
    timestamps: bool = False,
) -> str:
    """The text of audio; empty where there is silence alone.

    Args:
        whisper: Float or compiled.
        processor: Its processor.
        audio: float32 [time], 16 kHz, of any length. Whisper hears 30 s at a time; the library
            walks through longer audio by timestamps.
        asked: Language and task for `generate`, none for an English-only model.
        timestamps: Whether the text has them.
    """
    pcm = np.clip(audio * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    if not len(pcm) or levels(pcm)[0] <= SILENCE:
        return ""
    long = len(audio) > processor.feature_extractor.n_samples
    inputs = processor(
        audio,
        sampling_rate=RATE,
        return_tensors="pt",
        truncation=not long,
        padding="longest" if long else "max_length",
        return_attention_mask=True,
    )
    torch.manual_seed(SEED)
    ids = whisper.generate(**inputs, return_timestamps=long or timestamps, **FALLBACK, **asked)
    options = {"decode_with_timestamps": True} if timestamps else {}
    return processor.decode(ids[0], skip_special_tokens=True, **options).strip()
