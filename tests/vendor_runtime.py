"""The NPU vendor's runtime package, without an NPU.

`load` lets its own code (transformers-mblt, mblt-npu-python) load a hand-off folder. Only the two
classes that need a device are replaced: by `Accelerator` and by a `Part`, which takes what a
compiled part takes and nothing else. A `SessionPart` computes with the folder's CPU sessions, a
`RandomPart` makes numbers up.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from transformers import (
    AutoConfig,
    AutoModelForSpeechSeq2Seq,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    WhisperProcessor,
)

from common.files import read_json
from runtime.folder import GRAPHS
from runtime.ir import FLOAT32
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder
from runtime.tables import load_tables

if TYPE_CHECKING:  # installed on Linux on x86-64 only
    from qbruntime import ModelConfig


def demand(holds: bool, what: str) -> None:
    """Fail where a call is not one that a compiled part takes."""
    if not holds:
        raise AssertionError(f"a compiled part would not take this: {what}")


class Accelerator(NamedTuple):
    """Stands in for a device."""

    target: str
    number: int


class Cores(NamedTuple):
    """What a part is run on, as the runtime is told."""

    mode: str
    cores: list[tuple[int, int]]  # cluster, core
    clusters: list[int]


def cores_of(config: "ModelConfig") -> Cores:
    """What a runtime's configuration says. (It cannot be kept: it cannot be copied.)"""
    cores = [(_number(core.cluster), _number(core.core)) for core in config.get_core_ids()]
    clusters = [_number(cluster) for cluster in config.get_clusters()]
    return Cores(config.get_core_mode().name.lower(), cores, clusters)


def _number(place: Any) -> int:
    """Of a cluster or core, whose value is no plain number: 1 of Cluster1."""
    return int(place.name[-1])


class Call(NamedTuple):
    """One inference."""

    shapes: list[tuple[int, ...]]  # of the inputs
    cached: int = 0
    tokens: tuple[int, ...] = ()  # whose embeddings a decoder was given


class Part:
    """Stands in for a compiled part: checks what it is given, and keeps a record.

    Args:
        path: The part's file, in a hand-off folder.
        config: The cores that it is to run on.
    """

    def __init__(self, path: str, config: "ModelConfig") -> None:
        self.path = Path(path)
        self.cores = cores_of(config)
        self.calls: list[Call] = []
        folder = self.path.parent
        self.facts = read_json(folder / "config.json")
        self.tables = load_tables(folder / "model.safetensors")
        self.is_encoder = self.path.stem.endswith("encoder")
        demand(self.path.stat().st_size > 0, f"an empty file, {path}")
        self._held: list[int] = []  # tokens in the cache
        self._states = np.empty(0, np.float32)  # what they were decoded from
        self._acc: Accelerator | None = None  # the vendor's package looks at this

    def __deepcopy__(self, memo: dict) -> "Part":
        """Refused: what is on a device cannot be copied."""
        raise TypeError("cannot copy a part that is on a device")

    def launch(self, accelerator: Accelerator) -> None:
        """Put it on a device."""
        demand(isinstance(accelerator, Accelerator), f"the device {accelerator}")
        self._acc = accelerator

    @property
    def accelerator(self) -> Accelerator | None:
        """The device it is on."""
        return self._acc

    def dispose(self) -> None:
        """Take it from the device."""
        self._acc = None

    def get_cache_infos(self) -> list:
        """Nothing, which means one sequence at a time."""
        return []

    def infer(
        self,
        inputs: list[np.ndarray],
        outputs: list[np.ndarray] | None = None,
        cache_size: int = 0,
        params: list | None = None,
    ) -> list[np.ndarray]:
        """Run it.

        Args:
            inputs: An encoder's features [1, frames, n_mels]; a decoder's embeddings
                [1, 1, L, d_model] and encoder states [1, 1, positions, d_model]. All float32.
            outputs: Must be left out.
            cache_size: How many tokens a decoder keeps in its cache before these.
            params: Must be left out.
        """
        demand(self._acc is not None, "inference before it is on a device")
        demand(outputs is None and params is None, f"outputs {outputs}, params {params}")
        demand(type(cache_size) is int, f"a cache size of {type(cache_size)}")
        for array in inputs:
            demand(isinstance(array, np.ndarray), f"an input of {type(array)}")
            demand(array.dtype == np.float32, f"an input of {array.dtype}")
            demand(bool(np.isfinite(array).all()), "an input that is not finite")
        if self.is_encoder:
            return [self._infer_encoder(inputs, cache_size)]
        return [self._infer_decoder(inputs, cache_size)]

    def _infer_encoder(self, inputs: list[np.ndarray], cached: int) -> np.ndarray:
        shapes = [array.shape for array in inputs]
        wanted = (1, 2 * self.facts["max_source_positions"], self.facts["num_mel_bins"])
        demand(shapes == [wanted], f"{shapes} for an encoder of {wanted}")
        demand(cached == 0, f"a cache of {cached} for an encoder")
        self.calls.append(Call(shapes))
        return self.encode(np.ascontiguousarray(inputs[0]))

    def _infer_decoder(self, inputs: list[np.ndarray], cached: int) -> np.ndarray:
        shapes = [array.shape for array in inputs]
        width, positions = self.facts["d_model"], self.facts["max_source_positions"]
        length = shapes[0][2] if inputs and inputs[0].ndim == 4 else 1
        wanted = [(1, 1, length, width), (1, 1, positions, width)]
        demand(length > 0 and shapes == wanted, f"{shapes} for a decoder of {wanted}")
        embeddings, states = inputs
        demand(0 <= cached <= len(self._held), f"{cached} of {len(self._held)} cached tokens")
        limit = self.facts["max_target_positions"]
        demand(cached + length <= limit, f"{cached} + {length} of {limit} tokens")
        if cached == 0:
            self.begin(states[:, 0])
            self._states = states.copy()
        demand(np.array_equal(states, self._states), "other states than the cached tokens'")
        tokens = [self._token(row, cached + i) for i, row in enumerate(embeddings[0, 0])]
        self._held = self._held[:cached] + tokens
        self.calls.append(Call(shapes, cached, tuple(tokens)))
        return self.decode(embeddings[:, 0], cached)[:, None]

    def _token(self, row: np.ndarray, position: int) -> int:
        """The token whose embedding at this position is, to the bit, the row."""
        tokens, place = self.tables.tokens, self.tables.positions[position]
        likely = np.flatnonzero(tokens[:, 0] + place[0] == row[0])
        found = likely[(tokens[likely] + place == row).all(axis=1)]
        demand(len(found) > 0, f"an embedding that is no token's at position {position}")
        return int(found[0])

    def encode(self, features: np.ndarray) -> np.ndarray:
        """States, of any shape that the vendor's package takes."""
        raise NotImplementedError

    def begin(self, states: np.ndarray) -> None:
        """Take the states [1, positions, d_model] of what is decoded next."""

    def decode(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """Logits [1, L, vocabulary], or the last token's [1, 1, vocabulary]."""
        raise NotImplementedError


def on_cpu(folder: Path) -> type[Part]:
    """Parts that compute with those of a hand-off folder for the CPU, of the same model."""

    class SessionPart(Part):
        """A part for an NPU, run by its twin for the CPU."""

        def __init__(self, path: str, config: "ModelConfig") -> None:
            super().__init__(path, config)
            if self.is_encoder:
                self._encoder = OpenVinoEncoder(folder / f"{GRAPHS['encoder']}.xml", FLOAT32)
            else:
                self._decoder = OpenVinoDecoder(folder / f"{GRAPHS['decoder']}.xml", FLOAT32)

        def encode(self, features: np.ndarray) -> np.ndarray:
            """See `Part.encode`."""
            return self._encoder.encode(features)

        def begin(self, states: np.ndarray) -> None:
            """See `Part.begin`."""
            self._decoder.start(states)

        def decode(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
            """See `Part.decode`; the tokens are those whose embeddings they are."""
            return self._decoder.step(np.array([self._held[cached:]]), cached)

    return SessionPart


class RandomPart(Part):
    """Numbers of the right shape; a decoder's are always the same after the same tokens."""

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `Part.encode`."""
        shape = 1, self.facts["max_source_positions"], self.facts["d_model"]
        return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)

    def decode(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `Part.decode`."""
        ends = range(cached + 1, len(self._held) + 1)
        rows = [np.random.default_rng(self._held[:end]) for end in ends]
        vocabulary = self.facts["vocab_size"]
        return np.stack([rng.standard_normal(vocabulary, dtype=np.float32) for rng in rows])[None]


class LastTokenPart(RandomPart):
    """The same, where the compiler keeps the last token's logits only."""

    def decode(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `Part.decode`."""
        return super().decode(embeddings, cached)[:, -1:]


class Loaded(NamedTuple):
    """A folder as the vendor's package loads it, and the parts it made."""

    config: PreTrainedConfig
    processor: WhisperProcessor
    model: PreTrainedModel
    missing: set[str]  # weights of the model that the folder has not, or has in another shape
    unexpected: set[str]  # and those that it has too many
    encoder: Part
    decoder: Part


def register() -> None:
    """Tell transformers of the vendor's classes."""
    import transformers_mblt

    with warnings.catch_warnings():  # it says which other models cannot be used here
        warnings.simplefilter("ignore")
        transformers_mblt.register()


def load(folder: Path, part: Callable[[str, "ModelConfig"], Part]) -> Loaded:
    """Load a hand-off folder by the vendor's package.

    Args:
        folder: As text, for the package: it takes no other path.
        part: Makes what stands in for a part.
    """
    register()
    from mblt_npu import npu_backend

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npu_backend, "Model", part)
        patch.setattr(npu_backend, "Accelerator", Accelerator)
        model, info = AutoModelForSpeechSeq2Seq.from_pretrained(
            str(folder), output_loading_info=True
        )
    return Loaded(
        AutoConfig.from_pretrained(str(folder)),
        AutoProcessor.from_pretrained(str(folder)),
        model,
        set(info["missing_keys"]) | set(info["mismatched_keys"]),
        set(info["unexpected_keys"]),
        model.get_encoder().get_mxq_model(),
        model.get_decoder().get_mxq_model(),
    )
