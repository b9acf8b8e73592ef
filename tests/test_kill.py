"""Two clean runs give identical bytes: one in shards, and one that is killed in every stage."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.files import sha256_of
from tests.workflow import begin, clean_copy, environment, snakemake

SMALL = ("--configfile", "tests/small.yaml")
# Without what comes after: times that are measured differ from run to run.
TARGETS = ("evaluation/results/whisper-micro/cpu/quality.json",)
GENERATED = (
    *("data/audio_files", "data/sources", "data/checkpoints", "calibration/sets"),
    *("runtime/float", "compilation/golden", "compilation/parts", "compiled", "evaluation/results"),
)
# When to kill: as soon as so many files match. Each is in the middle of one stage's work.
MOMENTS = {
    "data": ("data/audio_files/*/*.wav", 3),
    "calibration, encoder": ("calibration/sets/*/encoder/.clips/*.json", 2),
    "calibration, decoder": ("calibration/sets/*/decoder/.clips/*.json", 2),
    "compilation, export": ("runtime/float/*/*.bin", 1),
    "compilation, quantise": ("compilation/parts/*/cpu/*.bin", 1),
    "compilation, hand-off": ("compiled/*/.cpu.part/*", 3),
    "evaluation": ("logs/evaluate/*.log", 1),
}


def generated(folder: Path) -> dict[str, str]:
    """SHA-256 of every generated file; what lists the work of shards is no result."""
    found = [path for name in GENERATED for path in (folder / name).rglob("*")]
    paths = [path for path in found if path.is_file() and path.parent.name != "shards"]
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(paths)}


def undisturbed(folder: Path) -> dict[str, str]:
    """The generated files of a run that nothing disturbs, in a clean copy, in two shards.

    Of interpreters of its own, as a user's: what others run in forks is held against it.
    """
    overlay = clean_copy(folder) / "shards.yaml"
    overlay.write_text("calibration: {shards: 2}", encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TARGETS, *SMALL, overlay.name]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(command, cwd=folder, env=environment(), check=False, **pipe)
    assert result.returncode == 0, result.stdout
    return generated(folder)


def kill_at(folder: Path, pattern: str, count: int) -> bool:
    """Start a run; kill -9 its main process when `count` files match. False: it ended before."""
    with (folder / "killed.log").open("ab") as log:
        run = begin(folder, *TARGETS, *SMALL, log=log)
    while run.wait(0.01) is None:
        if len(list(folder.glob(pattern))) >= count:
            os.kill(run.pid, signal.SIGKILL)
            return run.wait() == -signal.SIGKILL
    return False


def finished_clips(folder: Path) -> dict[Path, int]:
    """When each clip's work was finished: written WAV files and stored records."""
    records = folder.glob("calibration/sets/*/*/.clips/*.json")
    paths = [*records, *folder.glob("data/audio_files/*/*.wav")]
    whole = [path for path in paths if not path.name.startswith(".")]  # a killed job leaves .x.part
    return {path: path.stat().st_mtime_ns for path in whole}


def test_a_run_killed_in_every_stage_ends_in_the_same_bytes(tmp_path: Path) -> None:
    reference = ThreadPoolExecutor(1).submit(undisturbed, tmp_path / "reference")
    folder = clean_copy(tmp_path / "killed")
    finished: dict[Path, int] = {}
    for moment, (pattern, count) in MOMENTS.items():
        assert kill_at(folder, pattern, count), f"{moment}: {(folder / 'killed.log').read_text()}"
        finished |= finished_clips(folder)
    result = snakemake(folder, *TARGETS, *SMALL)
    assert result.returncode == 0, result.stdout
    assert generated(folder) == reference.result()
    last = finished_clips(folder)
    redone = [path for path, when in finished.items() if last[path] != when]
    in_flight = [path for path in redone if path.suffix == ".wav"]  # written, not yet recorded
    assert finished and redone == in_flight and len(in_flight) <= 2


def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    folder = clean_copy(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "data", *SMALL]
    first = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not (folder / ".snakemake/run.lock").is_file() and first.poll() is None:
        time.sleep(0.01)
    second = snakemake(folder, "data", *SMALL)
    assert second.returncode != 0
    assert f"another run is at work in this folder (process {first.pid})" in second.stdout
    output, _ = first.communicate()
    assert first.returncode == 0, output
