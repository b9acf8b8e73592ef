"""What mxq_compile does: graph file and calibration set -> a file that is no compiled model.

QB_DOUBLE makes it go wrong once all was checked: fail (an exception), fail-encoder (for that part),
hang, die (as an abort in native code), nothing (no file, no error), empty (a file without content).
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from qbcompiler._double.calibration import read_calibration
from qbcompiler._double.generation import CONFIGS, check_names, latest, since
from qbcompiler._double.objects import Config
from qbcompiler._double.parsing import read_graph
from qbcompiler._version import __version__

FAULTS = ("", "fail", "fail-encoder", "hang", "die", "nothing", "empty")


def quantise(arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Check the arguments as the vendor's function does, read all files, and write one."""
    check_names(arguments, swallowed)
    target = arguments.get("target_device")
    scheme = _scheme(arguments["inference_scheme"], target, arguments["llm_config"])
    model = arguments["model"]
    if not isinstance(model, str) or not model.endswith(".mblt"):
        raise RuntimeError(f"[EXCEPTION] this stand-in compiles .mblt files only, not {model!r}")
    graph = read_graph(model)
    if arguments.get("model_part") or arguments.get("model_part_options"):
        raise ValueError("model_part and model_part_options do not apply to a .mblt")
    if since(1, 1):
        _resolve(arguments, scheme)
    if graph["target_device"] != target:
        raise RuntimeError(f"[EXCEPTION] the MBLT is for {graph['target_device']}, not {target}")
    listed = arguments["calib_data_path"]
    if listed is None and not arguments.get("use_random_calib"):
        raise RuntimeError("No calibration dataset is provided")
    samples = read_calibration(listed, graph) if listed is not None else 0
    _end(Path(arguments["save_path"]), graph["part"], f"{scheme}, {samples} samples")


def _scheme(scheme: str, target: str | None, llm: Config | None) -> str:
    """The scheme that is compiled: `all` of a device with one core is `single`."""
    if scheme not in latest("SCHEMES") or (scheme == "all" and not since(1, 0, 2)):
        raise ValueError(f"Unknown inference scheme: '{scheme}'")
    if not since(1, 3):
        return scheme
    dumped = llm.model_dump() if llm is not None else {}
    batch = dumped.get("attributes", {}).get("runtime", {}).get("batch_size", 1)
    if batch > 1 and scheme in ("multi", "all"):
        raise ValueError(f"Batch LLM takes single, global4 and global8, not '{scheme}'")
    if target is None or not target.startswith("regulus"):
        return scheme
    if scheme not in ("single", "all"):
        raise ValueError(f"Inference scheme '{scheme}' needs several cores, {target} has one")
    return "single"


def _resolve(arguments: dict[str, Any], scheme: str) -> None:
    """Combine all settings, and write them where that is asked for, before anything is compiled."""
    made, config = CONFIGS["CompileConfig"], arguments["compile_config"] or {}
    config = made.from_file(config) if isinstance(config, str) else config
    fields = config and config.model_dump(exclude_unset=True)
    for name in arguments.keys() - {"compile_config"}:
        if isinstance(arguments[name], Config):
            fields[name.removesuffix("_config")] = arguments[name]
    fields |= {"device": arguments["device"], "inference_scheme": scheme}
    resolved = made(**fields)
    if arguments.get("config_save_path") is not None:
        out = Path(arguments["config_save_path"])
        out.parent.mkdir(parents=True, exist_ok=True)
        dumped = json.dumps(resolved.model_dump(by_alias=True), indent=2)
        out.write_text(dumped + "\n", encoding="utf-8")


def _end(out: Path, part: str, summary: str) -> None:
    """Write the file, or go wrong."""
    fault = os.environ.get("QB_DOUBLE", "")
    if fault not in FAULTS:
        raise ValueError(f"QB_DOUBLE is {fault!r}, none of {FAULTS}")
    if fault in ("fail", f"fail-{part}"):
        said = "Try to put dummy dma to size != 0 bundle"
        print(f"[mmc] quantize: layer 17: scale search\n[mmc] ERROR {said}", file=sys.stderr)
        raise RuntimeError(f"[EXCEPTION] {said} (c45b115)")
    if fault == "die":
        said = "terminate called after throwing an instance of 'std::bad_alloc'"
        print(said, file=sys.stderr, flush=True)
        os._exit(134)  # as after SIGABRT
    while fault == "hang":
        time.sleep(60)
    if fault != "nothing":
        text = f"QB-DOUBLE: not an MXQ ({__version__}: {part}, {summary})\n"
        out.write_text("" if fault == "empty" else text, encoding="utf-8")
