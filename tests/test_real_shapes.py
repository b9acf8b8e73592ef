"""Every target through Snakemake at the widths of real checkpoints, with one layer a part."""

import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.random_checkpoint import SHAPES, write
from common.files import read_json, read_jsonl
from compilation.verify import verify
from tests.qb import interpreter, without_runtime
from tests.workflow import clean_copy, snakemake

MODELS = {"whisper-small": "small", "distil-large-v3": "distil-large-v3"}
NPUS = ["aries-rb", "regulus-rb"]
TARGETS = [*NPUS, "cpu"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy in which both models were built for all targets, with a double for the NPUs."""
    folder = clean_copy(tmp_path_factory.mktemp("real") / "project")
    for model, shape in MODELS.items():
        write(shape, folder / "random" / model, layers=1)
    config = {
        "build": list(MODELS),
        "models": {
            model: {"source": f"random/{model}", "languages": ["de_de"]} for model in MODELS
        },
        "data": {"languages": ["de_de"], "samples_per_language": 2},
        "calibration": {"decoder": {"max_new_tokens": 6, "set_aside": 1}},
        "compilation": {
            "targets": TARGETS,
            "qbcompiler": {"python": str(interpreter(folder / "vendor", "1.4.0"))},
        },
    }
    (folder / "real.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    result = snakemake(
        folder,
        "compiled",
        "--configfile",
        "tests/small.yaml",
        "real.yaml",
        **without_runtime(folder / "hidden"),
    )
    assert result.returncode == 0, result.stdout
    return folder


def test_the_compiler_is_given_the_checkpoints_shapes(project: Path) -> None:
    calls = read_jsonl(project / "vendor/calls.jsonl")
    assert [call["function"] for call in calls].count("mxq_compile") == 8
    assert [call["unknown"] for call in calls] == [[]] * len(calls)
    for model, shape in MODELS.items():
        _, _, width, _, mels, _ = SHAPES[shape]
        sets = project / "calibration/sets" / model
        decoder = read_json(sets / "decoder/whisper_decoder_calib.json")
        assert decoder["info"]["input shapes"] == [[1, -1, width], [1, 1500, width]]
        for target in NPUS:
            record = read_json(project / f"compilation/parts/{model}/{target}/encoder.mxq.json")
            assert record["wish"]["mels"] == mels and record["samples"] == 2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", MODELS)
def test_the_hand_off_folders_are_whole(
    project: Path, monkeypatch: pytest.MonkeyPatch, model: str, target: str
) -> None:
    monkeypatch.setitem(sys.modules, "qbruntime", None)
    lines = list(verify(project / "compiled" / model / target))
    _, _, width, _, _, vocabulary = SHAPES[MODELS[model]]
    assert f"[{vocabulary}, {width}] and [448, {width}] float32" in lines[3]
    if target == "cpu":
        assert "100% of the tokens as expected" in lines[5]
    else:
        assert "(mobilint-qb-runtime) is not here" in lines[4] and "not run" in lines[5]
