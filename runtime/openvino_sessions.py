"""Sessions of parts compiled to OpenVINO IR, float or int8."""

from pathlib import Path

import numpy as np
import openvino

from runtime.ir import compile_model, fix_batch, make_stateful, read_model, trim_states


class OpenVinoEncoder:
    """An encoder compiled to OpenVINO IR, float or int8."""

    def __init__(self, graph: Path | openvino.Model) -> None:
        self._request = compile_model(graph).create_infer_request()

    def encode(self, features: np.ndarray) -> np.ndarray:
        """See `EncoderSession.encode`."""
        return self._request.infer([features], share_inputs=True)[0].copy()


class OpenVinoDecoder:
    """A decoder compiled to OpenVINO IR: a step graph with state, and the cross projection.

    The cross-attention keys and values are computed once an utterance, one after the other, right
    where the step reads them; the keys and values of the tokens are the graph's state.
    """

    def __init__(self, step: Path | openvino.Model, cross: Path | openvino.Model) -> None:
        self._cross = compile_model(cross).create_infer_request()
        self._request = compile_model(step).create_infer_request()
        self._fed = 0
        ports = {port.any_name: port for port in self._request.model_inputs}
        tokens = ports.pop("inputs_embeds")
        self._cross_states = {
            name: np.empty(port.shape, np.float32) for name, port in ports.items()
        }
        for name, array in self._cross_states.items():
            self._request.set_tensor(name, openvino.Tensor(array, shared_memory=True))
        # The first inference lets go of the memory that the library has taken for these inputs:
        # as much again, were it still there when they are filled.
        batch, _, width = tokens.partial_shape
        self.step(np.zeros([batch.get_length(), 1, width.get_length()], np.float32), 0)

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        for row in range(len(states)):
            for name, array in self._cross_states.items():
                place = openvino.Tensor(array[row : row + 1], shared_memory=True)
                self._cross.set_tensor(name, place)
            self._cross.infer([states[row : row + 1]], share_inputs=True)
        self._request.reset_state()
        self._fed = 0

    def step(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        if cached < self._fed:
            trim_states(self._request, cached)
        self._request.set_tensor("inputs_embeds", openvino.Tensor(np.ascontiguousarray(embeddings)))
        self._request.infer()
        self._fed = cached + embeddings.shape[1]
        return self._request.get_tensor("logits").data.copy()


def float_encoder(folder: Path) -> OpenVinoEncoder:
    """The encoder of a checkpoint's float graphs (see runtime/graphs.py), for one clip."""
    return OpenVinoEncoder(fix_batch(read_model(folder / "encoder.xml"), 1))


def float_decoder(folder: Path, batch: int) -> OpenVinoDecoder:
    """The decoder of a checkpoint's float graphs, for a batch."""
    step = make_stateful(fix_batch(read_model(folder / "decoder.xml"), batch))
    return OpenVinoDecoder(step, fix_batch(read_model(folder / "decoder_cross.xml"), 1))
