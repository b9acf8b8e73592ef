"""Two clean runs give identical bytes: one in shards, and one that is killed in every stage."""

from pathlib import Path

from common.files import read_json, sha256_of
from tests.killed import SMALL, finished_clips
from tests.workflow import begin, clean_copy, snakemake

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
    folder = clean_copy(tmp_path / "project")
    with (tmp_path / "log").open("w+b") as log:
        first = begin(folder, "data", *SMALL, log=log, cores=1)
        while not (folder / ".snakemake/run.lock").is_file() and first.wait(0.01) is None:
            pass
        second = snakemake(folder, "data", *SMALL)
        assert second.returncode != 0
        assert f"another run is at work in this folder (process {first.pid})" in second.stdout
        assert first.wait() == 0, (tmp_path / "log").read_text(encoding="utf-8")
