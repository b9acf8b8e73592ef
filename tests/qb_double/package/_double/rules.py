"""What the installed version accepts, and how it refuses the rest."""

import re
from typing import Any

from qbcompiler._double.generation import latest
from qbcompiler._double.objects import Config, check_known
from qbcompiler._version import __version__

VERSION = tuple(map(int, re.match(r"[\d.]+\d", __version__).group().split(".")))

# Constants of the generations.
KNOWN = {"backend": "BACKENDS", "device": "DEVICES"}
KNOWN |= {"target_device": "TARGETS", "config_preset": "PRESETS"}


def since(*numbers: int) -> bool:
    """Whether the installed version is this one, or newer."""
    return numbers <= VERSION


def check_names(arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Refuse a backend, device or preset that the version has not, and the one removed keyword."""
    if since(1, 3) and "hf_config" in swallowed:
        raise ValueError("hf_config was removed: load the model and pass it with model_part")
    for argument, known in KNOWN.items():
        if arguments.get(argument) is not None:
            check_known(argument, arguments[argument], latest(known))


def resolve_scheme(scheme: str, target: str | None, llm: Config | None) -> str:
    """The scheme that is compiled: `all` of a device with one core is `single`."""
    if scheme not in latest("SCHEMES") or (scheme == "all" and not since(1, 0, 2)):
        raise ValueError(f"Unknown inference scheme: '{scheme}'")
    if not since(1, 3):
        return scheme
    dumped = llm.model_dump() if llm is not None else {}
    batch = dumped.get("attributes", {}).get("runtime", {}).get("batch_size", 1)
    if batch > 1 and scheme in ("multi", "all"):
        raise ValueError(f"Batch LLM takes single, global4 and global8, not '{scheme}'")
    if target is not None and target.startswith("regulus"):
        if scheme not in ("single", "all"):
            raise ValueError(f"Inference scheme '{scheme}' needs several cores, {target} has one")
        return "single"
    return scheme
