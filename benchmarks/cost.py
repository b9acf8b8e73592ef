"""What a module's command costs in a process of its own: seconds, and peak resident memory."""

import os
import subprocess
import sys
import time
from typing import NamedTuple

# The process itself is asked: in what getrusage says of a child, Linux counts the memory that its
# parent had when it started the child. (What the process
# itself had when it started one of its own, it has anyway.)
RUN = (
    "import resource, runpy, sys\nsys.argv = sys.argv[1:]\n"
    "try:\n    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    "finally:\n    lines = open('/proc/self/status').read().splitlines()\n"
    "    own = [int(line.split()[1]) for line in lines if line.startswith('VmHWM:')]\n"
    "    print(max(*own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
)


class Cost(NamedTuple):
    """Of one command."""

    seconds: float
    peak: float  # bytes of resident memory


def cost_of(module: str, *arguments: object, **environment: str) -> Cost:
    """Run a module's command; raises `CalledProcessError` where it fails."""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", RUN, module, *map(str, arguments)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Cost(time.monotonic() - begin, int(done.stdout.split()[-1]) * 1024)
