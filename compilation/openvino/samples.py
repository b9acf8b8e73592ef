"""Calibration sets as inputs of OpenVINO graphs, read one sample at a time and checked as read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from common.cli import UserError
from common.files import read_json, sha256_of
from runtime.ir import compile_model, names_of

Inputs = dict[str, np.ndarray]  # by the name of the graph's input
Reader = Callable[[dict[str, Any]], Inputs]  # from an entry of the manifest


def read_samples(manifest: Path, part: str) -> list[dict[str, Any]]:
    """The entries of a calibration set's manifest, in order.

    Raises:
        UserError: there is no manifest, it is of the other part, or it lists no samples.
    """
    if not manifest.is_file():
        raise UserError(f"{manifest} is missing; make the calibration set of the {part} first")
    content = read_json(manifest)
    if content.get("part") != part:
        raise UserError(
            f"{manifest} is the calibration set of the {content.get('part')}, not of the {part};"
            " name the manifest of the part that is compiled"
        )
    if not content["samples"]:
        raise UserError(f"{manifest} lists no samples; make the calibration set again")
    return content["samples"]


def load_array(folder: Path, entry: dict[str, str], shape: ov.PartialShape) -> np.ndarray:
    """One float32 array of a sample; `shape` is the one that the graph takes.

    Raises:
        UserError: the file is missing, is not the one that was listed, or holds something else.
    """
    path = folder / entry["file"]
    again = f"delete {folder}/manifest.json and run the same command again"
    if not path.is_file():
        raise UserError(f"{path} is missing; {again}")
    if sha256_of(path) != entry["sha256"]:
        raise UserError(f"{path} is not the file that the manifest lists (other sha256); {again}")
    array = np.load(path, allow_pickle=False)
    if array.dtype != np.float32:
        raise UserError(f"{path} holds {array.dtype} values, not float32; {again}")
    if array.size == 0 or not shape.compatible(ov.PartialShape(array.shape)):
        raise UserError(
            f"{path} has the shape {list(array.shape)} where the graph takes {shape}; use the"
            " calibration set of the same model, or make it again"
        )
    if not np.isfinite(array).all():
        raise UserError(f"{path} holds values that are not finite; {again}")
    return array


def encoder_reader(folder: Path, graph: ov.Model) -> Reader:
    """A function that reads a sample of the encoder's set as inputs of its float graph."""
    shape = graph.input("input_features").partial_shape
    return lambda sample: {"input_features": load_array(folder, sample, shape)}


def cross_reader(folder: Path, graph: ov.Model) -> Reader:
    """The same for the decoder's set and the graph of the cross-attention keys and values."""
    shape = graph.input("encoder_hidden_states").partial_shape
    return lambda sample: {
        "encoder_hidden_states": load_array(folder, sample["encoder_hidden_states"], shape)
    }


def whole_sequences(
    graph: ov.Model, cross_graph: ov.Model
) -> Callable[[np.ndarray, np.ndarray], Inputs]:
    """A function that makes the inputs of a decoder's graph: whole sequences after an empty past.

    It takes embeddings [1, L, d_model] and encoder states [1, positions, d_model]. The
    cross-attention keys and values are computed by the float graph each time, because they would
    take 2 * layers times the space of the states.
    """
    past = {
        name: np.zeros([0 if size.is_dynamic else size.get_length() for size in port.partial_shape])
        for name, port in zip(names_of(graph.inputs), graph.inputs, strict=True)
        if name.startswith("past_")
    }
    past = {name: array.astype(np.float32) for name, array in past.items()}
    project = compile_model(cross_graph)

    def inputs(embeddings: np.ndarray, states: np.ndarray) -> Inputs:
        cross = project({"encoder_hidden_states": states}).to_dict()
        named = {port.get_any_name(): array for port, array in cross.items()}
        return {"inputs_embeds": embeddings, **named, **past}

    return inputs


def decoder_reader(folder: Path, graph: ov.Model, cross_graph: ov.Model) -> Reader:
    """The same for the decoder's set and graph."""
    shape = graph.input("inputs_embeds").partial_shape
    read_states, inputs = cross_reader(folder, cross_graph), whole_sequences(graph, cross_graph)

    def read(sample: dict[str, Any]) -> Inputs:
        states = read_states(sample)["encoder_hidden_states"]
        return inputs(load_array(folder, sample["decoder_hidden_states"], shape), states)

    return read
