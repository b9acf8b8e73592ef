"""What every clip is asked for: its stratum, the prompt that asks, and the text where one is given.

Also the keys of what will be computed of it: of all that goes into it, code included.
"""

from types import SimpleNamespace
from typing import Any

from tokenizers import Tokenizer

from calibration import decoder_texts, encoder_states
from calibration.array_cache import key_of
from calibration.clips import is_silent
from calibration.float_whisper import FloatWhisper
from calibration.given_texts import Labels, given_tokens, text_tokens
from calibration.prompts import PREVIOUS, TRANSCRIBE, TRANSLATE, prompt_tokens, tasks_of
from calibration.sample import EMBEDDINGS, GENERATED, REFERENCE, STATES, Sample
from calibration.strata import draw, shuffle_key
from common.source_files import code_hash
from data.clips import Clip


def samples_of(
    clips: list[Clip], whisper: FloatWhisper, settings: dict[str, Any], labels: Labels | None
) -> list[Sample]:
    """A sample of every clip, in order; of the silent clip, what the checkpoint says there.

    Args:
        clips: Those of the encoder's set.
        whisper: What can be asked, and how.
        settings: `seed`, `mix`, `text`, `tasks`, `max_new_tokens`.
        labels: The texts, where `text` is labels.

    Raises:
        UserError: The text of a clip is to be given, and there is none.
    """
    tasks = tasks_of(whisper.generation, settings["tasks"])
    strata = draw(clips, settings["seed"], settings["mix"], tasks)
    positions = len(whisper.tables.positions)
    samples = []
    for clip, stratum in zip(clips, strata, strict=True):
        prompt = prompt_tokens(clip["whisper_language"], stratum, whisper.generation)
        if stratum == PREVIOUS:
            before = sentence_before(clip, clips, settings["seed"])
            earlier = previous_text(before, whisper.tokenizer, whisper.generation, positions)
            prompt = [*earlier, *prompt]
        text = GENERATED if is_silent(clip) else settings["text"]
        samples.append(_sample(clip, stratum, prompt, text, whisper, settings, labels))
    return samples


def with_human_text(sample: Sample, whisper: FloatWhisper, settings: dict[str, Any]) -> Sample:
    """A sample of the same clip with its human text; of the silent clip, with the prompt alone.

    A clip to be translated that has no human translation is transcribed.
    """
    clip, stratum, prompt = sample.clip, sample.stratum, sample.prompt
    if stratum == TRANSLATE and clip["translation"] is None:
        stratum = TRANSCRIBE
        prompt = prompt_tokens(clip["whisper_language"], stratum, whisper.generation)
    return _sample(clip, stratum, prompt, REFERENCE, whisper, settings, None)


def _sample(
    clip: Clip,
    stratum: str,
    prompt: list[int],
    text: str,
    whisper: FloatWhisper,
    settings: dict[str, Any],
    labels: Labels | None,
) -> Sample:
    limit = min(settings["max_new_tokens"], len(whisper.tables.positions) - len(prompt))
    given = None
    if text != GENERATED:
        tokens = given_tokens(clip, stratum, text, labels, whisper.tokenizer, whisper.generation)
        given = tokens[:limit]
    encoding, decoding = code_hash(encoder_states.__name__), code_hash(decoder_texts.__name__)
    states_key = key_of(whisper.made_by, encoding, clip["features_sha256"])
    embeddings_key = key_of(states_key, decoding, prompt, given, limit)
    keys = {STATES: states_key, EMBEDDINGS: embeddings_key}
    return Sample(clip, stratum, prompt, text, given, keys, sha256={}, token_ids=[])


def sentence_before(clip: Clip, clips: list[Clip], seed: int) -> Clip:
    """Another clip of the language, with another sentence, as what was said before.

    The next one, in an order shuffled by the seed.
    """

    def place(clip: Clip) -> str:
        return shuffle_key(clip | {"fraction": 1.0}, seed)

    others = {
        place(other): other
        for other in clips
        if other["language"] == clip["language"]
        and other["sentence_id"] != clip["sentence_id"]
        and not is_silent(other)
    }
    ring = sorted(others)
    return others[next((key for key in ring if key > place(clip)), ring[0])]


def previous_text(
    clip: Clip, tokenizer: Tokenizer, generation: SimpleNamespace, positions: int
) -> list[int]:
    """Prompt tokens of a clip's reference as the text before another clip.

    The last ones, where it is long: fewer than half of the decoder's positions, as transformers'
    `generate` and openai/whisper cut it.
    """
    start = getattr(generation, "prev_sot_token_id", None)
    start = tokenizer.token_to_id("<|startofprev|>") if start is None else start
    tokens = text_tokens(clip["transcription"], clip, TRANSCRIBE, tokenizer)
    return [start, *tokens[-(positions // 2 - 1) :]]
