"""Power, temperature, memory and clock of an NPU while it works, by the vendor's library mbltml."""

import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

INTERVAL = 0.05  # seconds between readings
# By name in the result, the library's function; REGULUS devices do not measure their power.
QUANTITIES = {
    "watts": "mbltmlGetTotalPower",
    "celsius": "mbltmlGetTemperature",
    "memory_bytes": "mbltmlGetMemoryUsage",
    "clock": "mbltmlGetNPUClock",  # as the library gives it, which does not name a unit
}
# The machine's, where Linux tells them.
MODES = {
    "governor": Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    "profile": Path("/sys/firmware/acpi/platform_profile"),
}


class NpuMeter:
    """Reads a device all the time, in a thread of its own, until it is closed.

    Args:
        library: The module mbltml, initialised.
        target: The device's type, such as `aries-rb`.
        number: Of the device among those of its type.
    """

    def __init__(self, library: ModuleType, target: str, number: int) -> None:
        self._library = library
        kind = getattr(library, f"MBLTML_TARGET_DEVICE_{target.upper().replace('-', '_')}")
        self._place = kind, number
        self._readings: list[tuple[float, dict[str, float]]] = []
        self._closing = threading.Event()
        self._read()  # in this thread, so that a device that is not there is an error here
        self._thread = threading.Thread(target=self._read_on, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        values = {}
        for name, function in QUANTITIES.items():
            try:
                values[name] = float(getattr(self._library, function)(*self._place))
            except self._library.MBLTMLNotSupportedError:
                continue
        self._readings.append((time.perf_counter(), values))

    def _read_if_told(self) -> None:
        """Read; where the library fails, which may be this once, keep an empty reading."""
        try:
            self._read()
        except self._library.MBLTMLError:
            self._readings.append((time.perf_counter(), {}))

    def _read_on(self) -> None:
        while not self._closing.wait(INTERVAL):
            self._read_if_told()

    def last(self, seconds: float) -> dict[str, float]:
        """What was read in the last seconds: mean power, energy in joules, and the most of others.

        Quantities that the device does not measure are absent, and power and energy where most
        readings have failed: the mean of the others might be that of another load.
        """
        self._read_if_told()
        begin = time.perf_counter() - seconds
        readings = self._readings
        chosen = [values for moment, values in readings if moment >= begin] or [readings[-1][1]]
        told = {name: [one[name] for one in chosen if name in one] for name in QUANTITIES}
        found = {name: max(values) for name, values in told.items() if values}
        watts = told["watts"]
        if watts and 2 * len(watts) >= len(chosen):
            found["watts"] = float(np.mean(watts))
            found["joules"] = found["watts"] * seconds
        else:
            found.pop("watts", None)
        return {name: round(value, 3) for name, value in found.items()}

    def close(self) -> None:
        """Read no more."""
        self._closing.set()
        self._thread.join()


def npu_meter(target: str, number: int) -> NpuMeter | None:
    """A meter of a device; None without the library (mobilint-ml), or where it finds no device."""
    try:
        import mbltml
    except ImportError:
        return None
    try:
        mbltml.mbltmlInit()
        return NpuMeter(mbltml, target, number)
    except (mbltml.MBLTMLError, OSError):  # no driver, no such device, or no native library
        return None


def power_mode() -> dict[str, str]:
    """The machine's power mode, where it tells one: the CPU's governor, the firmware's profile."""
    return {
        name: path.read_text(encoding="utf-8").strip()
        for name, path in MODES.items()
        if path.is_file()
    }


def summary(readings: list[dict[str, Any]]) -> dict[str, float]:
    """Over all clips: the mean of watts and joules, and the most of the others."""
    names = {name for one in readings for name in one}
    return {
        name: round(float((np.mean if name in ("watts", "joules") else max)(values)), 3)
        for name in sorted(names)
        if (values := [one[name] for one in readings if name in one])
    }
