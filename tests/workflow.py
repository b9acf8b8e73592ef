"""A clean copy of the project to run Snakemake in."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from tests.forks import SNAKEMAKE, WHISPER, Running
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


def begin(
    folder: Path, *arguments: str, log: IO[bytes], cores: int = 2, **variables: str
) -> Running:
    """Begin to run Snakemake and its jobs in `folder`, in forks; stdout and stderr go to `log`."""
    return SNAKEMAKE.start(
        *("snakemake", "--cores", str(cores), *arguments),
        cwd=folder,
        env=environment(**variables),
        output=log,
        errors=log,
        executable=WHISPER.python,
    )


def snakemake(folder: Path, *arguments: str, **given: Any) -> subprocess.CompletedProcess:
    """As `begin`, to its end; stdout and stderr are one text in `stdout`."""
    with tempfile.TemporaryFile() as log:
        status = begin(folder, *arguments, log=log, **given).wait()
        log.seek(0)
        return subprocess.CompletedProcess(arguments, status, log.read().decode("utf-8"))


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


def unasked(folder: Path, *arguments: str) -> tuple[set[str], set[str]]:
    """All rules of a run with jobs, and those none of whose files the run's target asks for."""
    said = snakemake(folder, "--dry-run", "--forceall", *arguments).stdout
    block = r"rule (\w+):\n(?:    input: (.*)\n)?(?:    output: (.*)\n)?"
    jobs = {(rule, given, made) for rule, given, made in re.findall(block, said)}
    (asked,) = (set(given.split(", ")) for rule, given, _ in jobs if rule == "all")
    made = [(rule, set(files.split(", "))) for rule, _, files in jobs if rule != "all"]
    return {rule for rule, _ in made}, {rule for rule, files in made if not files & asked}
