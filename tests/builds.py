"""Whole runs of the pipeline in clean copies of the project, each for many tests.

They are built beside other tests, and so by processes of their own alone.
"""

import os
import tempfile
from pathlib import Path

import yaml

from tests.forks import WHISPER
from tests.imports import ROOT
from tests.qb import interpreter, without_runtime
from tests.workflow import DEMO, clean_copy, snakemake

SHAPED = {"whisper-small": "small", "distil-large-v3": "distil-large-v3"}  # by whose widths
NPUS = ["aries-rb", "regulus-rb"]
FOLDERS = [*((model, target) for model in SHAPED for target in NPUS), ("whisper-small", "cpu")]


def build_demo() -> Path:
    """A clean copy in which the README's first command has run; its output is in demo.log."""
    folder = clean_copy(Path(tempfile.mkdtemp(prefix="demo-")) / "project")
    result = snakemake(folder, *DEMO)
    assert result.returncode == 0, result.stdout
    (folder / "demo.log").write_text(result.stdout, encoding="utf-8")
    return folder


def build_real_shapes() -> Path:
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
