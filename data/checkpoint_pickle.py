"""Weights that torch has pickled, as safetensors: read without running any code of the file."""

import json
import pickle
from pathlib import Path

import torch

from common.cli import UserError
from common.files import replacing

DTYPES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
}
HEAD, TABLE = "proj_out.weight", "model.decoder.embed_tokens.weight"


def to_safetensors(files: list[Path], out: Path, where: str) -> None:
    """Write the floating-point tensors of pytorch_model.bin, or of its shards, as one file.

    Tensor by tensor, from files that are mapped: a checkpoint is never in memory as a whole.

    Args:
        files: What torch has pickled.
        out: The safetensors file to write.
        where: The checkpoint's name, for messages.

    Raises:
        UserError: A file is damaged, or holds more than tensors, hence code.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        found = _read(path, where)
        tensors |= {name: t for name, t in found.items() if t.dtype in DTYPES}
    if HEAD in tensors and TABLE in tensors and torch.equal(tensors[HEAD], tensors[TABLE]):
        del tensors[HEAD]  # the same table twice
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        entry = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape)}
        header[name] = entry | {"data_offsets": [begin, end]}
    head = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    head += b" " * (-len(head) % 8)
    with replacing(out) as temporary, temporary.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for tensor in tensors.values():
            file.write(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data)


def _read(path: Path, where: str) -> dict[str, torch.Tensor]:
    """The tensors of one file, by name."""
    try:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format of before 2020 cannot be mapped
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n")[0]
        raise UserError(
            f"{path.name} of {where} holds more than weights, or is damaged; it was not run, since"
            f" it could be any code ({reason[:120]}): get the checkpoint as safetensors"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path.name} of {where} is damaged: get it again") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise UserError(f"{path.name} of {where} holds no weights by name: name another checkpoint")
    return found
