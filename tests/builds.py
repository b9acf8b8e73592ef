"""Whole runs of the pipeline in clean copies of the project, each for many tests.

They are built beside other tests, and so by processes of their own alone.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import yaml

from tests.forks import WHISPER
from tests.imports import ROOT
from tests.killed import kill_and_go_on
from tests.qb import interpreter, without_runtime
from tests.workflow import DEMO, clean_copy, snakemake

SHAPED = {"whisper-small": "small", "distil-large-v3": "distil-large-v3"}  # by whose widths
NPUS = ["aries-rb", "regulus-rb"]
FOLDERS = [*((model, target) for model in SHAPED for target in NPUS), ("whisper-small", "cpu")]


Built = Mapping[str, Future[Path]]  # the runs before one


def build_demo(_: Built) -> Path:
    """A clean copy in which the README's first command has run; its output is in demo.log."""
    folder = clean_copy(Path(tempfile.mkdtemp(prefix="demo-")) / "project")
    result = snakemake(folder, *DEMO)
    assert result.returncode == 0, result.stdout
    (folder / "demo.log").write_text(result.stdout, encoding="utf-8")
    shutil.copytree(folder, folder.with_name("searched"))  # before a test changes anything
    return folder


def build_searched(built: Built) -> Path:
    """The demo's folder, in which layers of the decoder that must stay float were searched for.

    What that said is in searched.log.
    """
    folder = built["demo"].result().with_name("searched")
    config = {"compilation": {"decoder": {"keep_float": "auto"}}}
    (folder / "auto.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    part = "compilation/parts/whisper-micro/cpu/decoder.json"
    result = snakemake(folder, part, *DEMO, "auto.yaml")
    assert result.returncode == 0, result.stdout
    (folder / "searched.log").write_text(result.stdout, encoding="utf-8")
    return folder


def build_killed(_: Built) -> Path:
    """See tests/killed.py."""
    return kill_and_go_on(Path(tempfile.mkdtemp(prefix="killed-")) / "runs")


def build_real_shapes(_: Built) -> Path:
    """A clean copy with the hand-off folders of FOLDERS, by a double of the NPU compiler.

    The models are random, as wide as real ones, and one layer deep.
    """
    folder = clean_copy(Path(tempfile.mkdtemp(prefix="real-")) / "project")
    for model, shape in SHAPED.items():
        options = ["--shape", shape, "--layers", "1", "--out", str(folder / "random" / model)]
        done = WHISPER.run("benchmarks.random_checkpoint", *options, cwd=ROOT, env=os.environ)
        assert done.returncode == 0, done.stderr
    config = {
        "build": list(SHAPED),
        "models": {
            model: {"source": f"random/{model}", "languages": ["de_de"]} for model in SHAPED
        },
        "data": {"languages": ["de_de"], "samples_per_language": 2},
        "calibration": {"decoder": {"max_new_tokens": 6, "set_aside": 1}},
        "compilation": {
            "targets": [*NPUS, "cpu"],
            "qbcompiler": {"python": str(interpreter(folder / "vendor", "1.4.0"))},
        },
    }
    (folder / "real.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    made = [f"compiled/{model}/{target}/manifest.json" for model, target in FOLDERS]
    given = ("--configfile", "tests/small.yaml", "real.yaml")
    result = snakemake(folder, *made, *given, **without_runtime(folder / "hidden"))
    assert result.returncode == 0, result.stdout
    return folder
