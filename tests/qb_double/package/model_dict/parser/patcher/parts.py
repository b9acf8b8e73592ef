"""Stand-in for the vendor's helpers that load one part of a checkpoint."""

from typing import Any

import torch
from qbcompiler._double.parsing import PARTS


class LoadedPart(torch.nn.Module):
    """A part without weights: its name, and the checkpoint's configuration."""

    def __init__(self, part: str, config: Any) -> None:
        super().__init__()
        self.part = part
        self.config = config


def available_parts(model: torch.nn.Module) -> list[str]:
    """The parts that a loaded model declares."""
    return [model.part] if isinstance(model, LoadedPart) else list(PARTS)


def load_for_part(
    model_id: str,
    part: str,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LoadedPart:
    """Load a checkpoint, of a folder or of the Hub, for one of its parts, in evaluation mode."""
    from transformers import AutoConfig

    if not isinstance(model_id, str) or not isinstance(dtype, torch.dtype):
        raise TypeError("model_id must be str, dtype a torch.dtype")
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = AutoConfig.from_pretrained(model_id, **options)
    if part not in PARTS:
        raise KeyError(f"no part '{part}' in {config.model_type}; it has {list(PARTS)}")
    return LoadedPart(part, config).to(torch.device(device)).eval()


__all__ = ["available_parts", "load_for_part"]
