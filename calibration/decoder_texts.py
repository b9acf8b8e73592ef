"""The text of every sample, embedded: what the checkpoint says after the prompt, or a given text.

Clips are decoded in batches, each as if it were alone.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from calibration import array_cache
from calibration.float_whisper import FloatWhisper
from calibration.greedy import batches, greedy, rules_of
from calibration.sample import EMBEDDINGS, STATES, Sample, missing, with_records
from common.progress import Progress

MOST = 16  # clips decoded at once: beyond it nothing gets faster


def decode(
    samples: list[Sample], whisper: FloatWhisper, max_new_tokens: int, cache: Path
) -> list[Sample]:
    """The samples with their token ids, these embedded and kept: float32 [1, L, d_model] each.

    Args:
        samples: Their encoder states are kept.
        whisper: Generates the texts that are not given, and embeds all.
        max_new_tokens: To generate after a prompt.
        cache: Folder of what is kept.
    """
    to_decode, records = missing(samples, EMBEDDINGS), {}
    given = ((s, s.prompt + s.given) for s in to_decode if s.given is not None)
    to_generate = [sample for sample in to_decode if sample.given is None]
    generated = _generated(to_generate, whisper, max_new_tokens, cache)
    for sample, token_ids in chain(given, generated):
        arrays = {EMBEDDINGS: whisper.tables.embed(np.array([token_ids]))}
        key, facts = sample.keys[EMBEDDINGS], {"token_ids": token_ids}
        records[key] = array_cache.save(cache, key, arrays, facts)
    return with_records(samples, EMBEDDINGS, records)


def _generated(
    samples: list[Sample], whisper: FloatWhisper, max_new_tokens: int, cache: Path
) -> Iterator[tuple[Sample, list[int]]]:
    """Each sample, and all tokens that it is fed; a batch that is not full repeats its last one."""
    if not samples:
        return
    rules, size = rules_of(whisper.generation), _batch_size(whisper)
    decoder, positions = whisper.sessions.decoder(), len(whisper.tables.positions)
    with Progress(total=len(samples), desc="decoder inputs", unit="clip") as progress:
        for indices in batches([sample.prompt for sample in samples], size):
            batch = [samples[index] for index in indices]
            full = batch + batch[-1:] * (size - len(batch))
            states = [array_cache.read(cache, sample.keys[STATES], STATES) for sample in full]
            prompts = [sample.prompt for sample in full]
            rows = greedy(
                *(decoder, np.concatenate(states), prompts, rules, positions, max_new_tokens)
            )
            yield from zip(batch, rows, strict=False)
            progress.update(len(batch))


def _batch_size(whisper: FloatWhisper) -> int:
    """How many clips are decoded at once: what fits, whatever the machine."""
    config = whisper.config
    states = config["max_source_positions"] * config["d_model"] * 4  # bytes
    keys_and_values = 2 * config["decoder_layers"] * states
    return max(1, min(MOST, whisper.sessions.decoder_bytes // keys_and_values))
