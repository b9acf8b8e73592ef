"""An adapter (LoRA and its like), merged into the checkpoint that it was trained on, by peft."""

from pathlib import Path

import torch
from transformers import WhisperForConditionalGeneration
from transformers.utils import logging

from common.cli import UserError


def merge(adapter: Path, base: Path, out: Path, where: str) -> dict[str, Path]:
    """Write the merged weights, float32, as safetensors into a folder; the files by name.

    Args:
        adapter: Folder of adapter_config.json and the adapter's weights.
        base: Folder of the checkpoint that it was trained on.
        out: The folder, which need not exist.
        where: The adapter's name, for messages.

    Raises:
        UserError: It is no adapter of this checkpoint, or peft is not installed.
    """
    try:
        from peft import PeftModel
    except ModuleNotFoundError as error:
        raise UserError(
            f"{where} is an adapter, and the package {error.name} that merges it is not installed:"
            " install it, or merge it elsewhere (merge_and_unload) and name the merged folder"
        ) from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = WhisperForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    try:
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the adapter {where} does not fit its base ({reason}): name the checkpoint that it was"
            " trained on under models.<name>.base"
        ) from error
    merged.save_pretrained(out)
    return {path.name: path for path in sorted(out.glob("model*.safetensors*"))}
