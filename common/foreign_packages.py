"""Packages of this project of which others were put on the path, by setupvars.sh say."""

import os
import site
import sys
from collections.abc import Sequence
from pathlib import Path

from common.cli import UserError

OWN = ("openvino", "nncf", "numpy", "torch", "transformers", "tokenizers", "soundfile", "yaml")


def refuse_foreign_packages(names: Sequence[str] = OWN) -> None:
    """Raise a `UserError` if the path has other versions of what this environment has."""
    own = [name for name in names if any(_has(one, name) for one in site.getsitepackages())]
    for folder in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        for name in () if Path(folder).is_relative_to(sys.prefix) else own:
            if _has(folder, name):
                raise UserError(
                    f"PYTHONPATH names {folder}, whose {name} would be taken in place of this"
                    " project's: `unset PYTHONPATH` (setupvars.sh sets it) and run the same command"
                    " again"
                )
    for folder in filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        if "openvino" in own and any(Path(folder).glob("libopenvino.so*")):
            raise UserError(
                f"LD_LIBRARY_PATH names {folder}, whose OpenVINO would be taken in place of this"
                " project's: `unset LD_LIBRARY_PATH` (setupvars.sh sets it) and run the same"
                " command again"
            )


def _has(folder: str, name: str) -> bool:
    """Whether a folder of packages has one."""
    return (Path(folder) / name).is_dir() or (Path(folder) / f"{name}.py").is_file()


def end_with_foreign_openvino() -> None:
    """End this process with a sentence where another OpenVINO would be imported.

    For packages whose modules import it: at the first attribute that it lacks, that would be a
    traceback.
    """
    try:
        refuse_foreign_packages(("openvino", "nncf"))
    except UserError as error:
        sys.exit(f"error: {error}")
