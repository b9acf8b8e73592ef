"""Whether there is a CUDA GPU, without importing torch, which takes seconds and a gigabyte."""

import ctypes


def has_gpu() -> bool:
    """Whether NVIDIA's driver is here and has a GPU."""
    count = ctypes.c_int()
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return ready and count.value > 0
