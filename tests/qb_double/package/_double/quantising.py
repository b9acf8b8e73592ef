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

from qbcompiler._double import rules
from qbcompiler._double.calibration import read_calibration
from qbcompiler._double.generation import CONFIGS
from qbcompiler._double.objects import Config
from qbcompiler._double.parsing import MAGIC
from qbcompiler._version import __version__

NOT_AN_MXQ = "QB-DOUBLE: not an MXQ"
FAULTS = ("", "fail", "fail-encoder", "hang", "die", "nothing", "empty")
ABORTED = 134  # exit status after SIGABRT


def quantise(arguments: dict[str, Any], swallowed: dict[str, Any]) -> None:
    """Check the arguments as the vendor's function does, read all files, and write one."""
    rules.check_names(arguments, swallowed)
    target = arguments.get("target_device")
    scheme = rules.resolve_scheme(arguments["inference_scheme"], target, arguments["llm_config"])
    model = arguments["model"]
    if not isinstance(model, str) or not model.endswith(".mblt"):
        raise RuntimeError(f"[EXCEPTION] this stand-in compiles .mblt files only, not {model!r}")
    graph = _read(model)
    if arguments.get("model_part") or arguments.get("model_part_options"):
        raise ValueError("model_part and model_part_options do not apply to a .mblt")
    if rules.since(1, 1):
        _resolve(arguments, scheme)
    if graph["target_device"] != target:
        raise RuntimeError(f"[EXCEPTION] the MBLT is for {graph['target_device']}, not {target}")
    samples = 0
    if arguments["calib_data_path"] is not None:
        samples = read_calibration(arguments["calib_data_path"], graph)
    elif not arguments.get("use_random_calib"):
        raise RuntimeError("No calibration dataset is provided")
    fault = os.environ.get("QB_DOUBLE", "")
    if fault == "fail-encoder":
        fault = "fail" if graph["part"] == "encoder" else ""
    _end(Path(arguments["save_path"]), fault, f"{graph['part']}, {scheme}, {samples} samples")


def _read(path: str) -> dict[str, Any]:
    """Read a graph file; refuse another."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    if not text.startswith(MAGIC):
        raise RuntimeError(f"[EXCEPTION] {path} is not an MBLT file: bad magic")
    return json.loads(text.removeprefix(MAGIC))


def _resolve(arguments: dict[str, Any], scheme: str) -> None:
    """Combine all settings, and write them where that is asked for, before anything is compiled."""
    made = CONFIGS["CompileConfig"]
    config = arguments["compile_config"]
    config = made.from_file(config) if isinstance(config, str) else config
    fields = config.model_dump(exclude_unset=True) if config is not None else {}
    for name, value in arguments.items():
        if isinstance(value, Config) and name != "compile_config":
            fields[name.removesuffix("_config")] = value
    fields |= {"device": arguments["device"], "inference_scheme": scheme}
    resolved = made(**fields)
    if arguments.get("config_save_path") is not None:
        out = Path(arguments["config_save_path"])
        out.parent.mkdir(parents=True, exist_ok=True)
        dumped = json.dumps(resolved.model_dump(by_alias=True), indent=2)
        out.write_text(dumped + "\n", encoding="utf-8")


def _end(out: Path, fault: str, summary: str) -> None:
    """Write the file, or go wrong."""
    if fault not in FAULTS:
        raise ValueError(f"QB_DOUBLE is {fault!r}, none of {FAULTS}")
    if fault == "fail":
        print("[mmc] quantize: layer 17: scale search", file=sys.stderr)
        print("[mmc] ERROR Try to put dummy dma to size != 0 bundle", file=sys.stderr)
        raise RuntimeError("[EXCEPTION] Try to put dummy dma to size != 0 bundle (c45b115)")
    if fault == "die":
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr)
        sys.stderr.flush()
        os._exit(ABORTED)
    while fault == "hang":
        time.sleep(60)
    if fault != "nothing":
        text = f"{NOT_AN_MXQ} ({__version__}: {summary})\n" if fault != "empty" else ""
        out.write_text(text, encoding="utf-8")
