"""Checkpoints that are odd: copies of a sound one, edited, and what becomes of them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.cli import UserError
from common.files import read_json, write_json
from data.cache import local_folder
from data.checkpoint import main

Json = dict[str, Any]


def copy_of(checkpoint: Path, folder: Path) -> Path:
    """A copy of the checkpoint of a manifest, to be edited."""
    return Path(shutil.copytree(local_folder(checkpoint), folder / "odd"))


def edit(path: Path, change: Callable[[Json], Any]) -> None:
    """Change the content of a JSON file in place."""
    content = read_json(path)
    change(content)
    write_json(path, content)


def have(folder: Path, *options: str) -> Path:
    """The manifest of a checkpoint."""
    out = folder.parent / "manifests" / "odd.json"
    main(["--source", str(folder), "--out", str(out), *options])
    return out


def sentence(folder: Path, *options: str) -> str:
    """The one sentence that a checkpoint ends in; nothing half-made is left."""
    with pytest.raises(UserError) as error:
        have(folder, *options)
    made = folder.parent / "manifests"
    assert not made.exists() or not list(made.iterdir())
    assert "\n" not in str(error.value)
    return str(error.value)


def mended(manifest: Path) -> str:
    """What the manifest says was changed."""
    return "; ".join(read_json(manifest).get("mended", []))


def reweigh(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Change the tensors of a checkpoint in place."""
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def without_tokenizer(folder: Path) -> None:
    """Replace tokenizer.json by the files of before it."""
    content = read_json(folder / "tokenizer.json")
    vocabulary = content["model"]["vocab"]
    write_json(folder / "vocab.json", vocabulary)
    merges = [" ".join(pair) for pair in content["model"]["merges"]]
    text = "\n".join(["#version: 0.2", *merges, ""])
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    added = {entry["content"]: entry["id"] for entry in content["added_tokens"]}
    added = {token: one for token, one in added.items() if token not in vocabulary}
    write_json(folder / "added_tokens.json", added)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def with_more_rows(folder: Path, count: int) -> None:
    """As `resize_token_embeddings` leaves a checkpoint."""
    table = "model.decoder.embed_tokens.weight"
    edit(folder / "config.json", lambda c: c.update(vocab_size=c["vocab_size"] + count))
    reweigh(folder, lambda w: w.update({table: np.concatenate([w[table], w[table][:count]])}))
