"""What mblt_compile does: a part of a Whisper checkpoint -> a file with the part's inputs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from qbcompiler._double.generation import check_names, since

MAGIC = "QB-DOUBLE-MBLT\n"  # first line of what stands for the vendor's graph file
# Names of what a part takes while it is parsed.
PARTS = {
    "encoder": ("input_features",),
    "decoder": ("inputs_embeds", "encoder_hidden_states", "cache_position"),
}
OPTIONS = {"encoder": (), "decoder": ("last_token_only",)}


def parse(arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Check the arguments as the vendor's function does, and write the graph file."""
    check_names(arguments, swallowed)
    part = _part(arguments)
    config = _config(arguments["model"], arguments["backend"])
    feed, axes = arguments["feed_dict"], arguments.get("dynamic_axes") or {}
    if since(1, 3) and arguments["backend"] == "torch" and not feed and not axes:
        raise ValueError("feed_dict must be specified")
    for name, given in (("feed_dict", feed or {}), ("dynamic_axes", axes)):
        if unknown := set(given) - set(PARTS[part]):
            raise ValueError(f"{name} names {sorted(unknown)}, and inputs are {PARTS[part]}")
    inputs = _inputs(part, config, feed or {}, axes)
    if part == "encoder" and feed is not None:
        _check_features(feed, inputs[0]["shape"])
    if unknown := set(arguments.get("model_part_options") or {}) - set(OPTIONS[part]):
        raise TypeError(f"part '{part}' got an unexpected option {sorted(unknown)}")
    layers = [f"layers.{i}.self_attn.score" for i in range(getattr(config, f"{part}_layers"))]
    graph = {"part": part, "target_device": arguments.get("target_device")}
    graph |= {"inputs": inputs, "layers": layers}
    text = MAGIC + json.dumps(graph, indent=2) + "\n"
    Path(arguments["mblt_save_path"]).write_text(text, encoding="utf-8")


def read_graph(path: str) -> dict[str, Any]:
    """What a graph file holds; another file is refused."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if not text.startswith(MAGIC):
        raise RuntimeError(f"[EXCEPTION] {path} is not an MBLT file: bad magic")
    return json.loads(text.removeprefix(MAGIC))


def _part(arguments: dict[str, Any]) -> str:
    """The part that is asked for; a Whisper has two, so it must be named."""
    if not since(1, 3):
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
    if not live and backend.lower() == "torch" and since(1, 3):
        raise TypeError("backend 'torch' takes a torch.nn.Module; a path is not loaded for you")
    if live:
        config = getattr(model, "config", None)
    elif (path := Path(model) / "config.json").is_file():
        config = SimpleNamespace(**json.loads(path.read_text(encoding="utf-8")))
    else:
        raise FileNotFoundError(f"no model to parse at {model}")
    if getattr(config, "model_type", None) != "whisper":
        raise RuntimeError(f"[EXCEPTION] unsupported model: {type(model).__name__}")
    return config


def _check_features(feed: dict[str, Any], shape: list[int]) -> None:
    """Refuse what the encoder cannot be run on: an example input is wanted, not its shape."""
    if not feed:
        raise ValueError("feed_dict has no input_features")
    size = list(np.shape(feed["input_features"]))
    if len(size) not in (2, 3):
        wanted = "Expected 2D (unbatched) or 3D (batched) input to conv1d"
        raise RuntimeError(f"{wanted}, but got input of size: {size}")
    expected = [shape[axis] for axis in (0, 2, 1)]
    if size != expected:
        raise RuntimeError(f"expected input{expected}, but got input{size} instead")


def _inputs(part: str, config: Any, feed: dict[str, Any], axes: dict[str, Any]) -> list[Any]:
    """The inputs on the NPU, with the channels last; -1 is a size that may vary."""
    if part == "encoder":
        frames = 2 * config.max_source_positions  # the second convolution has a stride of 2
        return [{"name": "input_features", "shape": [1, frames, config.num_mel_bins]}]
    length = -1
    if since(1, 3) and 1 not in axes.get("inputs_embeds", []):
        example = np.shape(feed.get("inputs_embeds"))
        length = example[1] if len(example) == 3 else 1
    states = [1, config.max_source_positions, config.d_model]
    return [
        {"name": "inputs_embeds", "shape": [1, length, config.d_model]},
        {"name": "encoder_hidden_states", "shape": states},
    ]
