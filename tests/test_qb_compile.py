"""Both steps of an NPU part, with a strict double of each generation of the vendor's compiler."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.cli import UserError
from common.files import read_json, read_jsonl
from compilation.hand_off.vendor import core_mode, cores
from compilation.qb.check import read_part
from compilation.qb.limits import SCHEMES
from tests.forks import WHISPER
from tests.imports import ROOT
from tests.qb import double, fake_set, interpreter, placed, step

VALIDATED = ("validated", "all", "all")
WAYS = {  # version, target: recipe, schemes of encoder and decoder
    ("1.0.1", "aries-rb"): ("tutorial", "global4", "single"),
    ("1.0.2", "aries-rb"): ("tutorial", "all", "all"),
    ("1.1.2", "aries-rb"): ("tutorial", "all", "all"),
    ("1.2.0", "aries-rb"): VALIDATED,
    ("1.3.0", "aries-rb"): VALIDATED,
    ("1.4.0", "regulus-rb"): VALIDATED,
}


def test_every_generation_takes_what_it_is_called_with(tmp_path: Path, checkpoint: Path) -> None:
    """The double swallows names that it does not know, as the real one does, and counts them."""

    def both(way: tuple[str, str]) -> tuple[Path, subprocess.CompletedProcess]:
        folder = tmp_path / way[0]
        variables = os.environ | double(folder, way[0])
        placed(checkpoint, folder)
        given = (str(folder), way[1], *WAYS[way])
        return folder, WHISPER.run("tests.qb_all", *given, cwd=ROOT, env=variables)

    with ThreadPoolExecutor(2) as pool:
        runs = dict(zip(WAYS, pool.map(both, WAYS), strict=True))
    for (version, target), (folder, done) in runs.items():
        assert done.returncode == 0, done.stderr
        calls = read_jsonl(folder / "calls.jsonl")
        functions = [call["function"] for call in calls]
        assert functions.count("mblt_compile") == functions.count("mxq_compile") == 2
        assert [call["unknown"] for call in calls] == [[]] * len(calls)
        for part in ("encoder", "decoder"):
            record = read_json(folder / f"{part}.mxq.json")
            assert record["bytes"] > 0 and record["samples"] == 2
            assert record["versions"]["qbcompiler"] == version
            assert record["wish"]["target"] == target
    small = read_json(tmp_path / "1.4.0/decoder.mxq.json")
    assert small["wish"]["scheme"] == "single"
    assert "max_cache_length=1024" in small["arguments"]["llm_config"]


@pytest.fixture(scope="module")
def quantise(tmp_path_factory, checkpoint: Path) -> list[str]:
    """The second step's arguments for an encoder that was parsed by the double of 1.3.0."""
    folder = tmp_path_factory.mktemp("parsed")
    python = interpreter(folder, "1.3.0", sys.executable)  # whose memory is measured
    manifest, graph = placed(checkpoint, folder), folder / "encoder.mblt"
    common = ["--part", "encoder", "--target", "aries-rb", "--checkpoint", str(manifest)]
    done = step(python, "parse", *common, "--out", graph)
    assert done.returncode == 0, done.stderr
    record = read_json(folder / "encoder.mblt.json")
    assert record["seconds"] > 0 and record["peak"] > 1e7
    listing = fake_set(folder / "set", manifest, "encoder")
    return ["quantise", *common, "--graph", str(graph), "--calibration", str(listing)]


REFUSED = {
    ("1.0.1", ""): r"^error: scheme `all` needs qbcompiler 1\.0\.2 or newer.*global4",
    ("1.1.2", ""): r"^error: recipe `validated` needs qbcompiler 1\.2 or newer",
    (
        "1.3.0",
        '{"quantize_method": "kl"}',
    ): r"^error: mxq_compile .*does not take `quantize_method`",
    (
        "1.3.0",
        '{"buffer_mode": "x"}',
    ): r"^error: mxq_compile failed with exit status 1;[^$]*TypeError",
}


def test_what_cannot_be_done_is_a_sentence(tmp_path: Path, quantise: list[str]) -> None:
    def refused(case: tuple[str, str]) -> subprocess.CompletedProcess:
        folder = tmp_path / str(list(REFUSED).index(case))
        flags = ["--overrides", case[1]] if case[1] else []
        out = ["--out", folder / "encoder.mxq"]
        return step(interpreter(folder, case[0]), *quantise, *flags, *out)

    with ThreadPoolExecutor(2) as pool:
        for case, done in zip(REFUSED, pool.map(refused, REFUSED), strict=True):
            assert done.returncode == 1
            assert re.search(REFUSED[case], done.stderr, re.MULTILINE), done.stderr
    assert not list(tmp_path.rglob("*.mxq"))
    without = step(Path(sys.executable), *quantise, "--out", tmp_path / "encoder.mxq")
    assert without.returncode == 1 and "Traceback" not in without.stderr
    assert "has no qbcompiler" in without.stderr and "qbcompiler.python" in without.stderr


LAYER = "layers.0.self_attn.score"
SOLVER = {"apply": True, "solver": "asymmetric_causal", "attributes": {"alpha": 0.25}}
NEWEST = {"bias_correction": False, "hessian_quant_config": SOLVER}  # overrides for 1.4


def test_layers_that_are_named_are_looked_up(tmp_path: Path, quantise: list[str]) -> None:
    """The compiler ignores names that it does not find; its record of what it used shows them."""

    def named(case: tuple[str, str]) -> tuple[Path, subprocess.CompletedProcess]:
        folder = tmp_path / str(len(case[1])) / case[0]
        out = folder / "encoder.mxq"
        given = ["--activation-16bits", case[1], "--out", out]
        if case[0] == "1.4.0":
            given += ["--overrides", json.dumps(NEWEST)]
        return out, step(interpreter(folder, case[0]), *quantise, *given)

    cases = [("1.3.0", LAYER[:-1]), ("1.3.0", LAYER), ("1.4.0", LAYER), ("1.2.0", LAYER)]
    with ThreadPoolExecutor(2) as pool:
        (typo, refused), *others = pool.map(named, cases)
    assert refused.returncode == 1 and not typo.exists()
    assert f"no layer `{LAYER[:-1]}` (did you mean `{LAYER}`?)" in refused.stderr
    assert not (typo.parent / "calls.jsonl").exists()
    for (out, done), unread in zip(others, (False, False, True), strict=True):
        assert done.returncode == 0, done.stderr
        assert ("were NOT CHECKED" in done.stderr) is unread
        held = None if unread else True
        record = read_json(out.with_name("encoder.mxq.json"))
        assert record["named_layers"] == {"in_graph": held, "in_resolved": held}
        fitted = "float inputs"
        if out.parent.name == "1.4.0":
            fitted = "quantised inputs"
            assert "solver='asymmetric_causal'" in record["arguments"]["hessian_quant_config"]
            (call,) = read_jsonl(out.parent / "calls.jsonl")
            assert call["arguments"]["hessian_quant_config"] == NEWEST["hessian_quant_config"]
        assert record["numerics"] == {"bias_correction": False, "weights_fitted_to": fitted}


FAULTS = {
    "fail": "mxq_compile failed with exit status 1; its last words:",
    "die": "mxq_compile failed with exit status 134; its last words:",
    "nothing": "mxq_compile ended without an error and wrote no .mxq file",
    "empty": "mxq_compile ended without an error and wrote no .mxq file",
    "hang": "mxq_compile did not end within 0.0005 hours and was stopped",
}


def test_a_failing_compiler_leaves_no_file_and_the_reason(
    tmp_path: Path, quantise: list[str]
) -> None:
    def faulty(fault: str) -> subprocess.CompletedProcess:
        python = interpreter(tmp_path / fault, "1.3.0", QB_DOUBLE=fault)
        out = tmp_path / fault / "encoder.mxq"
        hours = "0.0005" if fault == "hang" else "1"
        return step(python, *quantise, "--timeout-hours", hours, "--out", out)

    with ThreadPoolExecutor(2) as pool:
        for fault, done in zip(FAULTS, pool.map(faulty, FAULTS), strict=True):
            assert done.returncode == 1 and FAULTS[fault] in done.stderr, done.stderr
            assert not (tmp_path / fault / "encoder.mxq").exists()
            assert not (tmp_path / fault / "encoder.mxq.json").exists()


def test_a_damaged_sample_or_checkpoint_is_named_before_any_call(
    tmp_path: Path, quantise: list[str]
) -> None:
    python = interpreter(tmp_path, "1.3.0")
    folder = Path(quantise[-1]).parent
    for path, reason in (
        (folder / "mel_1.npy", "mel_1.npy has"),
        (folder.parent / "checkpoint/config.json", "config.json is missing or was changed; delete"),
        (folder.parent / "encoder.mblt", "encoder.mblt is missing or was changed; delete"),
    ):
        before = path.read_bytes()
        path.unlink()  # not through a hard link
        path.write_bytes(before[:-1])
        done = step(python, *quantise, "--out", tmp_path / "encoder.mxq")
        path.write_bytes(before)
        assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert not (tmp_path / "calls.jsonl").exists()


def test_a_step_that_is_ended_takes_the_compiler_with_it(
    tmp_path: Path, quantise: list[str]
) -> None:
    python = interpreter(tmp_path, "1.3.0", sys.executable, QB_DOUBLE="hang")
    out = tmp_path / "encoder.mxq"
    command = [str(python), "-m", "compilation.qb.compile", *quantise, "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (tmp_path / "calls.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(20) != 0
    pattern = str(tmp_path / ".encoder.mxq.work")
    assert subprocess.run(["pgrep", "-f", pattern], check=False).returncode == 1
    assert not out.exists()


def test_the_vendors_runtime_refuses_the_doubles_files(tmp_path: Path, quantise: list[str]) -> None:
    pytest.importorskip("qbruntime", reason="exists for Linux on x86-64 only")
    out = tmp_path / "encoder.mxq"
    done = step(interpreter(tmp_path, "1.3.0"), *quantise, "--out", out)
    assert done.returncode == 0, done.stderr
    for mode in {core_mode(scheme) for scheme in SCHEMES}:
        (places,) = cores("encoder", "aries-rb", mode).values()
        with pytest.raises(
            UserError, match=rf"no part that the vendor's .* core mode `{mode}` \(Model_"
        ):
            read_part(out, [{3000, 80}], mode, places, "look")
