"""Stand-in for the vendor's helpers that load one part of a checkpoint."""

import torch
from qbcompiler._double.parsing import PARTS


def available_parts(model: torch.nn.Module) -> list[str]:
    """The parts that a loaded model declares."""
    return [model.part] if hasattr(model, "part") else list(PARTS)


def load_for_part(
    model_id: str,
    part: str,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> torch.nn.Module:
    """Load a checkpoint, of a folder or of the Hub, for one of its parts, in evaluation mode."""
    from transformers import AutoConfig

    if not isinstance(model_id, str) or not isinstance(dtype, torch.dtype):
        raise TypeError("model_id must be str, dtype a torch.dtype")
    options = {"revision": revision, "trust_remote_code": trust_remote_code}
    config = AutoConfig.from_pretrained(model_id, **options)
    if part not in PARTS:
        raise KeyError(f"no part '{part}' in {config.model_type}; it has {list(PARTS)}")
    loaded = torch.nn.Module()  # without weights
    loaded.part, loaded.config = part, config
    return loaded.to(torch.device(device)).eval()


def prepare_part(model: torch.nn.Module, part: str) -> torch.nn.Module:
    """The module whose inputs are to be recorded."""
    return model
