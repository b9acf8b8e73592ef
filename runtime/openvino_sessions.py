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
    into the arrays that are bound to the step's request; the keys and values of the tokens are the
    graph's state.
    """

    def __init__(self, step: Path | openvino.Model, cross: Path | openvino.Model) -> None:
        self._cross = compile_model(cross).create_infer_request()
        self._request = compile_model(step).create_infer_request()
        self._bound: dict[str, np.ndarray] = {}
        self._batch = 0
        self._fed = 0

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        if len(states) != self._batch:
            self._bind(len(states))
        for row in range(len(states)):
            for name, array in self._bound.items():
                self._cross.set_tensor(name, _shared(array[row : row + 1]))
            self._cross.infer([states[row : row + 1]], share_inputs=True)
        self._request.reset_state()
        self._fed = 0

    def _bind(self, batch: int) -> None:
        """Give the step's request arrays for the keys and values of so many utterances."""
        for output in self._cross.model_outputs:
            shape = [size.get_length() for size in list(output.partial_shape)[1:]]
            array = np.empty([batch, *shape], np.float32)
            self._bound[output.any_name] = array
            self._request.set_tensor(output.any_name, _shared(array))
        self._batch = batch

    def step(self, embeddings: np.ndarray, cached: int) -> np.ndarray:
        """See `DecoderSession.step`."""
        if cached < self._fed:
            trim_states(self._request, cached)
        self._request.set_tensor("inputs_embeds", openvino.Tensor(np.ascontiguousarray(embeddings)))
        self._request.infer()
        self._fed = cached + embeddings.shape[1]
        return self._request.get_tensor("logits").data.copy()


def _shared(array: np.ndarray) -> openvino.Tensor:
    """The array itself, as a tensor."""
    return openvino.Tensor(array, shared_memory=True)


def float_encoder(folder: Path) -> OpenVinoEncoder:
    """The encoder of a checkpoint's float graphs (see runtime/graphs.py), for one clip."""
    return OpenVinoEncoder(fix_batch(read_model(folder / "encoder.xml"), 1))


def float_decoder(folder: Path, batch: int) -> OpenVinoDecoder:
    """The decoder of a checkpoint's float graphs, for a batch."""
    step = make_stateful(fix_batch(read_model(folder / "decoder.xml"), batch))
    return OpenVinoDecoder(step, fix_batch(read_model(folder / "decoder_cross.xml"), 1))
