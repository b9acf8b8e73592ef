"""Letting go of a graph's mapped weights while they are packed.

OpenVINO maps the file of weights, and compiling keeps a packed copy of most of them: at its end
both are resident, twice the model. The pages of the file are of no more use once they were packed;
the kernel would take them back when memory is short, but a cluster that counts resident memory
would stop the job before.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERVAL = 0.1  # seconds: some 100 MB are packed in between
PAGEOUT = 21  # MADV_PAGEOUT of madvise(2), Linux 5.4: what is used again is read again


@contextmanager
def released() -> Iterator[None]:
    """Within, the pages of mapped .bin files do not stay resident (on Linux; elsewhere they do)."""
    if sys.platform != "linux":
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_release, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _release(done: threading.Event) -> None:
    libc = ctypes.CDLL(None)
    while not done.wait(INTERVAL):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            addresses, rights, *_, name = line.split(maxsplit=5)
            if name.endswith(".bin") and rights.startswith("r--"):
                begin, end = (int(address, 16) for address in addresses.split("-"))
                libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), PAGEOUT)
