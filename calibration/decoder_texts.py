"""The text of every sample, embedded: what the checkpoint says after the prompt, or a given text.

Clips are decoded in batches, each as if it were alone.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from calibration import array_cache
from calibration.float_whisper import FloatWhisper
from calibration.greedy import first_feed, greedy, rules_of
from calibration.sample import EMBEDDINGS, STATES, Sample
from common.progress import Progress

MOST = 16  # clips decoded at once: beyond it nothing gets faster


def decode(samples: list[Sample], whisper: FloatWhisper, max_new_tokens: int, cache: Path) -> None:
    """Store what is missing: embeddings, float32 [1, L, d_model], and the token ids.

    Args:
        samples: Their encoder states are stored, where a text is generated.
        whisper: Generates and embeds.
        max_new_tokens: To generate after a prompt.
        cache: Folder of what is stored.
    """
    keyed = {sample.embeddings_key: sample for sample in samples}
    missing = [sample for key, sample in keyed.items() if not array_cache.load(cache, key)]
    for sample in missing:
        if sample.given is not None:
            _store(sample, sample.prompt + sample.given, whisper, cache)
    to_generate = [sample for sample in missing if sample.given is None]
    if to_generate:
        _generate(to_generate, whisper, max_new_tokens, cache)


def _generate(
    samples: list[Sample], whisper: FloatWhisper, max_new_tokens: int, cache: Path
) -> None:
    """Store what the checkpoint says; a batch that is not full repeats its last sample."""
    rules, size = rules_of(whisper.generation), _batch_size(whisper)
    decoder = whisper.sessions.decoder(size)
    with Progress(total=len(samples), desc="decoder inputs", unit="clip") as progress:
        for batch in _batches(samples, size):
            full = batch + batch[-1:] * (size - len(batch))
            states = [array_cache.read(cache, sample.states_key, STATES) for sample in full]
            prompts = [sample.prompt for sample in full]
            rows = greedy(
                *(decoder, whisper.tables, np.concatenate(states), prompts, rules, max_new_tokens)
            )
            for sample, token_ids in zip(batch, rows, strict=False):
                _store(sample, token_ids, whisper, cache)
            progress.update(len(batch))


def _batches(samples: list[Sample], size: int) -> Iterator[list[Sample]]:
    """At most `size` samples each, whose prompts begin with the same feed.

    A batch takes as long as its longest text: clips of one language and task together.
    """
    ordered = sorted(samples, key=lambda s: (first_feed(s.prompt), s.prompt, s.embeddings_key))
    for _, group in groupby(ordered, key=lambda s: first_feed(s.prompt)):
        while batch := list(islice(group, size)):
            yield batch


def _batch_size(whisper: FloatWhisper) -> int:
    """How many clips are decoded at once: what fits, whatever the machine."""
    config = whisper.config
    states = config["max_source_positions"] * config["d_model"] * 4  # bytes
    keys_and_values = 2 * config["decoder_layers"] * states
    return max(1, min(MOST, whisper.sessions.decoder_bytes // keys_and_values))


def _store(sample: Sample, token_ids: list[int], whisper: FloatWhisper, cache: Path) -> None:
    arrays = {EMBEDDINGS: whisper.tables.embed(np.array([token_ids]))}
    array_cache.save(cache, sample.embeddings_key, arrays, {"token_ids": token_ids})
