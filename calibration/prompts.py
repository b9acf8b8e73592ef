"""The prompt that asks the decoder for something: the tokens that the runtime feeds first."""

from types import SimpleNamespace

from data.clips import is_multilingual

# Kinds of prompts; each is a stratum of the decoder's calibration set.
TRANSCRIBE, TIMESTAMPS, TRANSLATE, PREVIOUS = STRATA = (
    "transcribe",  # without timestamps
    "timestamps",  # transcribe, with them
    "translate",
    "previous_text",  # transcribe, after a prompt with the text before
)


def task_of(stratum: str) -> str:
    """The task that a stratum's prompt names."""
    return "translate" if stratum == TRANSLATE else "transcribe"


def tasks_of(generation: SimpleNamespace, allowed: list[str]) -> list[str]:
    """The tasks of `allowed` that the checkpoint has a token for; an English-only one has none."""
    if not is_multilingual(generation):
        return ["transcribe"]
    return [task for task in allowed if task in generation.task_to_id]


def prompt_tokens(language: str, stratum: str, generation: SimpleNamespace) -> list[int]:
    """The tokens that the runtime feeds first: start, language, task, and no timestamps.

    Language and task are left out where the checkpoint is English-only, the last token where
    timestamps are asked for.
    """
    prompt = [generation.decoder_start_token_id]
    if is_multilingual(generation):
        prompt += [generation.lang_to_id[f"<|{language}|>"]]
        prompt += [generation.task_to_id[task_of(stratum)]]
    return prompt if stratum == TIMESTAMPS else [*prompt, generation.no_timestamps_token_id]
