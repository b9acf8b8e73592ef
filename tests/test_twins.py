"""An NPU's result beside the CPU's: whose the loss is, and the texts clip by clip."""

import copy
from pathlib import Path

import numpy as np
import pytest

from common.files import read_json, write_json
from evaluation.quality.score import score
from evaluation.report import write
from evaluation.report.twins import sentence, twins
from evaluation.scoring.pairs import COMPILED

UNITS = np.full(60, 10)
NONE = np.zeros(60, int)
SOME = np.tile([2, 0, 1], 20)


@pytest.mark.parametrize(
    ("before", "cpu", "npu", "said"),
    [
        (SOME, SOME, SOME, "no more than chance makes on 60 clips (0.0 to 0.0 points)"),
        (NONE, NONE, SOME, "is the device's, or its compiler's"),
        (NONE, SOME, SOME, "is the quantisation's, as far as can be told"),
        (NONE, SOME, SOME[::-1], "is the quantisation's, as far as can be told"),
        (SOME, NONE, NONE, "no more than chance makes"),
    ],
)
def test_whose_the_loss_is(before: np.ndarray, cpu: np.ndarray, npu: np.ndarray, said: str) -> None:
    assert said in sentence(before, cpu, npu, UNITS)


def test_the_page_has_the_texts_of_both(demo: Path, tmp_path: Path) -> None:
    results = demo / "evaluation/results/whisper-micro/cpu"
    heard = read_json(results / "transcripts.json")
    board = copy.deepcopy(heard) | {"target": "aries-rb"}
    for row in board["rows"]:  # a board's result has no float texts, and its own folder of clips
        row["texts"] = {COMPILED: f"<no> {row['texts'][COMPILED]}"}
        row |= {name: {COMPILED: row[name][COMPILED]} for name in ("tokens", "at_limit")}
        row["clip"] = f"clips/{row['clip'].rpartition('/')[2]}"
    for clip in board["clips"]:
        clip |= {"clip": f"clips/{clip['clip'].rpartition('/')[2]}", "states": None, "logits": {}}
        clip["detected"] = {"compiled": "en"}
    write_json(tmp_path / "transcripts.json", board)
    write_json(tmp_path / "quality.json", score(board, None))
    pages = [results / "quality.json", tmp_path / "quality.json"]
    out = tmp_path / "twin.html"
    write.main(["--quality", *map(str, pages), "--out", str(out)])
    page = out.read_text(encoding="utf-8")
    assert "whisper-micro: aries-rb beside the CPU, transcribe" in page
    assert "is the device&#39;s, or its compiler&#39;s" in page and "&lt;no&gt;" in page
    files = [write.beside(path) for path in pages]
    (transcribe, translate) = twins([(read_json(p), f) for p, f in zip(pages, files, strict=True)])
    assert len(transcribe["rows"]) == 40 and transcribe["more"] > 0
    first = transcribe["rows"][0]
    assert first["errors"][2] - first["errors"][0] > 0 and len(first["texts"]) == 3
    write.main(["--quality", str(pages[0]), str(pages[0]), "--out", str(out)])
    assert "beside the CPU" not in out.read_text(encoding="utf-8")
    assert translate["head"].endswith("translate")
