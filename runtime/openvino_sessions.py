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

    The cross-attention keys and values are computed once an utterance, one after the other, and
    stay bound to the request; the keys and values of the tokens are the graph's state.
    """

    def __init__(self, step: Path | openvino.Model, cross: Path | openvino.Model) -> None:
        self._cross = compile_model(cross).create_infer_request()
        self._request = compile_model(step).create_infer_request()
        self._fed = 0

    def start(self, states: np.ndarray) -> None:
        """See `DecoderSession.start`."""
        for row, state in enumerate(states):
            self._cross.infer([state[np.newaxis]], share_inputs=True)
            for output in self._cross.model_outputs:
                name, tensor = output.any_name, self._cross.get_tensor(output)
                if len(states) == 1:
                    self._request.set_tensor(name, tensor)
                else:
                    self._request.get_tensor(name).data[row] = tensor.data[0]
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
