"""Sessions of parts compiled to OpenVINO IR, float or int8."""

from pathlib import Path

import numpy as np
import openvino

from runtime.folder import GRAPHS
from runtime.ir import CHOSEN, FLOAT32, Properties, compile_model, read_model, trim_states
from runtime.stateful import make_stateful
from runtime.tables import TABLES, load_tables


class OpenVinoEncoder:
    """An encoder compiled to OpenVINO IR, float or int8.

    Args:
        graph: `input_features` [B, n_mels, frames] -> states.
        properties: In which precision it runs.
    """

    def __init__(self, graph: Path | openvino.Model, properties: Properties = FLOAT32) -> None:
        self.request = compile_model(graph, properties).create_infer_request()

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`."""
        bins_first = np.ascontiguousarray(features.transpose(0, 2, 1))
        return self.request.infer([bins_first], share_inputs=True)[0].copy()


class OpenVinoDecoder:
    """A stateful decoder compiled to OpenVINO IR; see runtime/stateful.py.

    Args:
        graph: The stateful graph.
        properties: In which precision it runs.
    """

    def __init__(self, graph: Path | openvino.Model, properties: Properties = FLOAT32) -> None:
        self.request = compile_model(graph, properties).create_infer_request()
        # One place for the states of all utterances: where float operations run in bfloat16,
        # OpenVINO 2026.4 goes on reading the place that it was given first.
        self._states = np.empty(0, np.float32)
        self._fed = 0

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        self.request.reset_state()
        if states.shape != self._states.shape:
            self._states = np.empty_like(states)
            place = openvino.Tensor(self._states, shared_memory=True)
            self.request.set_tensor("encoder_hidden_states", place)
        self._states[:] = states
        rows = np.arange(len(states), dtype=np.int32)
        self.request.set_tensor("beam_idx", openvino.Tensor(rows))
        self._fed = 0

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        if cached < self._fed:
            trim_states(self.request, cached)
        self.request.set_tensor("input_ids", openvino.Tensor(np.ascontiguousarray(token_ids)))
        self.request.infer()
        self._fed = cached + token_ids.shape[1]
        return self.request.get_tensor("logits").data.copy()


def float_encoder(folder: Path, properties: Properties = FLOAT32) -> OpenVinoEncoder:
    """The encoder of a checkpoint's float graphs (see runtime/graphs.py)."""
    return OpenVinoEncoder(read_model(folder / "encoder.xml"), properties)


def float_decoder(folder: Path, properties: Properties = FLOAT32) -> OpenVinoDecoder:
    """The decoder of a checkpoint's float graphs."""
    graph = read_model(folder / "decoder.xml")
    whole = make_stateful(graph, load_tables(folder / TABLES))
    return OpenVinoDecoder(whole, properties)


def compiled_sessions(
    folder: Path, properties: Properties = CHOSEN
) -> tuple[OpenVinoEncoder, OpenVinoDecoder]:
    """Both parts in a hand-off folder for the CPU."""
    encoder, decoder = (folder / f"{name}.xml" for name in GRAPHS.values())
    return OpenVinoEncoder(encoder, properties), OpenVinoDecoder(decoder, properties)
