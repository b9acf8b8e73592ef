"""What a clip is calibrated for: its task, and the prompt that asks for it."""

import hashlib
from types import SimpleNamespace

from data.clips import Clip, is_multilingual


def tasks_of(generation: SimpleNamespace, allowed: list[str]) -> list[str]:
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


def prompt_of(language: str, task: str, generation: SimpleNamespace) -> dict[str, str]:
    """The arguments of `generate` that make the prompt; an English-only model takes none."""
    if not is_multilingual(generation):
        return {}
    return {"language": language, "task": task}


def prompt_tokens(language: str, task: str, generation: SimpleNamespace) -> list[int]:
    """The tokens that the runtime feeds first: start, language and task, no timestamps.

    Language and task are left out where the checkpoint is English-only.
    """
    prompt = [generation.decoder_start_token_id]
    if is_multilingual(generation):
        prompt += [generation.lang_to_id[f"<|{language}|>"], generation.task_to_id[task]]
    return [*prompt, generation.no_timestamps_token_id]
