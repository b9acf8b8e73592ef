"""One call of the NPU vendor's compiler in a process of its own, which may fail, abort or hang.

What it writes is passed on as it comes. Only the standard library is used here.
"""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from common.cli import UserError
from common.files import read_json, write_json
from compilation.qb import child as invoke

LAST_LINES = 8  # of what the compiler wrote, in the message of a failure
KEPT = 1 << 16  # bytes of it


class Heard:
    """Passes on what a process writes, while it runs, and keeps the end of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = b""
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def _pass_on(self) -> None:
        while chunk := os.read(self._stream.fileno(), KEPT):
            sys.stderr.buffer.write(chunk)
            sys.stderr.flush()
            self._end = (self._end + chunk)[-KEPT:]

    def end(self) -> str:
        """The last of it; waits a little for what is still in the pipe."""
        self._thread.join(5)
        return self._end.decode("utf-8", errors="replace")


def call(request: dict[str, Any], folder: Path, suffix: str, hours: float) -> dict[str, Any]:
    """Make the call that a request describes; what it cost, and `file`, what it has written.

    Args:
        request: Step, versions, wish and paths, as compilation/qb/child.py takes them.
        folder: For the files of this call; replaced.
        suffix: Of the file that is written there.
        hours: After which the process is stopped.

    Raises:
        UserError: it failed, was killed, took longer, or wrote nothing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    out = folder / f"part{suffix}"
    names = {"out": out, "result": folder / "result.json", "resolved": folder / "resolved.json"}
    request = {**request, **{name: str(path) for name, path in names.items()}}
    write_json(folder / "request.json", request)
    command = [sys.executable, "-u", "-m", invoke.__name__, str(folder / "request.json")]
    begin, status = time.monotonic(), None
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    heard = Heard(process.stdout)
    try:
        status = process.wait(hours * 3600)
    except subprocess.TimeoutExpired:
        pass  # status is None
    finally:
        # Whatever it has started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if status != 0:
            out.unlink(missing_ok=True)  # begun, perhaps
    function = {"parse": "mblt_compile", "quantise": "mxq_compile"}[request["step"]]
    if status is None:
        raise UserError(
            f"{function} did not end within {hours:g} hours and was stopped; give it more in"
            " compilation.qbcompiler.timeout_hours"
        )
    if status != 0:
        raise UserError(_failure(function, status, heard.end()))
    if not out.is_file() or out.stat().st_size == 0:
        raise UserError(
            f"{function} ended without an error and wrote no {suffix} file; see the log"
        )
    result = read_json(names["result"])
    if names["resolved"].is_file():
        result["resolved"] = names["resolved"].read_text(encoding="utf-8")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {**result, "file": out, "seconds": round(time.monotonic() - begin, 1), "peak": peak}


def _failure(function: str, status: int, said: str) -> str:
    """What to say of a call that failed: why it was refused, or its last words."""
    lines = [line for line in said.splitlines() if line.strip()]
    if lines and lines[-1].startswith("refused: "):
        return lines[-1].removeprefix("refused: ")
    how = f"was ended by signal {-status}" if status < 0 else f"failed with exit status {status}"
    last = "\n  ".join(lines[-LAST_LINES:])
    return f"{function} {how}; its last words:\n  {last}"
