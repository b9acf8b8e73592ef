"""A run as a whole: one at a time in a folder, jobs that end with it, its errors in plain sight."""

import errno
import fcntl
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from snakemake.exceptions import WorkflowError

from common.cli import RUN, UserError
from common.progress import TERMINAL
from compilation.qb.limits import NPU_TARGETS

START = time.time()  # of the run: its Snakefile imports this first
# How network and overlay file systems say that they cannot lock.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
# How Slurm says in a job's log that it has ended it, and what is to be done.
ENDED = {
    "exceeded memory limit|oom.?kill": "took more memory than it had asked for;"
    " --set-resources RULE:mem_mb=N asks for more",
    "DUE TO TIME LIMIT": "took longer than it had asked for; --set-resources RULE:runtime=MINUTES"
    " asks for more",
    "DUE TO NODE FAILURE": "lost its node; run the same command again",
    "CANCELLED AT": "was cancelled; run the same command again",
}
_held: list[TextIO] = []  # an open file is what holds a lock


def hold(path: Path) -> None:
    """Take the lock at `path` until this process ends.

    The kernel releases it with the process, so a killed run needs no unlocking. Where the file
    system has no locks, the run goes on without one, and says so.

    Raises:
        UserError: Another run holds it, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        _held.append(file)
        if not _lock(file):
            print(
                f"{path.parent.absolute()} is on a file system without locks: see that no other run"
                " is at work in this folder",
                file=sys.stderr,
            )
        # Unbuffered: what a full disk does not take is not to be written again at the end.
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), str(os.getpid()).encode())
    except OSError as error:
        raise UserError(
            f"{path.absolute()} cannot be written ({error.strerror}); free some space, or let this"
            " user write in this folder, and run the same command again"
        ) from None


def _lock(file: TextIO) -> bool:
    """Take a lock; False where there are none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise UserError(
            f"another run is at work in this folder (process {file.read().strip()}); wait for it,"
            " or stop it with Ctrl-C in its terminal"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True


def announce() -> None:
    """Let the jobs that this process starts run its interpreter, end with it, and be seen."""
    os.environ[RUN] = f"{socket.gethostname()}:{os.getpid()}"
    # Nobody watches a regular file, and what others append this process would write over.
    if not stat.S_ISREG(os.fstat(2).st_mode):
        os.environ[TERMINAL] = f"/proc/{os.getpid()}/fd/2"
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def begin(reason: str) -> None:
    """Take the folder for this run, and say what is built.

    Raises:
        WorkflowError: Another run is at work in it.
    """
    announce()
    try:
        hold(Path(".snakemake/run.lock"))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    print(reason, file=sys.stderr)


def end(results: Iterable[str]) -> None:
    """Say what the run has made of the results."""
    made = new(results)
    print_tables(made)
    for path in made:
        if path.parent.name in NPU_TARGETS:
            print(f"hand-off folder: {path.parent}", file=sys.stderr)


def fail(results: Iterable[str]) -> None:
    """Say what a run has made before it failed, and why it failed."""
    print_tables(new(results))
    print("\n".join(["", *sentences(Path("logs"), START)]), file=sys.stderr)


def new(results: Iterable[str]) -> list[Path]:
    """The results that the run has made."""
    found = [path for path in map(Path, results) if path.is_file()]
    return [path for path in found if path.stat().st_mtime >= START]


def print_tables(made: list[Path]) -> None:
    """Print the tables of what was evaluated."""
    if quality := [str(path) for path in made if path.name == "quality.json"]:
        subprocess.run([sys.executable, "-m", "evaluation.report.table", *quality], check=False)


def sentences(logs: Path, since: float) -> list[str]:
    """How logs changed after `since` (seconds of the clock) end, where they tell an error."""
    fresh = [path for path in sorted(logs.rglob("*.log")) if path.stat().st_mtime >= since]
    found = []
    for path in fresh:
        text = path.read_text(encoding="utf-8", errors="replace").rstrip()
        if "slurmstepd" in text:
            found += _ended(path, text)
        # The last sentence, and the lines set in that follow from it.
        elif match := re.search(r"^error: .*(\n  .*)*\Z", text, re.MULTILINE):
            found.append(match.group())
    return list(dict.fromkeys(found))


def _ended(path: Path, text: str) -> list[str]:
    """Why Slurm has ended the job of this log, if it has."""
    why = [what for said, what in ENDED.items() if re.search(said, text)]
    return [f"error: a job {what} ({path})" for what in why[:1]]
