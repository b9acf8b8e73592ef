"""What the installed version accepts, and how it refuses the rest."""

import re
from typing import Any

from qbcompiler._version import __version__

VERSION = tuple(map(int, re.match(r"[\d.]+\d", __version__).group().split(".")))
SCHEMES = ("single", "multi", "global", "global4", "global8", "all")
BACKENDS = ("onnx", "torch", "tf", "tflite", "torchscript")
OLD_BACKENDS = (*BACKENDS, "hf", "nemo", "wenet", "outetts", "mellotts")
PRESETS = (
    *("classification", "detection", "classification_torchvision", "yolo_640", "yolo_1280"),
    *("llm", "llm_fast", "vision_transformer", "multimodal"),
)


def since(*numbers: int) -> bool:
    """Whether the installed version is this one, or newer."""
    return numbers <= VERSION


def check_removed(swallowed: dict[str, Any]) -> None:
    """Refuse the one removed keyword that is not swallowed."""
    if since(1, 3) and "hf_config" in swallowed:
        raise ValueError("hf_config was removed: load the model and pass it with model_part")


def check_backend(name: str) -> None:
    """Refuse a backend that the version has not."""
    known = BACKENDS if since(1, 3) else OLD_BACKENDS
    if name.lower() not in known:
        raise ValueError(f"Unsupported backend: '{name}'. Available backends: {list(known)}")


def check_target(name: str | None) -> None:
    """Refuse a device to compile for; before 1.2 the wheel was for one, and there is no name."""
    if not since(1, 2):
        return
    known = ["regulus-ra", "aries-rb", "regulus-rb"] + ["regulus-rb-usb"] * since(1, 3)
    if name not in known:
        raise ValueError(f"Unsupported device name: '{name}'.\nAvailable devices: {known}")


def check_device(name: str) -> None:
    """Refuse a device to compile on."""
    known = ("gpu", "cpu") if since(1, 1) else ("gpu", "cuda", "cpu")
    if name not in known:
        raise ValueError(f"Unsupported compute device: '{name}'. Available: {list(known)}")


def check_preset(name: str | None) -> None:
    """Refuse a preset that there is not."""
    if name is not None and name not in PRESETS:
        raise ValueError(f"Unknown preset: '{name}'. Available presets: {list(PRESETS)}")


def resolve_scheme(scheme: str, target: str | None, batch: int) -> str:
    """The scheme that is compiled: `all` of a device with one core is `single`."""
    if scheme not in SCHEMES or (scheme == "all" and not since(1, 0, 2)):
        raise ValueError(f"Unknown inference scheme: '{scheme}'")
    if not since(1, 3):
        return scheme
    if batch > 1 and scheme in ("multi", "all"):
        raise ValueError(f"Batch LLM takes single, global4 and global8, not '{scheme}'")
    if target is not None and target.startswith("regulus"):
        if scheme not in ("single", "all"):
            raise ValueError(f"Inference scheme '{scheme}' needs several cores, {target} has one")
        return "single"
    return scheme
