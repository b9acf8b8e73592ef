"""The encoder states of every sample; a clip is encoded once, whatever it is asked for."""

from itertools import islice
from pathlib import Path

import numpy as np

from calibration import array_cache
from calibration.float_whisper import FloatWhisper
from calibration.sample import STATES, Sample
from common.cli import UserError
from common.files import is_unchanged
from common.progress import Progress
from data.clips import Clip


def encode(samples: list[Sample], whisper: FloatWhisper, cache: Path) -> None:
    """Store the states that are missing, float32 [1, positions, d_model] each.

    Raises:
        UserError: A file of features is missing or was changed.
    """
    keyed = {sample.states_key: sample for sample in samples}
    missing = [sample for key, sample in keyed.items() if not array_cache.load(cache, key)]
    if not missing:
        return
    encoder = whisper.sessions.encoder()
    size = whisper.sessions.encoded_at_once
    waiting = iter(missing)
    with Progress(total=len(missing), desc="encoder states", unit="clip") as progress:
        while batch := list(islice(waiting, size)):
            features = [_read_features(sample.clip) for sample in batch]
            features += features[-1:] * (size - len(batch))  # one shape, one result
            states = encoder.encode(np.concatenate(features))
            for sample, state in zip(batch, states, strict=False):
                array_cache.save(cache, sample.states_key, {STATES: state[np.newaxis]}, {})
            progress.update(len(batch))


def _read_features(clip: Clip) -> np.ndarray:
    """What the encoder is fed, float32 [1, frames, n_mels]."""
    path = clip["features"]
    if not is_unchanged(path, clip["features_sha256"]):
        raise UserError(
            f"{path} is missing or was changed; delete {path.with_name('manifest.json')} and run"
            " the same command again"
        )
    return np.load(path, allow_pickle=False)
