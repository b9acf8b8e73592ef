"""Computing what a decoder's calibration set lacks: encoder states, and the tokens they lead to.

One part after the other, so that only one is in memory. A clip is encoded once; clips are decoded
in batches, each as if it were alone.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calibration import store
from calibration.greedy import Rules, first_feed, greedy
from common.cli import UserError
from common.files import is_unchanged
from common.progress import Progress
from runtime.float_sessions import FloatSessions
from runtime.tables import Tables

STATES = "encoder_hidden_states"
EMBEDDINGS = "decoder_hidden_states"
MOST = 16  # clips decoded at once: beyond it nothing gets faster
USUAL = 64  # tokens of a sample, for the estimate of disk space: few beside 1500 positions


class Work(NamedTuple):
    """What one sample is made from, and the keys of what is made."""

    mel: Path
    mel_sha256: str
    prompt: list[int]
    said: list[int] | None  # what follows the prompt; None: what the checkpoint says
    states_key: str
    key: str


class Maker(NamedTuple):
    """Makes what is missing, into a store (see calibration/store.py)."""

    sessions: FloatSessions
    tables: Tables
    rules: Rules
    limit: int  # new tokens
    config: dict[str, Any]  # the checkpoint's
    store: Path

    def bytes_missing(self, work: list[Work]) -> int:
        """Bytes of disk that the missing arrays will take, about."""
        width, positions = self.config["d_model"], self.config["max_source_positions"]
        states = {w.states_key for w in work if not store.has(self.store, w.states_key)}
        inputs = {w.key for w in work if not store.has(self.store, w.key)}
        rows = len(states) * positions + len(inputs) * USUAL
        return 4 * width * rows + store.OVERHEAD * (len(states) + len(inputs))

    def encode(self, work: list[Work], again: str) -> None:
        """Store the encoder states of all work, float32 [1, positions, d_model] each."""
        missing = {w.states_key: w for w in work if store.load(self.store, w.states_key) is None}
        if not missing:
            return
        encoder = self.sessions.encoder()
        with Progress(total=len(missing), desc="encoder states", unit="clip") as progress:
            at_once = self.sessions.encoded_at_once
            for some in _slices(list(missing.values()), at_once):
                features = [_features(one, again) for one in some]
                features += features[-1:] * (at_once - len(some))  # one shape, one result
                states = encoder.encode(np.concatenate(features))
                for one, state in zip(some, states, strict=False):
                    store.save(self.store, one.states_key, {STATES: state[np.newaxis]}, {})
                progress.update(len(some))

    def decode(self, work: list[Work]) -> None:
        """Store the decoder's inputs of all work, float32 [1, L, d_model], and the token ids."""
        missing = {w.key: w for w in work if store.load(self.store, w.key) is None}
        for one in missing.values():
            if one.said is not None:
                self._save(one, one.prompt + one.said)
        silent = [one for one in missing.values() if one.said is None]
        if not silent:
            return
        # A batch takes as long as its longest text: clips of one language and task together.
        silent.sort(key=lambda w: (first_feed(w.prompt), w.prompt, w.key))
        batch = self._batch()
        decoder = self.sessions.decoder(batch)
        with Progress(total=len(silent), desc="decoder inputs", unit="clip") as progress:
            for _, alike in groupby(silent, key=lambda w: first_feed(w.prompt)):
                for some in _slices(list(alike), batch):
                    full = some + some[-1:] * (batch - len(some))
                    states = [store.read(self.store, w.states_key, STATES) for w in full]
                    prompts = [w.prompt for w in full]
                    rows = greedy(
                        *(decoder, self.tables, np.concatenate(states)),
                        *(prompts, self.rules, self.limit),
                    )
                    for one, ids in zip(some, rows, strict=False):
                        self._save(one, ids)
                    progress.update(len(some))

    def _batch(self) -> int:
        """How many clips are decoded at once: what fits, whatever the machine."""
        width, positions = self.config["d_model"], self.config["max_source_positions"]
        keys_and_values = 2 * self.config["decoder_layers"] * positions * width * 4
        return max(1, min(MOST, self.sessions.decoder_bytes // keys_and_values))

    def _save(self, one: Work, ids: list[int]) -> None:
        arrays = {EMBEDDINGS: self.tables.embed(np.array([ids]))}
        store.save(self.store, one.key, arrays, {"token_ids": ids})


def _features(one: Work, again: str) -> np.ndarray:
    if not is_unchanged(one.mel, one.mel_sha256):
        raise UserError(f"{one.mel} is missing or was changed; {again}")
    return np.load(one.mel, allow_pickle=False)


def _slices(work: list[Work], size: int) -> Iterator[list[Work]]:
    """The list in pieces of this size; the last may be shorter."""
    for begin in range(0, len(work), size):
        yield work[begin : begin + size]
