"""What an interpreter has of the NPU vendor's compiler, asked in a process of it."""

import json
import subprocess
from typing import Any

from compilation.qb.limits import Refused

PARTS = "qbcompiler.model_dict.parser.patcher.parts"
LOADER = f"{PARTS}:load_for_part"
# Of 1.3 and newer: the vendor's helpers, and what cannot be done without them.
HELPERS = {
    LOADER: "no part can be loaded, and nothing compiled",
    f"{PARTS}:prepare_part": "the vendor's own way to record a part's inputs is not there",
    f"{PARTS}:available_parts": "the parts of a model cannot be listed",
    "qbcompiler.model_dict.parser.backend.torch.input_capture:capture_forward_inputs": (
        "the vendor's own way to record a part's inputs is not there"
    ),
    "qbcompiler.artifact.input:read_mblt_graph_info": (
        "layers that activation_16bits names cannot be looked up before a call"
    ),
    "gpu_memory_budget_mb": "the memory that it takes of a GPU cannot be limited",
}
OF_ALL = tuple(HELPERS)[-2:]  # what older versions are told to lack, too
ASK = """
import importlib, importlib.metadata as m, inspect, json, sys
found = {}
for name in ("qbcompiler", "qubee", "torch", "numpy", "transformers"):
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: found[name] = None
found["python"] = sys.version.split()[0]
found |= {"imports": "", "gpu": ""}
try:
    import qbcompiler, torch
    found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
except Exception as error:  # whatever a broken installation raises; it is a line of the table
    found["imports"] = f"{type(error).__name__}: {error}"
def get(path):
    module, _, name = path.partition(":")
    try: return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError): return None
found["lacks"] = []
if found["qbcompiler"] and not found["imports"]:
    *helpers, budget = HELPERS
    found["lacks"] = [path for path in helpers if get(path) is None]
    homes = ("qbcompiler", "qbcompiler.configs")
    memory = [get(f"{home}:ResourceManagementConfig") for home in homes]
    fields = [name for one in memory if one for name in inspect.signature(one).parameters]
    camel = "".join(piece.capitalize() for piece in budget.split("_"))
    if not {budget, camel[0].lower() + camel[1:]} & set(fields): found["lacks"].append(budget)
if found["qubee"] == "0.11.0.1":
    import pathlib, qubee.model_dict.parser.parser as parser
    found["line 538"] = pathlib.Path(parser.__file__).read_text().splitlines()[537].strip()
print(json.dumps(found))
"""
PATIENCE = 120  # seconds: importing the compiler can take many


def ask(python: str) -> dict[str, Any]:
    """What an interpreter has.

    Raises:
        Refused: it cannot be run.
    """
    command = [python, "-c", f"HELPERS = {[*HELPERS]}\n{ASK}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{python} has not answered within {PATIENCE} s") from None
    except OSError as error:
        raise Refused(
            f"{python} cannot be run ({error.strerror}); set compilation.qbcompiler.python"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Refused(f"{python} ended with status {done.returncode}; its last words: {last}")
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise Refused(
            f"{python} is no Python: it was asked for its packages and did not say"
        ) from None
