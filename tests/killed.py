"""A run that is killed in every stage and then goes on, beside one that nothing disturbs."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.files import write_json
from tests.workflow import begin, clean_copy, environment, snakemake

SMALL = ("--configfile", "tests/small.yaml")
# Without what comes after: times that are measured differ from run to run.
TARGETS = ("evaluation/results/whisper-micro/cpu/quality.json",)
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


def kill_and_go_on(folder: Path) -> Path:
    """Both runs, in `killed` and `reference`.

    What each kill found finished, and when that was so, is in finished.json.
    """
    killed = clean_copy(folder / "killed")
    finished: dict[str, int] = {}
    with ThreadPoolExecutor(1) as beside:
        reference = beside.submit(undisturbed, folder / "reference")
        for moment, (pattern, count) in MOMENTS.items():
            alive = kill_at(killed, pattern, count)
            assert alive, f"{moment}: {(killed / 'killed.log').read_text()}"
            finished |= finished_clips(killed)
        result = snakemake(killed, *TARGETS, *SMALL)
        assert result.returncode == 0, result.stdout
        reference.result()
    write_json(folder / "finished.json", finished)
    return folder


def undisturbed(folder: Path) -> None:
    """A run in a clean copy, in two shards.

    Of interpreters of its own, as a user's: what others run in forks is held against it.
    """
    overlay = clean_copy(folder) / "shards.yaml"
    overlay.write_text("calibration: {shards: 2}", encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TARGETS, *SMALL, overlay.name]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(command, cwd=folder, env=environment(), check=False, **pipe)
    assert result.returncode == 0, result.stdout


def kill_at(folder: Path, pattern: str, count: int) -> bool:
    """Start a run; kill -9 its main process when `count` files match. False: it ended before."""
    with (folder / "killed.log").open("ab") as log:
        run = begin(folder, *TARGETS, *SMALL, log=log)
    while run.wait(0.01) is None:
        if len(list(folder.glob(pattern))) >= count:
            os.kill(run.pid, signal.SIGKILL)
            return run.wait() == -signal.SIGKILL
    return False


def finished_clips(folder: Path) -> dict[str, int]:
    """When each clip's work was finished: written WAV files and stored records."""
    records = folder.glob("calibration/sets/*/*/.clips/*.json")
    paths = [*records, *folder.glob("data/audio_files/*/*.wav")]
    whole = [path for path in paths if not path.name.startswith(".")]  # a killed job leaves .x.part
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in whole}
