"""How every command of the pipeline ends: success, or one sentence and a non-zero exit."""

import errno
import io
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

RUN = "PIPELINE_RUN"  # environment variable: host and process id of the run that started a job
INTERVAL = 0.5  # seconds between two looks at whether that run is still there


class UserError(Exception):
    """Something the user can put right. The message says what, where, and what to do about it."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn what is not its fault into a sentence and an exit status.

    That is a `UserError`, a full disk, a file that cannot be read or written, or Ctrl-C. Any other
    exception is a bug and keeps its traceback.
    """
    _end_with_the_run()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a terminal may lack letters
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
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
