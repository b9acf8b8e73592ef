"""Two clean runs give identical bytes: one in shards, and one that is killed in every stage."""

import subprocess
import sys
import time
from pathlib import Path

from common.files import read_json, sha256_of
from tests.killed import SMALL, finished_clips
from tests.workflow import clean_copy, environment, snakemake

GENERATED = (
    *("data/audio_files", "data/sources", "data/checkpoints", "calibration/sets"),
    *("runtime/float", "compilation/golden", "compilation/parts", "compiled", "evaluation/results"),
)


def generated(folder: Path) -> dict[str, str]:
    """SHA-256 of every generated file; what lists the work of shards is no result."""
    found = [path for name in GENERATED for path in (folder / name).rglob("*")]
    paths = [path for path in found if path.is_file() and path.parent.name != "shards"]
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(paths)}


def test_a_run_killed_in_every_stage_ends_in_the_same_bytes(killed: Path) -> None:
    bytes_of = generated(killed / "reference")
    assert {name.split("/")[0] for name in bytes_of} == {name.split("/")[0] for name in GENERATED}
    assert generated(killed / "killed") == bytes_of
    finished, last = read_json(killed / "finished.json"), finished_clips(killed / "killed")
    redone = [path for path, when in finished.items() if last[path] != when]
    in_flight = [path for path in redone if path.endswith(".wav")]  # written, not yet recorded
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
