"""The token sequences that the decoder will be fed, and the embeddings that it sees of them."""

import hashlib

import numpy as np
import torch
from transformers import GenerationConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from data.clips import Clip, is_multilingual


def tasks_of(generation: GenerationConfig, allowed: list[str]) -> list[str]:
    """The tasks of `allowed` that the checkpoint has a token for; an English-only one has none."""
    if not is_multilingual(generation):
        return ["transcribe"]
    return [task for task in allowed if task in generation.task_to_id]


def draw_task(clip: Clip, seed: int, mix: dict[str, float], tasks: list[str]) -> str:
    """The task of a clip, drawn by the seed and the clip's identity alone.

    No other clip and no order takes part, so adding a language changes no other clip's task.
    English is never translated into English.

    Args:
        clip: A manifest line.
        seed: Seed of the draw.
        mix: Share of each task, adding up to 1.
        tasks: The tasks that the checkpoint can do.
    """
    if "translate" not in tasks or clip["whisper_language"] == "en":
        return "transcribe"
    identity = f"{seed}/{clip['language']}/{clip['recording']}"
    digest = hashlib.sha256(identity.encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    return "translate" if fraction < mix["translate"] else "transcribe"


def prompt_of(language: str, task: str, generation: GenerationConfig) -> dict[str, str]:
    """The arguments of `generate` that make the prompt; an English-only model takes none."""
    if not is_multilingual(generation):
        return {}
    return {"language": language, "task": task}


@torch.inference_mode()
def encode(model: WhisperForConditionalGeneration, features: np.ndarray) -> np.ndarray:
    """Encoder states float32 [1, positions, d_model] of features [1, frames, n_mels]."""
    inputs = torch.from_numpy(features).transpose(1, 2)
    return model.model.encoder(inputs).last_hidden_state.numpy()


@torch.inference_mode()
def greedy_tokens(
    model: WhisperForConditionalGeneration,
    states: np.ndarray,
    prompt: dict[str, str],
    max_new_tokens: int,
) -> list[int]:
    """All tokens that the decoder is fed when it transcribes a clip greedily.

    The prompt stands at the head and no end-of-text token at the tail: the decoder makes that
    token and is never fed it. `force_unique_generate_call` is what keeps the prompt in the result
    (transformers strips it otherwise) and keeps a stray timestamp from starting a second pass.

    Args:
        model: The checkpoint.
        states: Encoder states, float32 [1, positions, d_model].
        prompt: `language` and `task` for `generate`.
        max_new_tokens: Text tokens at most; cut to what the position table holds.
    """
    generation = model.generation_config
    prompt_length = 4 if prompt else 2  # without language and task
    room = model.config.max_target_positions - prompt_length
    ids = model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=torch.from_numpy(states)),
        max_new_tokens=min(max_new_tokens, room),
        do_sample=False,
        num_beams=1,
        return_timestamps=False,
        force_unique_generate_call=True,
        **prompt,
    )[0].tolist()
    ends = generation.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]  # a checkpoint may have several
    length = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    return ids[:length]


def embed(model: WhisperForConditionalGeneration, token_ids: list[int]) -> np.ndarray:
    """Decoder input float32 [1, L, d_model]: token plus position embedding, row by row."""
    decoder = model.model.decoder
    tokens = decoder.embed_tokens.weight.detach()[token_ids]
    return (tokens + decoder.embed_positions.weight.detach()[: len(token_ids)]).unsqueeze(0).numpy()
