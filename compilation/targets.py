"""Which targets to compile for. Imports nothing heavy: the Snakefile calls it at every start."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence

COMPILER = "qbcompiler"  # the NPU vendor's package


def resolve(targets: str | Sequence[str], python: str) -> tuple[list[str], str]:
    """The targets to build, and a sentence that says why these.

    Args:
        targets: `auto`, or the list from the configuration.
        python: The interpreter with the vendor's compiler; `python` is the running one.
    """
    if targets != "auto":
        return list(targets), f"targets: {', '.join(targets)} (listed in compilation.targets)"
    version = compiler_version(python)
    if version is None:
        return ["cpu"], f"targets: cpu (auto: `{python}` has no {COMPILER}, the NPU's compiler)"
    return ["cpu"], (
        f"targets: cpu (auto: `{python}` has {COMPILER} {version}, but this version of the pipeline"
        " compiles for the CPU only)"
    )


def compiler_version(python: str) -> str | None:
    """Version of the vendor's compiler that an interpreter has, or None."""
    if python in ("python", sys.executable):
        try:
            return importlib.metadata.version(COMPILER)
        except importlib.metadata.PackageNotFoundError:
            return None
    code = f"import importlib.metadata as m; print(m.version({COMPILER!r}))"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
