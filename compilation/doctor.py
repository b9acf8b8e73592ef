"""Say what can be compiled here, for every target, and what to do about what cannot.

Example:
    python -m compilation.doctor
    python -m compilation.doctor --python /opt/qb/bin/python
    python -m compilation.doctor --python /opt/qb/bin/python --bundle help.zip

Ends with status 1 where a target that --targets names cannot be compiled for. --bundle packs what
somebody needs who is to help: the table, versions, logs, arguments and manifests of NPU parts, and
no weights, speech, texts, access tokens or names.
"""

import argparse
import importlib.metadata
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError, run
from common.disk import free_bytes
from compilation import bundle
from compilation.qb.arguments_by_version import generation_of
from compilation.qb.interpreter import HELPERS, LOADER, OF_ALL, ask
from compilation.qb.limits import NPU_TARGETS, Refused, check_target, numbers_of, warnings_on

ROOM = 20_000_000_000  # bytes of disk under which a large checkpoint may not get through


class Finding(NamedTuple):
    """One line of the table."""

    target: str
    state: str  # ok, warning or missing
    what: str


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
    lacks = found.get("lacks") or []
    if LOADER in lacks and numbers_of(version) >= (1, 3):
        return [Finding(both, "missing", f"qbcompiler {version} lacks {LOADER}: {HELPERS[LOADER]}")]
    own = HELPERS if numbers_of(version) >= (1, 3) else OF_ALL
    notes += [f"qbcompiler {version} lacks {n}: {HELPERS[n]}" for n in own if n in lacks]
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


def _answer(python: str) -> dict[str, Any]:
    """What an interpreter has, or why it does not say."""
    try:
        return ask(python)
    except Refused as error:
        return {"refused": str(error)}


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="that has the vendor's compiler")
    parser.add_argument(
        "--targets",
        nargs="*",
        choices=["cpu", *NPU_TARGETS],
        default=["cpu"],
        help="that must be possible",
    )
    parser.add_argument("--bundle", type=Path, metavar="FILE.zip", help="to be sent to a helper")
    args = parser.parse_args(argv)
    findings = [*of_cpu(), *of_npu(args.python), *of_machine()]
    width = max(len(one.target) for one in findings)
    table = "\n".join(f"{one.target:{width}}  {one.state:7}  {one.what}" for one in findings)
    print(table)
    if args.bundle:
        packed = bundle.write(args.bundle, Path.cwd(), table, _answer(args.python))
        print(f"{args.bundle}: {len(packed)} files, to be looked at before it is sent")
    possible = {one.target for one in findings if one.state == "ok"}
    if lacking := [target for target in args.targets if target not in possible]:
        raise UserError(f"cannot compile for {', '.join(lacking)} here; the table says why")


if __name__ == "__main__":
    run(main)
