"""A module of this project in a process of its own, which ends with the one that started it."""

import os
import signal
import socket
import subprocess
import sys

from common.cli import RUN, UserError

# Snakemake sets these for its jobs. torch alone would obey them, and take hyper-threads for cores.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def run_module(module: str, *arguments: object, what: str) -> None:
    """Run `python -m module arguments`; what it says on stderr is said on this process's.

    Args:
        module: Its name.
        *arguments: Its command line.
        what: Has happened where it fails, as a sentence begins.

    Raises:
        UserError: It has failed; with the last line that it said.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    environment[RUN] = f"{socket.gethostname()}:{os.getpid()}"
    pipe = {"stderr": subprocess.PIPE, "text": True, "encoding": "utf-8", "errors": "replace"}
    last = ""
    with subprocess.Popen(command, env=environment, stdout=sys.__stderr__, **pipe) as process:
        for line in process.stderr:
            last = line.strip() or last
            if not line.startswith("error: "):  # which is said once, below
                print(line, end="", file=sys.stderr, flush=True)
    if process.returncode < 0:
        short = "; was memory short?" if process.returncode == -signal.SIGKILL else ""
        last = f"its process was ended by signal {-process.returncode}{short}"
    if process.returncode:
        raise UserError(f"{what}: {last.removeprefix('error: ')}")
