"""A checkpoint on this machine: what identifies it, its processor and its loaded model.

The libraries are imported by what uses them: the whole of them takes several seconds.
"""

import importlib.metadata
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from common.cli import UserError
from common.files import read_json
from data.cache import local_folder

if TYPE_CHECKING:
    from transformers import (
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
    )

TIME = re.compile(r"<\|\d+\.\d\d\|>")
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


def load_generation(manifest: Path) -> SimpleNamespace:
    """The checkpoint's generation configuration, as it takes part."""
    return SimpleNamespace(**read_json(local_folder(manifest) / "generation_config.json"))


def load_tokenizer(manifest: Path) -> Tokenizer:
    """The checkpoint's tokenizer, without the library around it; needs no network."""
    return Tokenizer.from_file(str(local_folder(manifest) / "tokenizer.json"))


def is_timestamp(token: int, tokenizer: Tokenizer, first: int) -> bool:
    """Whether a token is a time; `first` is <|0.00|>.

    Not all from there on are: a fine-tune adds its tokens behind. Old tokenizers name no times.
    """
    name = tokenizer.id_to_token(token)
    return token >= first and (name is None or TIME.fullmatch(name) is not None)


def load_feature_extractor(manifest: Path) -> "WhisperFeatureExtractor":
    """What turns the checkpoint's audio into features; needs no network."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor.from_pretrained(local_folder(manifest))


def load_processor(manifest: Path) -> "WhisperProcessor":
    """The checkpoint's feature extractor and tokenizer; needs no network."""
    from transformers import WhisperProcessor

    return WhisperProcessor.from_pretrained(local_folder(manifest))


def load_model(manifest: Path) -> "WhisperForConditionalGeneration":
    """The checkpoint in float32, its weights frozen, ready for inference; needs no network.

    Raises:
        UserError: A tensor that the model needs is not in the files.
    """
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = local_folder(manifest)
    model, loading = transformers.WhisperForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    # The library fills what it does not find with random numbers.
    if absent := sorted([*loading["missing_keys"], *map(str, loading["mismatched_keys"])]):
        raise UserError(
            f"the weights in {folder} lack {absent[0]} ({len(absent)} in all) or have it in another"
            " shape; get the checkpoint again, whole"
        )
    return model.eval().requires_grad_(False)
