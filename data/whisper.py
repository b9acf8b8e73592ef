"""A checkpoint on this machine: what identifies it, its processor and its loaded model."""

import importlib.metadata
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from common.cli import UserError
from common.files import read_json
from data.cache import local_folder

PACKAGES = ("numpy", "torch", "transformers")  # those whose arithmetic ends up in a set


def facts_of(manifest: Path) -> dict[str, Any]:
    """What identifies a checkpoint and the packages that run it: for manifests and keys."""
    checkpoint = read_json(manifest)
    return {
        "source": checkpoint["source"],
        "commit": checkpoint["commit"],
        "files": {file["path"]: file["sha256"] for file in checkpoint["files"]},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def load_processor(manifest: Path) -> WhisperProcessor:
    """The checkpoint's feature extractor and tokenizer; needs no network."""
    return WhisperProcessor.from_pretrained(local_folder(manifest))


def load_model(manifest: Path) -> WhisperForConditionalGeneration:
    """The checkpoint in float32, its weights frozen, ready for inference; needs no network.

    Raises:
        UserError: A tensor that the model needs is not in the files.
    """
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = local_folder(manifest)
    model, loading = WhisperForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    # The library fills what it does not find with random numbers.
    if absent := sorted([*loading["missing_keys"], *map(str, loading["mismatched_keys"])]):
        raise UserError(
            f"the weights in {folder} lack {absent[0]} ({len(absent)} in all) or have it in another"
            " shape; get the checkpoint again, whole"
        )
    return model.eval().requires_grad_(False)
