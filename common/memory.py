"""How much memory this process takes."""

import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Most memory that was ever resident in this process.

    What getrusage says counts, on Linux, the memory of the parent when it began this process.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    lines = status.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
