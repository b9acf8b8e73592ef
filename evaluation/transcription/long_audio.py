"""Audio of any length, as a user hears it: by windows, with a second try where one fails."""

from typing import Any

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from data.audio import RATE
from evaluation.transcription.silence import is_silent

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
        timestamps: Whether the text has them: `<|0.00|> text<|2.00|>`.
    """
    if is_silent(audio):
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
    given = inputs | FALLBACK | asked
    found = whisper.generate(
        **given, return_timestamps=long or timestamps, return_segments=timestamps
    )
    if timestamps:
        return "".join(_timed(one, processor, whisper) for one in found["segments"][0]).strip()
    return processor.decode(found[0], skip_special_tokens=True).strip()


def _timed(
    segment: dict[str, Any], processor: WhisperProcessor, whisper: WhisperForConditionalGeneration
) -> str:
    """`<|0.00|> text<|2.00|>`.

    Not by the tokenizer, whose times are wrong where a checkpoint's does not say which tokens are
    special.
    """
    first = whisper.generation_config.no_timestamps_token_id + 1  # <|0.00|>
    said = [token for token in segment["tokens"].tolist() if token < first]
    text = processor.decode(said, skip_special_tokens=True)
    return f"<|{float(segment['start']):.2f}|>{text}<|{float(segment['end']):.2f}|>"
