"""Sessions of parts compiled for a Mobilint NPU, run by the vendor's runtime (qbruntime).

A part is called as the vendor's own package calls it: the encoder with features [1, frames,
n_mels], the decoder with embeddings [1, 1, L, d_model], the states [1, 1, positions, d_model] and
the number of tokens that its cache keeps.
"""

from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from runtime.tables import Tables


def import_runtime() -> Any:
    """The vendor's runtime.

    Raises:
        UserError: it is not installed.
    """
    try:
        import qbruntime
    except ImportError:
        raise UserError(
            "the NPU vendor's runtime is not installed here; install mobilint-qb-runtime (Linux on"
            " x86-64), or use this folder on the device"
        ) from None
    return qbruntime


def has_npu() -> bool:
    """Whether the vendor's runtime is installed and finds a device."""
    try:
        import qbruntime
    except ImportError:
        return False
    return bool(qbruntime.get_available_devices())


def model_config(runtime: Any, mode: str, places: list[str]) -> Any:
    """The runtime's configuration for a core mode.

    Args:
        runtime: The module qbruntime.
        mode: single, multi, global4 or global8.
        places: `device:cluster:core` for single, `device:cluster` else.
    """
    config = runtime.ModelConfig()
    numbers = [list(map(int, place.split(":")[1:])) for place in places]
    clusters = [getattr(runtime.Cluster, f"Cluster{number[0]}") for number in numbers]
    if mode == "single":
        cores = [getattr(runtime.Core, f"Core{number[1]}") for number in numbers]
        ids = [runtime.CoreId(*pair) for pair in zip(clusters, cores, strict=True)]
        config.set_single_core_mode(None, ids)
    elif mode == "multi":
        config.set_multi_core_mode(clusters)
    elif mode == "global4":
        config.set_global4_core_mode(clusters)
    else:
        config.set_global8_core_mode()
    return config


def launch(path: Path, part: str, config: dict[str, Any]) -> Any:
    """A part on the device that a folder's config.json names, ready for `infer`.

    Raises:
        UserError: there is no such device, or the part does not run on it.
    """
    runtime = import_runtime()
    mode, device = config[f"{part}_core_mode"], config[f"{part}_target_device"]
    places = config.get(f"{part}_target_{'cores' if mode == 'single' else 'clusters'}")
    if not places:
        raise UserError(
            f"{path.parent}/config.json does not say where the {part} runs; get it again"
        )
    try:
        accelerator = runtime.Accelerator(device, int(places[0].split(":")[0]))
        model = runtime.Model(str(path), model_config(runtime, mode, places))
        model.launch(accelerator)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"{path} cannot be run on {device} in core mode {mode} ({first}); check the device with"
            " `mobilint-cli status`, and the folder with `python -m compilation.verify`"
        ) from None
    return model


class NpuEncoder:
    """An encoder on an NPU."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self._model = launch(path, "encoder", config)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`; one clip at a time."""
        states = np.asarray(self._model.infer([np.ascontiguousarray(features)])[0], np.float32)
        return states.reshape(1, *states.shape[-2:])


class NpuDecoder:
    """A decoder on an NPU, which keeps the cache.

    Logits are those of every token fed, or of the last one alone: parts compiled by qbcompiler 1.3
    and newer give no others.
    """

    def __init__(self, path: Path, config: dict[str, Any], tables: Tables) -> None:
        self._model = launch(path, "decoder", config)
        self._tables = tables
        self._states = np.empty(0, np.float32)

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self._states = np.ascontiguousarray(states[:, None])

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`; [1, 1, vocabulary] where the part gives the last token's."""
        embeddings = self._tables.embed(token_ids, cached)
        inputs = [np.ascontiguousarray(embeddings[:, None]), self._states]
        logits = np.asarray(self._model.infer(inputs, None, cached)[0], np.float32)
        return logits.reshape(1, -1, logits.shape[-1])
