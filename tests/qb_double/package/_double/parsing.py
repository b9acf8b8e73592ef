"""What mblt_compile does: a part of a Whisper checkpoint -> a file with the part's inputs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from qbcompiler._double import rules
from qbcompiler._version import __version__

MAGIC = "QB-DOUBLE-MBLT\n"  # first line of what stands for the vendor's graph file
# Names of what a part takes while it is parsed.
PARTS = {
    "encoder": ("input_features",),
    "decoder": ("inputs_embeds", "encoder_hidden_states", "cache_position"),
}
OPTIONS = {"encoder": (), "decoder": ("last_token_only",)}


def parse(arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Check the arguments as the vendor's function does, and write the graph file."""
    rules.check_names(arguments, swallowed)
    part = _part(arguments)
    config = _config(arguments["model"], arguments["backend"])
    feed, axes = arguments["feed_dict"], arguments.get("dynamic_axes")
    if rules.since(1, 3) and arguments["backend"] == "torch" and not feed and not axes:
        raise ValueError("feed_dict must be specified")
    if feed is not None:
        _check_feed(feed, part, config)
    if axes is not None and (unknown := set(axes) - set(PARTS[part])):
        raise ValueError(f"dynamic_axes names {sorted(unknown)}, and inputs are {PARTS[part]}")
    options = arguments.get("model_part_options") or {}
    if unknown := set(options) - set(OPTIONS[part]):
        raise TypeError(f"part '{part}' got an unexpected option {sorted(unknown)}")
    graph = {
        "version": __version__,
        "part": part,
        "target_device": arguments.get("target_device"),
        "options": options,
        "inputs": _inputs(part, config, feed or {}, axes or {}),
    }
    text = MAGIC + json.dumps(graph, indent=2) + "\n"
    Path(arguments["mblt_save_path"]).write_text(text, encoding="utf-8")


def _part(arguments: dict[str, Any]) -> str:
    """The part that is asked for; a Whisper has two, so it must be named."""
    if not rules.since(1, 3):
        if arguments["target"] not in PARTS:
            raise ValueError(f"target must be one of {list(PARTS)}, not {arguments['target']!r}")
        return arguments["target"]
    part = arguments["model_part"]
    loaded = getattr(arguments["model"], "part", None)
    if part is None:
        raise ValueError(f"the model declares several parts, name one: {list(PARTS)}")
    if part not in PARTS or loaded not in (None, part):
        raise KeyError(f"the model was not loaded for a part '{part}'")
    return part


def _config(model: Any, backend: str) -> Any:
    """The configuration of a checkpoint in a folder, or of a model in memory."""
    live = isinstance(model, torch.nn.Module)
    if live and backend.lower() not in ("torch", "hf"):
        raise TypeError(f"backend '{backend}' takes a path, not a {type(model).__name__}")
    if not live and backend.lower() == "torch" and rules.since(1, 3):
        raise TypeError("backend 'torch' takes a torch.nn.Module; a path is not loaded for you")
    if live:
        config = getattr(model, "config", None)
    elif not (Path(model) / "config.json").is_file():
        raise FileNotFoundError(f"no model to parse at {model}")
    else:
        text = (Path(model) / "config.json").read_text(encoding="utf-8")
        config = SimpleNamespace(**json.loads(text))
    if getattr(config, "model_type", None) != "whisper":
        raise RuntimeError(f"[EXCEPTION] unsupported model: {type(model).__name__}")
    return config


def _check_feed(feed: dict[str, Any], part: str, config: Any) -> None:
    """Refuse what the model cannot be run on: the values are example inputs, not their shapes."""
    if unknown := set(feed) - set(PARTS[part]):
        raise ValueError(f"feed_dict names {sorted(unknown)}, and inputs are {PARTS[part]}")
    if part == "encoder":
        if not feed:
            raise ValueError("feed_dict has no input_features")
        size = list(np.shape(feed["input_features"]))
        if len(size) not in (2, 3):
            wanted = "Expected 2D (unbatched) or 3D (batched) input to conv1d"
            raise RuntimeError(f"{wanted}, but got input of size: {size}")
        (inputs,) = _inputs(part, config, {}, {})
        expected = [inputs["shape"][axis] for axis in (0, 2, 1)]
        if size != expected:
            raise RuntimeError(f"expected input{expected}, but got input{size} instead")


def _inputs(part: str, config: Any, feed: dict[str, Any], axes: dict[str, Any]) -> list[Any]:
    """The inputs on the NPU, with the channels last; -1 is a size that may vary."""
    if part == "encoder":
        frames = 2 * config.max_source_positions  # the second convolution has a stride of 2
        return [{"name": "input_features", "shape": [1, frames, config.num_mel_bins]}]
    length = -1
    if rules.since(1, 3) and 1 not in axes.get("inputs_embeds", []):
        example = np.shape(feed.get("inputs_embeds"))
        length = example[1] if len(example) == 3 else 1
    states = [1, config.max_source_positions, config.d_model]
    return [
        {"name": "inputs_embeds", "shape": [1, length, config.d_model]},
        {"name": "encoder_hidden_states", "shape": states},
    ]
