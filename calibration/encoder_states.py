"""The encoder states of every sample; a clip is encoded once, whatever it is asked for."""

from pathlib import Path

import numpy as np

from calibration import array_cache
from calibration.float_whisper import FloatWhisper
from calibration.sample import STATES, Sample, missing, with_records
from common.cli import UserError
from common.files import is_unchanged
from common.progress import Progress
from data.clips import Clip


def encode(samples: list[Sample], whisper: FloatWhisper, cache: Path) -> list[Sample]:
    """The samples, their encoder states kept: float32 [1, positions, d_model] each.

    Raises:
        UserError: A file of features is missing or was changed.
    """
    to_encode, records = missing(samples, STATES), {}
    encoder = whisper.sessions.encoder() if to_encode else None
    size = whisper.sessions.encoded_at_once
    with Progress(total=len(to_encode), desc="encoder states", unit="clip") as progress:
        for begin in range(0, len(to_encode), size):
            batch = to_encode[begin : begin + size]
            features = [_read_features(sample.clip) for sample in batch]
            features += features[-1:] * (size - len(batch))  # one shape, one result
            states = encoder.encode(np.concatenate(features))
            for sample, state in zip(batch, states, strict=False):
                key, arrays = sample.keys[STATES], {STATES: state[np.newaxis]}
                records[key] = array_cache.save(cache, key, arrays, {})
            progress.update(len(batch))
    return with_records(samples, STATES, records)


def _read_features(clip: Clip) -> np.ndarray:
    """What the encoder is fed, float32 [1, frames, n_mels]."""
    path = clip["features"]
    if not is_unchanged(path, clip["features_sha256"]):
        raise UserError(
            f"{path} is missing or was changed; delete {path.with_name('manifest.json')} and run"
            " the same command again"
        )
    return np.load(path, allow_pickle=False)
