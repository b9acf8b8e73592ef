"""A checkpoint's generation_config.json as it takes part: checked against the tokenizer, and bare.

Prompt and search are the pipeline's: language and task are named, decoding is greedy, up to the
last position. What would change that is left out, once, here: calibration, evaluation and the
hand-off folder then all read the same.
"""

import json
import re
from typing import Any

from common.cli import UserError
from data.checkpoint_config import size_of

Json = dict[str, Any]
NAME = "generation_config.json"
END, START = "<|endoftext|>", "<|startoftranscript|>"
# Whether a model is multilingual, by the end of the texts in openai/whisper's two vocabularies.
ENDS = {50256: False, 50257: True}
LANGUAGE = re.compile(r"<\|[a-z]{2,3}\|>")
# What is obeyed everywhere, or takes no part in what is said.
KEPT = (
    *("alignment_heads", "begin_suppress_tokens", "bos_token_id", "decoder_start_token_id"),
    *("eos_token_id", "is_multilingual", "lang_to_id", "max_initial_timestamp_index"),
    *("median_filter_width", "no_timestamps_token_id", "pad_token_id", "prev_sot_token_id"),
    *("suppress_tokens", "task_to_id", "transformers_version", "use_cache"),
)
# Values of other keys that say what is so anyway; so do null and false.
NEUTRAL = {
    **dict.fromkeys(("num_beams", "num_beam_groups", "num_return_sequences"), 1),
    **dict.fromkeys(("temperature", "top_p", "typical_p", "length_penalty"), 1),
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty"), 1),
    **dict.fromkeys(("no_repeat_ngram_size", "encoder_no_repeat_ngram_size"), 0),
    **dict.fromkeys(("min_length", "diversity_penalty"), 0),
    "top_k": 50,
}


def check_age(generation: Json, where: str) -> None:
    """Refuse a generation configuration of before 2023: it does not say which prompt is right."""
    needed = ["is_multilingual", "no_timestamps_token_id"]
    if generation.get("is_multilingual"):
        needed += ["lang_to_id", "task_to_id"]
    for key in needed:
        named = key.endswith("_to_id")
        if generation.get(key) is None or (named and not _is_named(generation[key])):
            raise UserError(
                f"{NAME} of {where} has no {key}: replace it by that of the OpenAI"
                " checkpoint that the model was trained from"
            )


def _is_named(ids: Any) -> bool:
    """Whether something gives ids by name."""
    return isinstance(ids, dict) and bool(ids) and all(type(one) is int for one in ids.values())


def check_generation(generation: Json, ids: dict[str, int], config: Json, where: str) -> None:
    """Compare the tokens of a generation configuration with those of the tokenizer, by name.

    Args:
        generation: Content of generation_config.json.
        ids: The tokenizer's tokens.
        config: Content of config.json.
        where: The checkpoint's name, for messages.

    Raises:
        UserError: A token is another one, or none; with both ids.
    """
    tokens = {number: token for token, number in ids.items()}

    def compare(token: str, said: Any, key: str) -> None:
        if said != ids.get(token):
            found = f"its tokenizer says {ids[token]}" if token in ids else "its tokenizer has none"
            raise UserError(
                f"{NAME} of {where} says that {token} is token {json.dumps(said)} ({key}), but"
                f" {found}: replace {NAME} by that of the checkpoint that the model was trained"
                " from, or the tokenizer's files, whichever are of another model"
            )

    compare("<|notimestamps|>", generation["no_timestamps_token_id"], "no_timestamps_token_id")
    if (start := generation.get("decoder_start_token_id")) is not None:
        compare(START, start, "decoder_start_token_id")
    ends = generation.get("eos_token_id")
    if ends is not None and ids.get(END) not in (ends if isinstance(ends, list) else [ends]):
        compare(END, ends, "eos_token_id")
    for token in (END, START):
        if token not in ids:
            raise UserError(
                f"the tokenizer of {where} has no {token}: replace its files by those of the"
                " checkpoint that the model was trained from"
            )
    if generation["is_multilingual"]:
        for task, said in generation["task_to_id"].items():
            compare(f"<|{task}|>", said, "task_to_id")
        if "transcribe" not in generation["task_to_id"]:
            compare("<|transcribe|>", None, "task_to_id")
        for language, said in generation["lang_to_id"].items():
            # Tokenizers differ in a few names (he, iw), and not in the ids.
            if language in ids or not LANGUAGE.fullmatch(tokens.get(said, "")):
                compare(language, said, "lang_to_id")
    _check_languages(generation, ids, where)
    rows = size_of(config, "vocab_size")
    for key in ("suppress_tokens", "begin_suppress_tokens", "eos_token_id", "pad_token_id"):
        value = generation.get(key)
        numbers = value if isinstance(value, list) else [] if value is None else [value]
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number < rows:
                raise UserError(
                    f"{NAME} of {where} has the token {json.dumps(number)} in {key}, but"
                    f" config.json says that there are {rows} (vocab_size): mend {NAME}"
                )


def _check_languages(generation: Json, ids: dict[str, int], where: str) -> None:
    """Refuse an `is_multilingual` that languages or tokenizer contradict."""
    said, languages = generation["is_multilingual"], generation.get("lang_to_id") or {}
    expected, reason = ENDS.get(ids[END]), ""
    if expected is None and not said and len(languages) > 1:
        reason = f"has {len(languages)} languages in lang_to_id"
    elif expected is not None and expected != bool(said):
        kind = "English-only" if said else "multilingual"
        reason = f"its tokenizer is that of the {kind} models ({END} is token {ids[END]})"
    if reason:
        raise UserError(
            f"{NAME} of {where} says is_multilingual {json.dumps(said)}, but {reason}: set it to"
            f" {json.dumps(not said)}, or take the {NAME} of the checkpoint that the model was"
            " trained from"
        )


def effective_generation(
    generation: Json, ids: dict[str, int], config: Json
) -> tuple[Json, list[str]]:
    """The configuration that everything reads, and what of it is not the checkpoint's own.

    Args:
        generation: Content of generation_config.json, checked.
        ids: The tokenizer's tokens.
        config: Content of config.json.
    """
    own = {key: value for key, value in generation.items() if not key.startswith("_")}
    wanted = {key: value for key, value in own.items() if key in KEPT or _is_neutral(key, value)}
    wanted["max_length"] = size_of(config, "max_target_positions")
    named = {"decoder_start_token_id": START, "eos_token_id": END}
    named |= {"prev_sot_token_id": "<|startofprev|>"} if "prev_sot_token_id" in own else {}
    for key, token in named.items():
        if wanted.get(key) is None or key == "prev_sot_token_id":
            wanted[key] = ids.get(token, wanted.get(key))
    if not wanted["is_multilingual"]:  # what its prompt does not name, none must ask of it
        wanted.pop("lang_to_id", None)
        wanted.pop("task_to_id", None)
    wanted |= _forced(generation, config)
    latest = own.get("max_initial_timestamp_index")
    if latest is not None and (type(latest) is not int or latest < 0):
        del wanted["max_initial_timestamp_index"]
    if heads := own.get("alignment_heads"):
        sizes = size_of(config, "decoder_layers"), size_of(config, "decoder_attention_heads")
        if not _are_heads(heads, *sizes):
            del wanted["alignment_heads"]
    said = [
        f"{key} {_short(own[key]) if key in own else 'is missing and'} is"
        f" {f'set to {_short(wanted[key])}' if key in wanted else 'left out'}"
        for key in sorted(set(own) | set(wanted))
        if own.get(key) != wanted.get(key)
    ]
    return (wanted if said else generation), [f"{NAME}: {one}" for one in said]


def _are_heads(heads: Any, layers: int, count: int) -> bool:
    """Whether these are attention heads of a decoder, a layer and a head each."""
    if not isinstance(heads, list) or not all(isinstance(one, list) for one in heads):
        return False
    return all(
        len(one) == 2 and one[0] in range(layers) and one[1] in range(count) for one in heads
    )


def _is_neutral(key: str, value: Any) -> bool:
    """Whether a setting says what is so anyway."""
    nothing = value is None or value is False or value in ([], {})
    return nothing or (key in NEUTRAL and value == NEUTRAL[key])


def _forced(generation: Json, config: Json) -> Json:
    """Forced tokens, where those that the library would take ask for another prompt.

    It takes them where a caller names no language, and config.json's where there are none here.
    """
    forced = generation.get("forced_decoder_ids") or config.get("forced_decoder_ids")
    last = generation["no_timestamps_token_id"]
    usual = [[1, last]]
    if generation["is_multilingual"]:  # the language that is heard, and the usual task
        usual = [[1, None], [2, generation["task_to_id"]["transcribe"]]]
    if not forced or forced in (usual, [*usual, [len(usual) + 1, last]]):
        return {k: generation[k] for k in ("forced_decoder_ids",) if k in generation}
    return {"forced_decoder_ids": usual}


def _short(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
