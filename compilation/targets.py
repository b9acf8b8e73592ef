"""Which targets to compile for. Imports nothing heavy: the Snakefile calls it at every start.

A target for another compiler is a package beside openvino/ and qb/, with rules that write
compilation/parts/{model}/{target}/{part}.json, and its name in config.schema.yaml, in `resolve` and
in the Snakefile's wildcards; runtime/folder.py makes the sessions that run its parts.
"""

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence

from common.cli import UserError
from compilation.qb.limits import NPU_TARGETS, targets_of

COMPILER = "qbcompiler"  # the NPU vendor's package


def resolve(
    targets: str | Sequence[str], version: str | None, python: str, container: str
) -> tuple[list[str], str]:
    """The targets to build, and a sentence that says why these.

    Args:
        targets: `auto`, or the list from the configuration.
        version: Of the vendor's compiler in that interpreter; None where it has none.
        python: The interpreter of the configuration.
        container: The image of the configuration, or an empty string.

    Raises:
        UserError: an NPU target is listed, and there is no compiler.
    """
    if targets != "auto":
        if version is None and not container and set(targets) & set(NPU_TARGETS):
            raise UserError(
                f"compilation.targets names an NPU, and `{python}` has no {COMPILER}, or cannot be"
                " run; set compilation.qbcompiler.python to the interpreter that has the vendor's"
                " compiler, and see `python -m compilation.doctor --python ...`"
            )
        return list(targets), f"targets: {', '.join(targets)} (listed in compilation.targets)"
    if container:
        chosen, why = [*NPU_TARGETS, "cpu"], f"the image {container} is configured"
    elif version is None:
        chosen, why = ["cpu"], f"`{python}` has no {COMPILER}, the NPU's compiler"
    else:
        chosen, why = [*targets_of(version), "cpu"], f"`{python}` has {COMPILER} {version}"
    return chosen, f"targets: {', '.join(chosen)} (auto: {why})"


def compiler_version(python: str) -> str | None:
    """Version of the vendor's compiler that an interpreter has, or None."""
    if python in ("python", sys.executable):
        try:
            return importlib.metadata.version(COMPILER)
        except importlib.metadata.PackageNotFoundError:
            return None
    code = f"import importlib.metadata as m; print(m.version({COMPILER!r}))"
    try:
        answer = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, errors="replace", check=False
        )
    except OSError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
