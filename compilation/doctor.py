"""Say what can be compiled here, for every target, and what to do about what cannot.

Example:
    python -m compilation.doctor
    python -m compilation.doctor --python /opt/qb/bin/python

Ends with status 1 where a target that --targets names cannot be compiled for.
"""

import argparse
import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError, run
from common.disk import free_bytes
from compilation.qb.arguments_by_version import generation_of
from compilation.qb.limits import NPU_TARGETS, Refused, check_target, warnings_on

ASK = """
import importlib.metadata as m, json, sys
found = {}
for name in ("qbcompiler", "qubee", "torch", "numpy", "transformers"):
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: found[name] = None
found["python"] = sys.version.split()[0]
found |= {"imports": "", "gpu": ""}
try:
    import torch, qbcompiler
    found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
except Exception as error:  # whatever a broken installation raises; it is a line of the table
    found["imports"] = f"{type(error).__name__}: {error}"
if found["qubee"] == "0.11.0.1":
    import pathlib, qubee.model_dict.parser.parser as parser
    found["line 538"] = pathlib.Path(parser.__file__).read_text().splitlines()[537].strip()
print(json.dumps(found))
"""
PATIENCE = 120  # seconds: importing the compiler can take many
ROOM = 20_000_000_000  # bytes of disk under which a large checkpoint may not get through


class Finding(NamedTuple):
    """One line of the table."""

    target: str
    state: str  # ok, warning or missing
    what: str


def ask(python: str) -> dict[str, str | None]:
    """What an interpreter has.

    Raises:
        Refused: it cannot be run.
    """
    try:
        done = subprocess.run(
            [python, "-c", ASK], capture_output=True, text=True, check=False, timeout=PATIENCE
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


def of_cpu() -> list[Finding]:
    """What there is for the target cpu."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("openvino", "nncf")]
    return [Finding("cpu", "ok", ", ".join(versions))]


def of_npu(python: str) -> list[Finding]:
    """What there is for the NPU targets in an interpreter."""
    both = ", ".join(NPU_TARGETS)
    try:
        found = ask(python)
    except Refused as error:
        return [Finding(both, "missing", str(error))]
    if found["qubee"]:
        return [Finding(both, "missing", _of_qubee(found))]
    version = found["qbcompiler"]
    if version is None:
        advice = "install the NPU vendor's wheel, or name another in compilation.qbcompiler.python"
        return [Finding(both, "missing", f"{python} has no qbcompiler; {advice}")]
    if found["imports"]:
        return [Finding(both, "missing", f"qbcompiler {version} fails: {found['imports']}")]
    try:
        notes = [generation_of(version)[1], *warnings_on(found)]
    except Refused as error:
        return [Finding(both, "missing", str(error))]
    if not found["gpu"]:
        notes.append("torch finds no GPU there: compiling takes many times as long")
    findings = [Finding(both, "warning", note) for note in notes if note]
    for target in NPU_TARGETS:
        try:
            check_target(target, version)
        except Refused as error:
            findings.append(Finding(target, "missing", str(error)))
        else:
            at = f"qbcompiler {version}, torch {found['torch']}, Python {found['python']}"
            findings.append(Finding(target, "ok", at))
    return findings


def _of_qubee(found: dict[str, str | None]) -> str:
    """The vendor's compiler under its old name, which only a patched parser lets read Whisper."""
    line = found.get("line 538") or ""
    patch = ""
    if 'self.backend == "hf"' in line:
        patch = "; its parser lacks the vendor's change for Whisper (line 538: `if False:`)"
    elif "if False" in line:
        patch = "; its parser has the vendor's change for Whisper"
    return f"qubee {found['qubee']} is older than qbcompiler 1.0; install a newer compiler{patch}"


def of_machine() -> list[Finding]:
    """Disk, and the vendor's runtime."""
    findings = []
    if (free := free_bytes(Path.cwd())) < ROOM:
        left = f"{free / 1e9:.0f} GB of disk are left; large checkpoints take more"
        findings.append(Finding("all", "warning", left))
    try:
        version = importlib.metadata.version("mobilint-qb-runtime")
        findings.append(Finding("NPU files", "ok", f"read by mobilint-qb-runtime {version}"))
    except importlib.metadata.PackageNotFoundError:
        advice = "mobilint-qb-runtime is not here, so .mxq files are not read after compiling"
        findings.append(Finding("NPU files", "warning", advice))
    if shutil.which("apptainer") is None:
        note = "apptainer is not here, which compilation.qbcompiler.container needs"
        findings.append(Finding("container", "warning", note))
    return findings


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="that has the vendor's compiler")
    parser.add_argument("--targets", nargs="*", default=["cpu"], help="that must be possible")
    args = parser.parse_args(argv)
    findings = [*of_cpu(), *of_npu(args.python), *of_machine()]
    width = max(len(one.target) for one in findings)
    for one in findings:
        print(f"{one.target:{width}}  {one.state:7}  {one.what}")
    possible = {one.target for one in findings if one.state == "ok"}
    if lacking := [target for target in args.targets if target not in possible]:
        raise UserError(f"cannot compile for {', '.join(lacking)} here; the table says why")


if __name__ == "__main__":
    run(main)
