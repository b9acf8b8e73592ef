"""What a run needs of the machine and may not find: a home, a name, CPUs to itself, clean paths.

Containers, CI and clusters run commands as users without an entry in passwd, with a home that is
not there or cannot be written, and with less CPU time than there are CPUs.
"""

import contextlib
import getpass
import math
import os
import random
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from common.cli import UserError
from common.foreign_packages import refuse_foreign_packages

HOME = Path(".snakemake/home")  # of a run whose user has none
HUB_CACHE = ".cache/huggingface"  # in a home: worth reading even where nothing can be written


def settle() -> None:
    """Prepare this process, and with it the jobs that it starts, for the machine.

    Raises:
        WorkflowError: Foreign packages are on the path, or names of files are not in UTF-8.
    """
    try:
        refuse_foreign_packages()
        refuse_other_encodings()
    except UserError as error:
        raise WorkflowError(str(error)) from None
    find_home()
    follow_quota()


def find_home() -> None:
    """Give the run a home of its own where its user has none, and a name."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (which raises where there is no home)
    writable = home.is_absolute() and home.is_dir() and os.access(home, os.W_OK | os.X_OK)
    if not writable and not os.access(home / HUB_CACHE, os.R_OK | os.X_OK):
        HOME.mkdir(parents=True, exist_ok=True)
        os.environ["HOME"] = str(HOME.resolve())
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter from Python 3.13 on
        os.environ["USER"] = str(os.getuid())


def refuse_other_encodings() -> None:
    """Raise a `UserError` if names of files cannot have all characters."""
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        raise UserError(
            f"the names of files are in {encoding} by the locale, which cannot write all of them:"
            " `export PYTHONUTF8=1` and run the same command again"
        )


def follow_quota() -> None:
    """Use no more CPUs than the time of which a cgroup grants.

    Libraries start a thread for each CPU that they may run on, and know nothing of quotas: many
    threads in the time of one CPU wait for one another. Which of the CPUs it is, is drawn, so that
    containers side by side do not meet on the same.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    granted = quota()
    if granted < len(allowed):
        os.sched_setaffinity(0, random.SystemRandom().sample(allowed, math.ceil(granted)))


def limit_cores(resources: MutableMapping[str, Any]) -> None:
    """Of what Snakemake may use, make the cores no more than a cgroup grants.

    It counts CPUs for `--cores all`, and knows nothing of quotas either: all of a host's would be
    threads of one job, or jobs at a time.

    Args:
        resources: A workflow's; cores are integers, or None for jobs that run elsewhere.
    """
    granted, asked = quota(), resources["_cores"].value
    if asked is not None and granted < asked:
        resources["_cores"] = used = math.ceil(granted)
        said = f"{asked} cores are asked for; the quota of this process is {granted:g}: {used} used"
        print(said, file=sys.stderr)


def limit_memory(resources: MutableMapping[str, Any]) -> None:
    """Let jobs run side by side only as far as the memory of this machine goes.

    A job that needs more than all of it runs alone. Nothing is changed where the command says a
    limit (`--resources mem_mb=16000`), or where jobs run elsewhere.

    Args:
        resources: A workflow's.
    """
    if "mem_mb" not in resources and resources["_nodes"].value is None:
        resources["mem_mb"] = int(memory() // 1_000_000)


def memory(root: Path = Path("/sys/fs/cgroup"), process: Path = Path("/proc/self/cgroup")) -> float:
    """Bytes of memory that this process and others of its cgroups may use together.

    Args:
        root: Where the file systems of cgroups are.
        process: The list of the process's cgroups.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _cgroups("memory", root, process):
        with contextlib.suppress(OSError, ValueError):
            name = "memory.max" if (folder / "memory.max").is_file() else "memory.limit_in_bytes"
            limits.append(int((folder / name).read_text(encoding="utf-8")))
    return min(limits)


def quota(root: Path = Path("/sys/fs/cgroup"), process: Path = Path("/proc/self/cgroup")) -> float:
    """CPUs whose time this process's cgroups grant; infinite where they do not limit it.

    Args:
        root: Where the file systems of cgroups are.
        process: The list of the process's cgroups.
    """
    return min([math.inf, *map(_granted, _cgroups("cpu", root, process))])


def _cgroups(controller: str, root: Path, process: Path) -> Iterator[Path]:
    """Folders of a process's cgroups with this controller, and of those above: all limits hold."""
    try:
        lines = process.read_text(encoding="utf-8").split()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root  # version 1, or 2
        # In a container the place may be that on the host.
        inside = top / place.lstrip("/")
        for folder in (inside, *inside.parents):
            if folder == top or top in folder.parents:
                yield folder


def _granted(folder: Path) -> float:
    """CPUs by the files of one cgroup."""
    try:
        if (folder / "cpu.max").is_file():
            time, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        else:
            time = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8")
        return math.inf if time in ("max", "-1") else int(time) / int(period)
    except (OSError, ValueError):
        return math.inf
