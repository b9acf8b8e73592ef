"""Calibration sets as inputs of OpenVINO graphs, read one sample at a time and checked as read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from common.cli import UserError
from common.files import read_json, sha256_of
from runtime.ir import PAST

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
    batch, bins, frames = graph.input("input_features").partial_shape
    shape = ov.PartialShape([batch, frames, bins])  # that of an NPU, in which the set is kept
    return lambda sample: {"input_features": bins_first(load_array(folder, sample, shape))}


def bins_first(features: np.ndarray) -> np.ndarray:
    """Features [B, frames, n_mels] as an OpenVINO graph takes them: [B, n_mels, frames]."""
    return np.ascontiguousarray(features.transpose(0, 2, 1))


def empty_past(graph: ov.Model) -> Inputs:
    """What a decoder's graph is fed as past keys and values before an utterance's first token."""
    past = {}
    for port in graph.inputs:
        if (name := port.get_any_name()).startswith(PAST):
            _, heads, _, width = port.get_partial_shape()
            past[name] = np.zeros([1, heads.get_length(), 0, width.get_length()], np.float32)
    return past


def decoder_reader(folder: Path, graph: ov.Model) -> Reader:
    """The same for the decoder's set: whole sequences, after an empty past."""
    past = empty_past(graph)
    names = {
        "inputs_embeds": "decoder_hidden_states",
        "encoder_hidden_states": "encoder_hidden_states",
    }
    shapes = {name: graph.input(name).partial_shape for name in names}
    return lambda sample: (
        past | {name: load_array(folder, sample[own], shapes[name]) for name, own in names.items()}
    )
