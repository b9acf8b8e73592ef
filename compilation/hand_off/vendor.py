"""config.json of a hand-off folder, as the NPU vendor's package transformers-mblt reads it.

It is the checkpoint's own configuration, and for each part the file, the device and the cores.
"""

import re
from pathlib import Path
from typing import Any

from common.cli import UserError

ARCHITECTURE = "MobilintWhisperForConditionalGeneration"
PARTS = ("encoder", "decoder")
MODES = ("single", "multi", "global4", "global8")  # of the runtime; `auto` would choose one
# device:cluster:core, or device:cluster. A REGULUS has one core.
PLACES = dict.fromkeys(MODES, r"\d+:[01]") | {
    "single": r"\d+:[01]:[0-3]",
    "regulus": r"\d+:0:0",
}
# Of an ARIES, which has two clusters of four cores: device, cluster, core.
CLUSTERS = {"encoder": "0:0", "decoder": "0:1"}


def core_mode(scheme: str) -> str:
    """The mode that a part compiled for `scheme` is run in; `all` can be run in each."""
    return "single" if scheme == "all" else scheme


def cores(part: str, target: str, mode: str) -> dict[str, list[str]]:
    """Where a part runs: one core, or whole clusters; where there are two, not with the other part.

    Args:
        part: encoder or decoder.
        target: aries-rb, or regulus-rb, whose only core both parts share.
        mode: A core mode of the runtime.
    """
    if target.startswith("regulus"):
        return {"target_cores": ["0:0:0"]}
    if mode == "single":
        return {"target_cores": [f"{CLUSTERS[part]}:0"]}
    clusters = list(CLUSTERS.values()) if mode == "global8" else [CLUSTERS[part]]
    return {"target_clusters": clusters}


def part_settings(part: str, file: str, target: str, scheme: str) -> dict[str, Any]:
    """What the runtime is told of one part, its keys with the part's prefix.

    The mode is always written: left out, the runtime chooses one (`auto`), and then refuses a part
    that was compiled for several.

    Args:
        part: encoder or decoder.
        file: Its file in the folder.
        target: What it was compiled for.
        scheme: The inference scheme it was compiled for.
    """
    mode = core_mode(scheme)
    settings: dict[str, Any] = {"mxq_path": file, "target_device": target, "core_mode": mode}
    settings |= cores(part, target, mode)
    return {f"{part}_{key}": value for key, value in settings.items()}


def vendor_config(
    checkpoint: dict[str, Any], target: str, files: dict[str, str], schemes: dict[str, str]
) -> dict[str, Any]:
    """config.json of the folder.

    Args:
        checkpoint: The checkpoint's config.json.
        target: What the parts were compiled for.
        files: Of each part, its file in the folder.
        schemes: Of each part, its inference scheme.
    """
    own = {key: value for key, value in checkpoint.items() if key != "_name_or_path"}
    own.pop("torch_dtype", None)
    # The type of the embedding tables, which the runtime would turn into the checkpoint's.
    own |= {"dtype": "float32", "tie_word_embeddings": False}
    own |= {"model_type": "mobilint-whisper", "architectures": [ARCHITECTURE]}
    for part in PARTS:
        own |= part_settings(part, files[part], target, schemes[part])
    return own


def places(part: str, config: dict[str, Any]) -> list[str]:
    """Where config.json lets a part run: cores in the mode `single`, else clusters."""
    kind = "cores" if config.get(f"{part}_core_mode") == "single" else "clusters"
    return config.get(f"{part}_target_{kind}") or []


def check_cores(part: str, config: dict[str, Any], target: str, scheme: str, where: Path) -> None:
    """Compare a part's keys of config.json with what it was compiled for.

    Raises:
        UserError: the runtime would refuse the part, or run it on another device.
    """
    mode, device = config.get(f"{part}_core_mode"), config.get(f"{part}_target_device")
    if device != target:
        raise UserError(f"{where}: {part}_target_device is {device}; it was compiled for {target}")
    compiled = ("single",) if target.startswith("regulus") else MODES
    allowed = compiled if scheme == "all" else (scheme,)
    if mode not in allowed:
        raise UserError(
            f"{where}: {part}_core_mode is {mode}; the part was compiled for `{scheme}`, so write"
            f" {', '.join(allowed)}"
        )
    found = places(part, config)
    pattern = PLACES["regulus" if target.startswith("regulus") else mode]
    fits = all(isinstance(place, str) and re.fullmatch(pattern, place) for place in found)
    one_device = fits and len({place.split(":")[0] for place in found}) == 1
    if not one_device or len(set(found)) != len(found) or (mode == "global8" and len(found) != 2):
        raise UserError(
            f"{where}: {target} cannot run the {part} on {found} in mode {mode}; write"
            f" {next(iter(cores(part, target, mode).values()))}"
        )
