"""Progress of long work, written where the user looks: to the terminal of the run.

Usage: `for clip in Progress(clips, desc="features", unit="clip"): ...`. A job of a run has its
stderr in a log file; several jobs report at once. So this writes whole lines, and seldom.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from common.cli import on_this_machine

TERMINAL = "PIPELINE_TERMINAL"  # environment variable: file to write to, set by the run
INTERVAL = 5.0  # seconds between two lines, and before the first


def _terminal() -> TextIO:
    """The stderr of the run that started this job, or this process's own."""
    if not on_this_machine():  # the file is another process's here, if it is one
        return sys.stderr
    try:
        return Path(os.environ[TERMINAL]).open("a", encoding="utf-8")
    except (KeyError, OSError):
        return sys.stderr


class Progress(tqdm):
    """tqdm, as lines: `ko_kr:  45%|####      | 80M/178M [00:10<00:12, 8.1MB/s]`."""

    def __init__(self, iterable: Iterable[Any] | None = None, **options: Any) -> None:
        """Take an iterable, or `total`, and tqdm's other options."""
        timing = {"mininterval": INTERVAL, "delay": INTERVAL}
        super().__init__(iterable, **({"file": _terminal()} | timing | options))

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write the state as a line of its own."""
        print(str(self) if msg is None else msg, file=self.fp, flush=True)
        return True

    def close(self) -> None:
        """End without a last line: the stage says what it has done."""
        if not self.disable:
            self.disable = True
            self._decr_instances(self)
