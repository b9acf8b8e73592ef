"""A Slurm of one node on this machine, in a folder of its own: for tests, and to look at.

    python -m tests.slurm_cluster snakemake --profile profiles/slurm --jobs 50

starts it, runs the command with it, and stops it.
"""

import argparse
import contextlib
import getpass
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = ("sbatch", "setpriv")
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
PATIENCE = 30.0  # seconds for a daemon to answer
# One node, whose processes are found by their parents: no cgroups, which a container may not have.
CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
KillWait=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=256000 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What this machine lacks for it, and to submit jobs."""
    names = [name for name in (*DAEMONS, *TOOLS) if not shutil.which(name, path=PLACES)]
    plugin = "snakemake_executor_plugin_slurm"
    return names if importlib.util.find_spec(plugin) else [*names, plugin]


class Cluster:
    """A running Slurm.

    Args:
        folder: Where all of it is; its path is short, as those of sockets must be.
        cpus: What the node says it has.
    """

    def __init__(self, folder: Path, cpus: int) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen] = {}
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        settings = {"host": host, "user": getpass.getuser(), "ports": _free_ports(2)}
        text = CONFIG.format(folder=folder, cpus=cpus, **settings)
        (folder / "slurm.conf").write_text(text, encoding="utf-8")
        conf = f"SLURM_CONF='{folder / 'slurm.conf'}'"
        # The executor takes variables of Slurm away from the steps of a job.
        step = folder / "srun"
        step.write_text(f'#!/bin/sh\n{conf} exec {shutil.which("srun")} "$@"\n', encoding="utf-8")
        step.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        self.variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start all daemons; returns when the node is ready for jobs."""
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid"}
        files |= {"log-file": "munge.log", "seed-file": "munge.seed"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        self._daemon("munged", "--foreground", "--force", *options)
        self._until((self.folder / "munge.socket").exists)
        self.start_controller()
        self._daemon("slurmd", "-D")
        self._until(lambda: self.ask("sinfo", "--noheader", "--format=%t").strip() == "idle")

    def start_controller(self) -> None:
        """Start the controller, again if it was stopped."""
        self._daemon("slurmctld", "-D")
        self._until(lambda: "UP" in self.ask("scontrol", "ping"))

    def stop_controller(self) -> None:
        """Stop the controller; jobs that run go on."""
        self._end("slurmctld")

    def stop(self) -> None:
        """Cancel all jobs, and end all daemons."""
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            self.ask("scancel", "--user", getpass.getuser(), "--full", "--signal=KILL")
            self.ask("scancel", "--user", getpass.getuser())
            self._until(lambda: not self.ask("squeue", "--noheader"), seconds=10)
        for name in reversed(DAEMONS):
            self._end(name)

    def ask(self, *command: str) -> str:
        """What a command of Slurm says."""
        done = subprocess.run(
            command,
            env=os.environ | self.variables,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return done.stdout

    def _daemon(self, name: str, *options: str) -> None:
        log = (self.folder / f"{name}.out").open("ab")
        with log:
            self._processes[name] = subprocess.Popen(
                # It ends with this process, however this one ends.
                ["setpriv", "--pdeathsig", "TERM", str(shutil.which(name, path=PLACES)), *options],
                env=os.environ | self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _until(self, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                logs = [path.read_text(errors="replace") for path in self.folder.glob("*.log")]
                raise TimeoutError("\n".join(logs))
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def cluster(cpus: int) -> Iterator[Cluster]:
    """A Slurm that is stopped at the end in any case."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        started = Cluster(Path(folder), cpus)
        try:
            started.start()
            yield started
        finally:
            started.stop()


def main(argv: list[str] | None = None) -> None:
    """Run a command with a Slurm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="of the node")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(argv)
    with cluster(given.cpus) as started:
        done = subprocess.run(given.command, env=os.environ | started.variables, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
