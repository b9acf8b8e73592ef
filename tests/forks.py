"""Python modules run in forks of a process that has imported what takes long: seconds a run less.

Each run has a folder, variables and a module path of its own, and leaves no trace in the next one.
The process begins clean: it has nothing of the tests, and no module of this project.

    done = SNAKEMAKE.run("snakemake", "--cores", "2", cwd=folder, env=os.environ)

`WHISPER.python` is an interpreter whose modules run like this: what it is given as `-m module` goes
to the process, and whatever else to the interpreter of the tests.
"""

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

LONGEST = 1 << 20  # bytes of a request
CLIENT = Path(__file__).with_name("fork_client.py")
# Its first lines, for a shell and for Python: the interpreter's path may be long, and have spaces.
FIRST = "#!/bin/sh\n'''exec' \"{}\" -IS \"$0\" \"$@\"\n' '''\n"
# What is read as libraries are imported, or the interpreter begins.
READ = ("HF_HOME", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_XET", "HF_TOKEN", "HOME")
READ += ("LANG", "LC_ALL", "PYTHONUTF8")


class Running:
    """A run that has begun.

    Args:
        connection: To the process that sees to it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int(connection.recv(LONGEST))
        self._status: int | None = None

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit status, as `subprocess` has it; None if it has not ended after that time."""
        if self._status is None and select.select([self._connection], [], [], seconds)[0]:
            self._status = int(self._connection.recv(LONGEST))
            self._connection.close()
        return self._status


class Forks:
    """A process that is forked for each run; it begins with the first one.

    Args:
        *modules: What it imports. Threads that they start, a fork does not have.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    @functools.cached_property
    def _folder(self) -> Path:
        """Of the process, which begins here, and ends with this one."""
        folder = Path(tempfile.mkdtemp(prefix="forks-"))
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(str(folder / "socket"))
        listening.listen(64)
        client = folder / "python"
        text = CLIENT.read_text(encoding="utf-8").replace("INTERPRETER", sys.executable)
        client.write_text(FIRST.format(sys.executable) + text, encoding="utf-8")
        client.chmod(0o755)
        read = {name: os.environ.get(name) for name in READ}
        (folder / "read.json").write_text(json.dumps(read), encoding="utf-8")
        command = [sys.executable, __file__, str(listening.fileno()), str(client), *self._modules]
        process = subprocess.Popen(
            command, pass_fds=[listening.fileno()], stdin=subprocess.PIPE, start_new_session=True
        )
        listening.close()
        atexit.register(shutil.rmtree, folder)
        atexit.register(process.communicate)  # before it: the last comes first
        return folder

    @property
    def python(self) -> Path:
        """An interpreter whose modules are run by the process."""
        return self._folder / "python"

    def start(
        self,
        module: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes],
        executable: Path | None = None,
    ) -> Running:
        """Begin `python -m module arguments`.

        Args:
            module: Its name.
            *arguments: Its command line.
            cwd: Its folder.
            env: All its variables.
            output: Where it writes.
            errors: Where it writes errors.
            executable: What it takes for its interpreter, if not `python`.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(str(self._folder / "socket"))
        request = {"argv": [module, *arguments], "cwd": str(cwd), "env": dict(env)}
        request |= {"cpus": sorted(os.sched_getaffinity(0))}
        request |= {"executable": str(executable)} if executable else {}
        with Path(os.devnull).open("rb") as nothing:
            files = [file.fileno() for file in (nothing, output, errors)]
            socket.send_fds(connection, [json.dumps(request).encode()], files)
        return Running(connection)

    def run(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess:
        """As `start`, to its end, with what it has written."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            files = {"output": output, "errors": errors}
            status = self.start(module, *arguments, cwd=cwd, env=env, **files).wait()
            texts = [_text(file) for file in (output, errors)]
        return subprocess.CompletedProcess([module, *arguments], status, *texts)


def _text(file: IO[bytes]) -> str:
    """All that a file holds."""
    file.seek(0)
    return file.read().decode("utf-8")


def next_run(listening: socket.socket) -> dict[str, Any] | None:
    """What to run, in a fork for each request; None in the process itself, at the end.

    A run is ended, with all its group, where who has asked for it is gone.
    """
    runs: dict[int, tuple[int, socket.socket]] = {}  # by what is ready when they have ended
    while True:
        asking = {connection: run for run, (_, connection) in runs.items()}
        ready = select.select([listening, sys.stdin, *runs, *asking], [], [])[0]
        for run in {asking.get(one, one) for one in ready} & set(runs):
            _end(*runs.pop(run))
            os.close(run)
        if listening in ready:
            connection, _ = listening.accept()
            message, files, *_ = socket.recv_fds(connection, LONGEST, 3)
            child = os.fork()
            if child == 0:
                return _begun(message, files)
            for file in files:
                os.close(file)
            with contextlib.suppress(BrokenPipeError):
                connection.send(b"%d" % child)
            runs[os.pidfd_open(child)] = child, connection
        elif sys.stdin in ready:
            for run in runs.values():
                _end(*run)
            return None


def _end(child: int, connection: socket.socket) -> None:
    """Say how a run has ended; end it, if it has not."""
    if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(ProcessLookupError):  # it has no group yet
            os.killpg(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError), connection:
        connection.send(b"%d" % os.waitstatus_to_exitcode(status))


def _begun(message: bytes, files: list[int]) -> dict[str, Any]:
    """The request, in a fork that has these files alone."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 1024)
    return json.loads(message)


def main() -> None:
    """Import, then be forked; a fork goes on here as what it is to run."""
    descriptor, client, *modules = sys.argv[1:]
    for name in modules:
        import_module(name)
    if "torch" in sys.modules:
        use_one_thread()
    gc.freeze()
    request = next_run(socket.socket(fileno=int(descriptor)))
    if request is None:
        return
    sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3))  # of a pipe, perhaps, and no file
    sys.executable = request.get("executable", client)
    os.chdir(request["cwd"])
    os.sched_setaffinity(0, request["cpus"])
    os.environ.clear()
    os.environ.update(request["env"])
    given = filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [request["cwd"], *given, *sys.path[1:]]
    module, *sys.argv[1:] = request["argv"]
    _exit_after(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def use_one_thread() -> None:
    """Let torch and OpenVINO run on one thread each, in this process and its forks.

    The models of the tests are tiny: two threads would wait for each other, at each token, for
    longer than they work, and where something else runs beside them, for many times as long.
    """
    import openvino
    import torch

    def compile_model(
        core: openvino.Core,
        model: openvino.Model | Path,
        device_name: str = "CPU",
        config: Mapping[str, Any] | None = None,
    ) -> openvino.CompiledModel:
        return whole(core, model, device_name, {"INFERENCE_NUM_THREADS": 1, **(config or {})})

    whole, openvino.Core.compile_model = openvino.Core.compile_model, compile_model
    torch.set_num_threads(1)


def _stream(number: int) -> IO[str]:
    """As an interpreter has it at its beginning."""
    errors = "backslashreplace" if number == 2 else "strict"
    buffering = -1 if number < 2 else 1  # 1: by lines
    mode = "w" if number else "r"
    return open(number, mode, buffering, "utf-8", errors, closefd=False)


def _exit_after(call: Callable[[], object]) -> NoReturn:
    """End as an interpreter does after a call, but for taking all apart, which takes a second."""
    status = 0
    try:
        call()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if status and not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


SNAKEMAKE = Forks(
    *("snakemake.cli", "snakemake.report.html_reporter", "smart_open", "jsonschema", "pandas"),
    *("snakemake.executors.local", "sqlite3"),
)
WHISPER = Forks("torch", "transformers.models.whisper.modeling_whisper", "openvino", "nncf")

if __name__ == "__main__":
    main()
