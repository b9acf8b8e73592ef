"""NPU targets beside the demo's own, through Snakemake, with a double of the vendor's compiler."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from common.files import read_json, read_jsonl
from tests.qb import interpreter, without_runtime
from tests.workflow import DEMO, planned, snakemake, unasked

TARGETS = ["aries-rb", "regulus-rb"]
GIVEN = (*DEMO, "npu.yaml")


@pytest.fixture(scope="module")
def project(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the demo's run that went on with both targets, and what was printed."""
    folder = shutil.copytree(demo, tmp_path_factory.mktemp("npu") / "project")
    python = interpreter(folder / "vendor", "1.3.0")
    config = {"compilation": {"targets": TARGETS, "qbcompiler": {"python": str(python)}}}
    (folder / "npu.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    result = snakemake(folder, *GIVEN, **without_runtime(folder / "hidden"))
    assert result.returncode == 0, result.stdout
    return folder, result.stdout


def test_both_targets_are_built(project: tuple[Path, str]) -> None:
    folder, output = project
    calls = read_jsonl(folder / "vendor/calls.jsonl")
    assert [call["function"] for call in calls].count("mxq_compile") == 4
    for target in TARGETS:
        home = folder / "compiled/whisper-micro" / target
        assert f"hand-off folder: compiled/whisper-micro/{target}" in output
        manifest = read_json(home / "manifest.json")
        for part in ("encoder", "decoder"):
            assert (home / f"whisper-micro_{part}.mxq").stat().st_size > 0
            record = manifest["parts"][part]
            assert record["target"] == target and record["samples"] == 68
            assert record["runtime"]["read"] is False


def test_a_run_asks_for_what_each_job_makes(project: tuple[Path, str]) -> None:
    rules, lost = unasked(project[0], *GIVEN)
    assert {"place_checkpoint", "parse_npu_part", "quantise_npu_part", "check_npu_part"} <= rules
    assert not lost


SECOND = {"quantise_npu_part": 2, "check_npu_part": 2, "assemble_hand_off": 2}
CHANGES = {  # and the jobs, for both targets
    "compilation: {encoder: {recipe: tutorial}}": SECOND,
    "compilation: {encoder: {activation_16bits: [a]}}": SECOND,
    "compilation: {decoder: {overrides: {buffer_mode: 1}}}": SECOND,
    "calibration: {decoder: {max_new_tokens: 9}}": SECOND
    | {"calibrate_decoder": 1, "measure_coverage": 1},
    "compilation: {qbcompiler: {timeout_hours: 48}}": {},  # finished parts stay
}


def test_a_changed_setting_re_runs_the_second_step_of_its_part(project: tuple[Path, str]) -> None:
    folder, _ = project

    def plan(number: int, change: str) -> dict[str, int]:
        (folder / f"change{number}.yaml").write_text(change, encoding="utf-8")
        return planned(folder, *GIVEN, f"change{number}.yaml")

    with ThreadPoolExecutor(2) as pool:
        plans = pool.map(plan, range(len(CHANGES)), CHANGES)
        assert dict(zip(CHANGES, plans, strict=True)) == CHANGES


def test_one_parts_failure_lets_the_other_go_on(project: tuple[Path, str]) -> None:
    folder, _ = project
    script = folder / "vendor/python"
    before = script.read_text(encoding="utf-8")
    script.write_text(before.replace("PYTHONPATH", "QB_DOUBLE=fail-encoder PYTHONPATH"))
    mode = {"overrides": {"buffer_mode": 1}}
    change = {"compilation": {"targets": TARGETS[:1], "encoder": mode, "decoder": mode}}
    (folder / "change.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
    result = snakemake(folder, "compiled", *GIVEN, "change.yaml")
    script.write_text(before)
    assert result.returncode != 0 and "mxq_compile failed with exit status 1" in result.stdout
    parts = folder / "compilation/parts/whisper-micro/aries-rb"
    assert "its last words:" in result.stdout.split("Exiting because a job")[-1]
    assert not (parts / "encoder.mxq").exists() and (parts / "decoder.mxq").is_file()
    assert "buffer_mode" in read_json(parts / "decoder.mxq.json")["arguments"]


APPTAINER = """#!/bin/sh
# In place of apptainer: an image is an empty file, and its commands run right here.
folder=$(dirname "$0")
case "$*" in
    --version) echo "apptainer version 1.4.0"; exit ;;
    pull*) echo "$@" >> "$folder/calls"; touch "$3"; exit ;;
esac
echo "$@" >> "$folder/calls"
while [ "${1%.simg}" = "$1" ]; do shift; done
shift
exec "$@"
"""


def test_the_vendors_image_runs_both_steps(project: tuple[Path, str]) -> None:
    folder, _ = project
    (folder / "bin").mkdir()
    (folder / "bin/apptainer").write_text(APPTAINER, encoding="utf-8")
    (folder / "bin/apptainer").chmod(0o755)
    change = {"compilation": {"qbcompiler": {"container": "docker://vendor/image:1.3"}}}
    (folder / "image.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent)])
    record = "compilation/parts/whisper-micro/aries-rb/encoder.mxq.json"
    given = (*GIVEN, "image.yaml")
    refused = snakemake(folder, record, *given)
    assert refused.returncode != 0 and "add that to the command" in refused.stdout
    result = snakemake(
        folder, record, "--sdm", "apptainer", *given, PATH=f"{path}{os.pathsep}{os.environ['PATH']}"
    )
    assert result.returncode == 0, result.stdout
    pulled, parsed, quantised = (folder / "bin/calls").read_text(encoding="utf-8").splitlines()
    assert pulled.startswith("pull --name") and pulled.endswith("docker://vendor/image:1.3")
    for line, step in ((parsed, "parse"), (quantised, "quantise")):
        assert f"exec --home {folder}" in line
        words = line.split(f"-m compilation.qb.compile {step} ")[1].split(" 2> ")[0].split()
        assert not [word for word in words if word.startswith("/")]  # all within the folder
    assert read_json(folder / record)["samples"] == 68


def test_a_variant_by_a_compiler_of_another_version(project: tuple[Path, str]) -> None:
    """It has parts of its own from the same calibration sets, and nothing for the CPU."""
    folder, _ = project
    python = interpreter(folder / "newer", "1.4.0")
    newer = {"compilation": {"qbcompiler": {"python": str(python)}}}
    change = {"build": ["whisper-micro@newer"], "variants": {"newer": newer}}
    (folder / "newer.yaml").write_text(yaml.safe_dump(change), encoding="utf-8")
    jobs = {"parse_npu_part": 4, "quantise_npu_part": 4, "check_npu_part": 4}
    assert planned(folder, "compiled", *GIVEN, "newer.yaml") == jobs | {"assemble_hand_off": 2}
    made = "compiled/whisper-micro@newer/aries-rb/manifest.json"
    result = snakemake(folder, made, *GIVEN, "newer.yaml", PYTHONPATH=str(folder / "hidden"))
    assert result.returncode == 0, result.stdout
    manifests = [read_json(folder / made.replace("@newer", name)) for name in ("", "@newer")]
    for part in ("encoder", "decoder"):
        assert (folder / made).with_name(f"whisper-micro@newer_{part}.mxq").stat().st_size > 0
        versions = [one["parts"][part]["compiler"]["quantise"] for one in manifests]
        assert [one["qbcompiler"] for one in versions] == ["1.3.0", "1.4.0"]
        first, second = (one["calibration"][part]["manifest_sha256"] for one in manifests)
        assert first == second
