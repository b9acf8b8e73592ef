"""The pipeline on a real Slurm, which these tests begin.

Most of the time a run only waits until its jobs are asked for: so runs begin in the first test, go on
beside all others, and are looked at in the last ones.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.forks import SNAKEMAKE, WHISPER, Running
from tests.imports import ROOT
from tests.killed import SMALL, TARGETS
from tests.slurm_cluster import Cluster, cluster, missing
from tests.test_kill import generated
from tests.workflow import clean_copy, environment

pytestmark = pytest.mark.skipif(
    bool(missing()),
    reason=f"no Slurm can be started here: {', '.join(missing())} missing; Debian has slurm-wlm and munge",
)
PROFILE = ("--profile", "profiles/slurm", "--jobs", "50")
PATIENCE = 300.0  # seconds
# Two jobs: one that takes more memory than it asks for at first, and one that is cancelled twice.
WORKFLOW = """
import sys
sys.path.insert(0, {root!r})
from pipeline import running

rule all:
    input: "hungry", "cancelled"

rule hungry:
    output: "hungry"
    resources: mem_mb=lambda wildcards, attempt: 500 * attempt
    shell: "echo $SLURM_JOB_ID >> hungry.jobs"
        " && {python} -c 'import time; x = bytearray(600_000_000); time.sleep(5)'"
        " && echo done > {{output}}"

rule cancelled:
    output: "cancelled"
    resources: mem_mb=500
    shell: "echo $SLURM_JOB_ID >> cancelled.jobs && test $(wc -l < cancelled.jobs) -gt 2 || sleep 600"
        " && echo done > {{output}}"

onerror:
    running.fail([])
"""


@pytest.fixture(scope="session")
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def slurm(background: ThreadPoolExecutor) -> Iterator[Cluster]:
    """A daemon ends with the thread that has started it: `background` is to be there longer."""
    with cluster(cpus=8) as started:
        yield started


def variables_of(slurm: Cluster) -> dict[str, str]:
    """For a run on the cluster."""
    given = environment(SLURM_CONF=slurm.variables["SLURM_CONF"])
    first, rest = given["PATH"].split(os.pathsep, 1)
    return given | {"PATH": os.pathsep.join((first, str(slurm.folder), rest))}


def until(holds: Callable[[], bool], run: Running | subprocess.Popen, log: Path) -> None:
    """Wait for something that happens while a run goes on."""
    end = time.monotonic() + PATIENCE
    while not holds():
        ended = run.poll() if isinstance(run, subprocess.Popen) else run.wait(0)
        assert ended is None and time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def pipeline(
    slurm: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Path]]:
    """A run of the small pipeline, which has begun: it goes on beside other tests."""
    folder = clean_copy(tmp_path_factory.mktemp("slurm") / "project")
    with (folder / "slurm.log").open("wb") as log:
        run = SNAKEMAKE.start(
            *("snakemake", *PROFILE, *TARGETS, *SMALL),
            cwd=folder,
            env=variables_of(slurm),
            output=log,
            errors=log,
            executable=WHISPER.python,
        )
    yield run, folder
    if run.wait(0) is None:
        os.kill(run.pid, signal.SIGKILL)


class Ended(NamedTuple):
    """A run with jobs that Slurm has ended, and the same command given again."""

    status: int
    said: str
    cancelled_is_made: bool
    again: subprocess.CompletedProcess


@pytest.fixture(scope="session")
def ended(
    slurm: Cluster, background: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Future[Ended], Path]:
    """Such a run, and its folder."""
    folder = tmp_path_factory.mktemp("ended")
    return background.submit(end_jobs, slurm, folder), folder


def end_jobs(slurm: Cluster, folder: Path) -> Ended:
    """Run WORKFLOW, cancel a job twice, let the controller start anew between, and run it again."""
    workflow = WORKFLOW.format(root=str(ROOT), python=sys.executable)
    (folder / "Snakefile").write_text(workflow, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--profile", str(ROOT / "profiles/slurm")]
    command += ["--jobs", "50", "--keep-going", "--nolock"]
    log, jobs = folder / "slurm.log", folder / "cancelled.jobs"
    options = {"cwd": folder, "env": variables_of(slurm), "stderr": subprocess.STDOUT}
    with log.open("wb") as file:
        run = subprocess.Popen(command, stdout=file, **options)
        for attempt in (1, 2):
            until(lambda: len(numbers(jobs)) == attempt, run, log)  # noqa: B023
            slurm.ask("scancel", numbers(jobs)[-1])
            if attempt == 1:  # and both runs go on
                slurm.stop_controller()
                time.sleep(1)
                slurm.start_controller()
        status = run.wait(PATIENCE)
    is_made = (folder / "cancelled").exists()
    again = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **options)
    return Ended(status, log.read_text(encoding="utf-8"), is_made, again)


def test_runs_begin(pipeline: tuple[Running, Path], ended: tuple[Future[Ended], Path]) -> None:
    run, folder = pipeline
    future, other = ended
    end = time.monotonic() + PATIENCE
    while not (numbers(other / "hungry.jobs") and numbers(other / "cancelled.jobs")):
        assert not future.done() and time.monotonic() < end
        time.sleep(0.1)
    assert run.wait(0) in (None, 0), (folder / "slurm.log").read_text(encoding="utf-8")


def test_what_slurm_ends_is_tried_again_and_ends_well_or_in_a_sentence(
    ended: tuple[Future[Ended], Path],
    killed: Path,  # what needs it is one of the last tests
) -> None:
    future, folder = ended
    status, said, cancelled_is_made, again = future.result()
    assert status == 1, said
    assert not cancelled_is_made
    # Killed for its memory, and tried again with twice as much.
    assert (folder / "hungry").read_text() == "done\n", said
    assert len(numbers(folder / "hungry.jobs")) == 2
    assert "error: a job took more memory than it had asked for" in said
    assert "error: a job was cancelled; run the same command again" in said
    assert again.returncode == 0, again.stdout
    assert (folder / "cancelled").read_text() == "done\n"
    assert len(numbers(folder / "cancelled.jobs")) == 3


def numbers(jobs: Path) -> list[str]:
    """Of the jobs of Slurm that have begun to run a rule."""
    return [] if not jobs.is_file() else jobs.read_text(encoding="utf-8").split()


def test_the_pipeline_makes_the_same_bytes_as_where_no_slurm_is(
    pipeline: tuple[Running, Path], killed: Path
) -> None:
    run, folder = pipeline
    assert run.wait(PATIENCE) == 0, (folder / "slurm.log").read_text(encoding="utf-8")
    assert generated(folder) == generated(killed / "reference")
