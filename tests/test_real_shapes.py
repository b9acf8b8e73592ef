"""The targets through Snakemake at the widths of real checkpoints, with one layer a part."""

import sys
from pathlib import Path

import pytest

from benchmarks.random_checkpoint import SHAPES
from common.files import read_json, read_jsonl
from compilation.verify import verify
from tests.builds import FOLDERS, NPUS, SHAPED


def test_the_compiler_is_given_the_checkpoints_shapes(real_shapes: Path) -> None:
    calls = read_jsonl(real_shapes / "vendor/calls.jsonl")
    assert [call["function"] for call in calls].count("mxq_compile") == 8
    assert [call["unknown"] for call in calls] == [[]] * len(calls)
    for model, shape in SHAPED.items():
        _, _, width, _, mels, _ = SHAPES[shape]
        sets = real_shapes / "calibration/sets" / model
        decoder = read_json(sets / "decoder/whisper_decoder_calib.json")
        assert decoder["info"]["input shapes"] == [[1, -1, width], [1, 1500, width]]
        for target in NPUS:
            part = f"compilation/parts/{model}/{target}/encoder.mxq.json"
            record = read_json(real_shapes / part)
            assert record["wish"]["mels"] == mels and record["samples"] == 2


@pytest.mark.parametrize(("model", "target"), FOLDERS)
def test_the_hand_off_folders_are_whole(
    real_shapes: Path, monkeypatch: pytest.MonkeyPatch, model: str, target: str
) -> None:
    monkeypatch.setitem(sys.modules, "qbruntime", None)
    lines = list(verify(real_shapes / "compiled" / model / target))
    _, _, width, _, _, vocabulary = SHAPES[SHAPED[model]]
    tables = f"[{vocabulary}, {width}] and [448, {width}] float32"
    assert ("in the decoder" if target == "cpu" else tables) in lines[3]
    if target == "cpu":
        assert "100% of the tokens as expected" in lines[5]
    else:
        assert "(mobilint-qb-runtime) is not here" in lines[4] and "not run" in lines[5]
