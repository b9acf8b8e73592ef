"""How every command of the pipeline ends: success, or one sentence and a non-zero exit."""

import errno
import io
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable

RUN = "PIPELINE_RUN"  # environment variable: host and process id of the run that started a job
CLOSED = 141  # exit status where whoever read the output has ended: as a shell says it
INTERVAL = 0.5  # seconds between two looks at whether that run is still there


class UserError(Exception):
    """Something the user can put right. The message says what, where, and what to do about it."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn what is not its fault into a sentence and an exit status.

    That is a `UserError`, a full disk, a file that cannot be read or written, or Ctrl-C; and output
    that nobody reads any more (`... | head -1`) ends it without one. Any other exception is a bug
    and keeps its traceback.
    """
    _end_with_the_run()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a terminal may lack letters
    try:
        try:
            main()
        finally:
            _flush()  # here, where it can be said that this fails
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        is_closed = isinstance(error, BrokenPipeError) and _nobody_reads()
        _drop_output()
        if is_closed:
            sys.exit(CLOSED)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(
                f"error: no space left on the device while writing {error.filename or 'a file'};"
                " free some space and run the same command again: finished files are kept"
            )
        if error.errno is None or error.filename is None:
            raise
        sys.exit(
            f"error: cannot read or write {error.filename} ({error.strerror}); correct the path, or"
            " let this user do that, and run the same command again"
        )
    except KeyboardInterrupt:
        sys.exit("error: interrupted; run the same command again to go on from here")


def _flush() -> None:
    if sys.stdout:  # None where it was closed from the start
        sys.stdout.flush()


def _nobody_reads() -> bool:
    """Whether the output is a pipe that was closed at its other end."""
    poll = select.poll()
    try:
        poll.register(sys.stdout, 0)
    except (TypeError, io.UnsupportedOperation):  # there is none, or it is no file
        return False
    return bool(poll.poll(0))


def _drop_output() -> None:
    """Let output that cannot be written go nowhere: Python would try again at its end, and tell."""
    try:
        _flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_with_the_run() -> None:
    """End this process soon after the run that started it is gone (killed, say).

    Otherwise a job of a killed run would go on writing beside the same job of the next one. Does
    nothing where no run on this machine started the process.
    """
    if on_this_machine():
        pid = int(os.environ[RUN].partition(":")[2])
        threading.Thread(target=_watch, args=(pid,), daemon=True).start()


def on_this_machine() -> bool:
    """Whether a run on this machine started the process."""
    return os.environ.get(RUN, "").partition(":")[0] == socket.gethostname()


def _watch(pid: int) -> None:
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(INTERVAL)
