"""Python modules run in forks of a process that has imported what takes long: seconds a run less.

Each run has a folder, variables and a module path of its own, and leaves no trace in the next one.
The process begins clean: it has nothing of the tests, and no module of this project.

    done = SNAKEMAKE.run("snakemake", "--cores", "2", cwd=folder, env=os.environ)
"""

import atexit
import contextlib
import json
import os
import runpy
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any

LONGEST = 1 << 20  # bytes of a request


class Forks:
    """A process that is forked for each run; it begins with the first one.

    Args:
        *modules: What it imports. Threads that they start, a fork does not have.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def _start(self) -> None:
        """Begin the process, which ends with this one."""
        self._control, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(other.fileno()), *self._modules]
        process = subprocess.Popen(command, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL)
        other.close()
        atexit.register(process.wait)
        atexit.register(self._control.close)  # before it: the last comes first

    def run(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str], merged: bool = False
    ) -> subprocess.CompletedProcess:
        """As `python -m module arguments`, with what it has written.

        Args:
            module: Its name.
            *arguments: Its command line.
            cwd: Its folder.
            env: All its variables.
            merged: What it says on stderr is in `stdout`, where it was said.
        """
        with self._lock:
            if self._control is None:
                self._start()
        request = {"argv": [module, *arguments], "cwd": str(cwd), "env": dict(env)}
        reading, writing = os.pipe()
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
            os.fdopen(reading, encoding="utf-8") as reply,
        ):
            files = [(output if merged else errors).fileno(), output.fileno(), writing]
            socket.send_fds(self._control, [json.dumps(request).encode()], files)
            os.close(writing)
            status = int(reply.read())
            texts = [_text(file) for file in (output, errors)]
        return subprocess.CompletedProcess(request["argv"], status, *texts)


def _text(file: IO[bytes]) -> str:
    """All that a file holds."""
    file.seek(0)
    return file.read().decode("utf-8")


def next_run(control: socket.socket) -> dict[str, Any] | None:
    """What to run, in a fork for each request; None in the process itself, at the end."""
    while True:
        message, files, *_ = socket.recv_fds(control, LONGEST, 3)
        if not message:
            return None
        if os.fork() == 0:
            _watched(*files)
            return json.loads(message)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _watched(errors: int, output: int, reply: int) -> None:
    """Return in a fork that writes into these files; this one then says how that has ended."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        os.write(reply, b"%d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, max(errors, output, reply) + 1)


def main() -> None:
    """Import, then be forked; a fork goes on here as what it is to run."""
    descriptor, *modules = sys.argv[1:]
    for name in modules:
        import_module(name)
    request = next_run(socket.socket(fileno=int(descriptor)))
    if request is None:
        with contextlib.suppress(ChildProcessError):
            while os.wait():
                pass
        return
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    given = filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [request["cwd"], *given, *sys.path[1:]]
    module, *sys.argv[1:] = request["argv"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


SNAKEMAKE = Forks("snakemake.cli", "snakemake.report.html_reporter", "smart_open", "jsonschema")
WHISPER = Forks("torch", "transformers.models.whisper.modeling_whisper")

if __name__ == "__main__":
    main()
