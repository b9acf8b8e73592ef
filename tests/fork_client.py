"""An interpreter whose modules run in forks of a process (see tests/forks.py), beside its socket.

What the libraries of that process have read of the variables as they were imported, they do not
read again: where those are others, and for whatever is no module, it is the interpreter itself.
"""

import json
import os
import signal
import socket
import sys


def module() -> list[str] | None:
    """The module that is asked for, and its arguments."""
    words = sys.argv[1:]
    while words and words[0] in ("-u", "-B"):
        del words[0]
    return words[1:] if words[:1] == ["-m"] else None


def main() -> None:
    """Have it run; end as it has ended."""
    home = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib takes long)
    with open(os.path.join(home, "read.json"), encoding="utf-8") as file:  # noqa: PTH118, PTH123
        read = json.load(file)
    asked = module()
    if asked is None or any(os.environ.get(name) != value for name, value in read.items()):
        os.execv("INTERPRETER", ["INTERPRETER", *sys.argv[1:]])
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(os.path.join(home, "socket"))  # noqa: PTH118
    request = {"argv": asked, "cwd": os.getcwd(), "env": dict(os.environ)}  # noqa: PTH109
    request["cpus"] = sorted(os.sched_getaffinity(0))
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    connection.recv(64)  # its process id
    status = int(connection.recv(64))
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
