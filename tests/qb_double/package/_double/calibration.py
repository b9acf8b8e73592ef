"""Reads every file of a calibration set, and stops where the vendor's compiler would."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from qbcompiler._double.generation import since

NOTHING = "No calibration tensors loaded"


def read_calibration(path: str, graph: dict[str, Any]) -> int:
    """Read a list of paths (.txt), of several inputs' paths (.json), or .npy files; their number."""
    info, samples = _listed(Path(path))
    if not samples:
        raise RuntimeError(NOTHING)
    names, shapes = info.get("input names", []), info.get("input shapes", [])
    wanted = len(graph["inputs"])
    ranges: dict[str, tuple[float, float]] = {}
    for files in samples:
        if not wanted == len(files) == len(names or files):
            raise RuntimeError(f"[EXCEPTION] input count mismatch: {len(files)} != {wanted}")
        arrays = [_load(Path(file)) for file in files]
        for array, name, shape in zip(arrays, names, shapes, strict=False):
            _check_shape(array, name, shape)
        placed = _by_shape(arrays, names, graph["inputs"]) if since(1, 3) else arrays
        for array, one in zip(placed, graph["inputs"], strict=True):
            _check_shape(array, **one)
            low, high = ranges.get(one["name"], (np.inf, -np.inf))
            ranges[one["name"]] = min(low, float(array.min())), max(high, float(array.max()))
    if any(low == high for low, high in ranges.values()):
        raise RuntimeError("[EXCEPTION] zeropoint=-2147483648 is out of range (quantizer.cc:214)")
    return len(samples)


def _listed(path: Path) -> tuple[dict[str, Any], list[list[str]]]:
    """What is told of the inputs, and the files of each sample."""
    if path.is_dir():
        return {}, [[str(file)] for file in sorted(path.glob("*.npy"))]
    if not path.is_file():
        raise RuntimeError(NOTHING)
    if path.suffix == ".txt":
        return {}, [[line] for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix != ".json":
        raise RuntimeError(f"[EXCEPTION] unsupported calibration data: {path}")
    listed = json.loads(path.read_text(encoding="utf-8"))
    return listed["info"], listed["calib paths"]


def _load(path: Path) -> Any:
    """An array that the native code can read: it takes the bytes as they lie."""
    if not path.is_file():
        raise RuntimeError(NOTHING)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise RuntimeError(f"[EXCEPTION] npy::Reader: {path}: {error} (npy.cc:88)") from None
    if array.dtype != np.float32:
        raise RuntimeError(f"[EXCEPTION] Tensor<float>: dtype {array.dtype} (tensor.cc:131)")
    if not array.flags.c_contiguous:
        raise RuntimeError("[EXCEPTION] Tensor<float>: strides are not row-major (tensor.cc:140)")
    if not np.isfinite(array).all():
        raise RuntimeError("[EXCEPTION] observer: range is nan or inf (histogram_observer.cc:57)")
    return array


def _fits(array: Any, shape: list[int]) -> bool:
    """Whether an array has a shape in which -1 is any size but none."""
    return len(array.shape) == len(shape) and all(
        have > 0 and want in (-1, have) for have, want in zip(array.shape, shape, strict=True)
    )


def _check_shape(array: Any, name: str, shape: list[int]) -> None:
    if not _fits(array, shape):
        wrong = f"shape mismatch at {name}: {list(array.shape)} != {shape}"
        raise RuntimeError(f"[EXCEPTION] {wrong} (graph.cc:302)")


def _by_shape(arrays: list[Any], names: list[str], inputs: list[dict[str, Any]]) -> list[Any]:
    """The arrays in the inputs' order, by their shape; names decide among inputs that fit alike."""
    remaining = {one["name"]: one["shape"] for one in inputs}
    placed: dict[str, Any] = {}
    labelled = list(zip(arrays, names or remaining, strict=True))
    labelled.sort(key=lambda pair: sum(_fits(pair[0], one["shape"]) for one in inputs))
    for array, name in labelled:
        fitting = [key for key, shape in remaining.items() if _fits(array, shape)]
        if not fitting:
            raise RuntimeError(f"[EXCEPTION] shape mismatch: no input is {list(array.shape)}")
        if len(fitting) > 1 and name not in fitting:
            raise RuntimeError(f"[EXCEPTION] input name '{name}' is none of {fitting}")
        chosen = name if name in fitting else fitting[0]
        placed[chosen] = array
        del remaining[chosen]
    return [placed[one["name"]] for one in inputs]
