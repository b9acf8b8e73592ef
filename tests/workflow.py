"""A clean copy of the project to run Snakemake in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.forks import SNAKEMAKE
from tests.imports import ROOT

DEMO = ("--configfile", "demo/config.yaml")


def clean_copy(folder: Path) -> Path:
    """The project's own files, without anything generated."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, with the interpreter of the tests first in the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "COLUMNS": "200", **variables}


def snakemake(
    folder: Path, *arguments: str, cores: int = 2, **variables: str
) -> subprocess.CompletedProcess:
    """Run Snakemake in `folder`; stdout and stderr are one text in `stdout`."""
    given = ["--cores", str(cores), *arguments]
    variables = environment(**variables)
    return SNAKEMAKE.run("snakemake", *given, cwd=folder, env=variables, merged=True)


def planned(folder: Path, *arguments: str) -> dict[str, int]:
    """What a run would do: jobs by rule, without the rules that only collect."""
    result = snakemake(folder, "--dry-run", *arguments)
    if result.returncode:
        raise AssertionError(result.stdout)
    if "Nothing to be done" in result.stdout:
        return {}
    table = result.stdout.split("Job stats:")[1].split("total")[0]
    jobs = dict(re.findall(r"^(\w+) +(\d+)", table, re.MULTILINE))
    collecting = (
        "job",
        "all",
        "data",
        "calibration",
        "compiled",
        "evaluation",
        "labels",
        "archive",
    )
    return {rule: int(count) for rule, count in jobs.items() if rule not in collecting}
