"""Computing what a decoder's calibration set lacks: encoder states, and the tokens they lead to.

One part after the other, so that only one is in memory. A clip is encoded once; clips are decoded
in batches, each as if it were alone.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calibration import store
from calibration.greedy import Rules, greedy
from common.cli import UserError
from common.files import sha256_of
from common.progress import Progress
from runtime.openvino_sessions import float_decoder, float_encoder
from runtime.tables import TABLES, load_tables

STATES = "encoder_hidden_states"
EMBEDDINGS = "decoder_hidden_states"
# Bytes for the keys and values of a batch's encoder states, by far the most of what a batch takes.
BATCH_BYTES = 900_000_000
MOST = 16  # clips in a batch: beyond it nothing gets faster


class Work(NamedTuple):
    """What one sample is made from, and the keys of what is made."""

    mel: Path
    mel_sha256: str
    prompt: list[int]
    states_key: str
    key: str


def encode_missing(graphs: Path, work: Iterable[Work], folder: Path, again: str) -> None:
    """Store the encoder states of all work, float32 [1, positions, d_model], clip by clip."""
    missing = {w.states_key: w for w in work if store.load(folder, w.states_key) is None}
    if not missing:
        return
    encoder = float_encoder(graphs.parent)
    for key, one in Progress(missing.items(), desc="encoder states", unit="clip"):
        if not one.mel.is_file() or sha256_of(one.mel) != one.mel_sha256:
            raise UserError(f"{one.mel} is missing or was changed; {again}")
        store.save(folder, key, {STATES: encoder.encode(np.load(one.mel))}, {})


def decode_missing(
    graphs: Path, work: Iterable[Work], folder: Path, rules: Rules, limit: int, batch: int
) -> None:
    """Store the decoder's inputs of all work, float32 [1, L, d_model], and the token ids."""
    missing = {w.key: w for w in work if store.load(folder, w.key) is None}
    if not missing:
        return
    tables = load_tables(graphs.parent / TABLES)
    decoder = float_decoder(graphs.parent, batch)
    # A batch has prompts of one length, and takes as long as its longest text: equal languages.
    waiting = sorted(missing.values(), key=lambda w: (len(w.prompt), w.prompt, w.key))
    with Progress(total=len(waiting), desc="decoder inputs", unit="clip") as progress:
        while waiting:
            alike = [w for w in waiting[:batch] if len(w.prompt) == len(waiting[0].prompt)]
            waiting = waiting[len(alike) :]
            full = alike + alike[-1:] * (batch - len(alike))
            states = np.concatenate([store.read(folder, w.states_key, STATES) for w in full])
            rows = greedy(decoder, tables, states, [w.prompt for w in full], rules, limit)
            for one, ids in zip(alike, rows, strict=False):
                arrays = {EMBEDDINGS: tables.embed(np.array([ids]))}
                store.save(folder, one.key, arrays, {"token_ids": ids})
            progress.update(len(alike))


def batch_size(decoder_layers: int, positions: int, d_model: int) -> int:
    """How many clips are decoded at once: what fits, of the model alone, not of the machine."""
    keys_and_values = 2 * decoder_layers * positions * d_model * np.dtype(np.float32).itemsize
    return max(1, min(MOST, BATCH_BYTES // keys_and_values))
