"""The weights of a checkpoint: those that its config.json asks for, in its shapes, and finite.

Read with numpy, a few megabytes at a time, because some have 6 GB.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from common.cli import UserError
from data.checkpoint_config import SIZES, size_of

READ = 1 << 24  # bytes at a time
# Of each floating-point format: its bits as an integer, and the exponent's, all of them set only
# in infinities and NaNs (IEEE 754; bfloat16 is the upper half of a float32).
EXPONENTS = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F80_0000),
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
}
PREFIX = "model."  # which a model saved without its head has not


class Tensor(NamedTuple):
    """A tensor as a safetensors file lists it."""

    dtype: str
    shape: list[int]
    begin: int  # byte of the file
    end: int


def tensors_of(path: Path, where: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Raises:
        UserError: It is cut off, or is none: its header does not fit its size.
    """
    try:
        with safe_open(path, framework="np"):
            pass
    except SafetensorError as error:
        raise UserError(f"{path.name} of {where} is damaged ({error}): get it again") from error
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    return {
        name: Tensor(
            entry["dtype"], entry["shape"], *(8 + size + at for at in entry["data_offsets"])
        )
        for name, entry in header.items()
    }


def expected_shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    """Shape of every tensor that a Whisper of this config.json is made of, head left out."""
    size = {key: size_of(config, key) for key in SIZES}
    width = size["d_model"]

    def linear(name: str, rows: int, columns: int, bias: bool = True) -> dict[str, list[int]]:
        return {f"{name}.weight": [rows, columns], **({f"{name}.bias": [rows]} if bias else {})}

    def norm(name: str) -> dict[str, list[int]]:
        return {f"{name}.weight": [width], f"{name}.bias": [width]}

    shapes = {
        "encoder.conv1.weight": [width, size["num_mel_bins"], 3],
        "encoder.conv1.bias": [width],
        "encoder.conv2.weight": [width, width, 3],
        "encoder.conv2.bias": [width],
        "encoder.embed_positions.weight": [size["max_source_positions"], width],
        "decoder.embed_positions.weight": [size["max_target_positions"], width],
        "decoder.embed_tokens.weight": [size["vocab_size"], width],
    }
    for part, attentions in (
        ("encoder", ["self_attn"]),
        ("decoder", ["self_attn", "encoder_attn"]),
    ):
        shapes |= norm(f"{part}.layer_norm")
        inner = size[f"{part}_ffn_dim"]
        for layer in range(size[f"{part}_layers"]):
            head = f"{part}.layers.{layer}"
            for attention in attentions:
                for one in ("q", "k", "v", "out"):
                    name = f"{head}.{attention}.{one}_proj"
                    shapes |= linear(name, width, width, bias=one != "k")
                shapes |= norm(f"{head}.{attention}_layer_norm")
            shapes |= linear(f"{head}.fc1", inner, width) | linear(f"{head}.fc2", width, inner)
            shapes |= norm(f"{head}.final_layer_norm")
    return shapes


def check_weights(paths: list[Path], config: dict[str, Any], where: str) -> None:
    """Refuse weights that are not those of a config.json, or that no result can come from.

    Args:
        paths: Safetensors files, and perhaps their index.
        config: The checkpoint's config.json.
        where: The checkpoint's name, for messages.

    Raises:
        UserError: A tensor is missing, has another shape or no floating-point format, or holds a
            value that is not finite; which, of which file.
    """
    found = {
        name.removeprefix(PREFIX): (path, name, tensor)
        for path in paths
        if path.suffix == ".safetensors"
        for name, tensor in tensors_of(path, where).items()
    }
    _check_layers(found, config, where)
    shapes = expected_shapes(config)
    if absent := sorted(set(shapes) - set(found)):
        raise UserError(
            f"the weights of {where} lack {PREFIX}{absent[0]} ({len(absent)} tensors in all), which"
            " its config.json asks for: get the checkpoint again, whole, or mend config.json"
        )
    head = found.get("proj_out.weight")
    if head:  # not listed where it is the token table
        shapes["proj_out.weight"] = shapes["decoder.embed_tokens.weight"]
    for name, shape in shapes.items():
        path, own, tensor = found[name]
        if tensor.shape != shape:
            raise UserError(
                f"{path.name} of {where} has {own} in the shape {tensor.shape}, but its config.json"
                f" asks for {shape}: mend config.json, or take the one that was saved with it"
            )
        if tensor.dtype not in EXPONENTS:
            raise UserError(
                f"{path.name} of {where} has {own} as {tensor.dtype}, which is no floating-point"
                " format of a trained model: name the checkpoint before it was quantised"
            )
    for path, own, tensor in found.values():
        if tensor.dtype in EXPONENTS and not is_finite(path, tensor):
            raise UserError(
                f"{path.name} of {where} holds NaN or infinity in {own}, so nothing can come of"
                " it: get the file again, or take a checkpoint from before the training diverged"
            )


def _check_layers(found: dict[str, Any], config: dict[str, Any], where: str) -> None:
    """Refuse layers beyond those that config.json counts: the library leaves them out silently."""
    for part in ("encoder", "decoder"):
        head = f"{part}.layers."
        numbers = [int(name.split(".")[2]) for name in found if name.startswith(head)]
        count, said = max(numbers, default=-1) + 1, size_of(config, f"{part}_layers")
        if count > said:
            raise UserError(
                f"config.json of {where} says {part}_layers {said}, but the weights have {count}:"
                " mend config.json, or take the one that was saved with them"
            )


def is_finite(path: Path, tensor: Tensor) -> bool:
    """Whether a floating-point tensor holds neither NaN nor infinity."""
    kind, exponent = EXPONENTS[tensor.dtype]
    with path.open("rb") as file:
        file.seek(tensor.begin)
        left = tensor.end - tensor.begin
        while left:
            bits = np.frombuffer(file.read(min(READ, left)), kind)
            if ((bits & exponent) == exponent).any():
                return False
            left -= bits.nbytes
    return True
