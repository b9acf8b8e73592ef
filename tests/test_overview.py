"""The overview of everything that was built: of what is on disk, whole or not."""

import os
from pathlib import Path
from typing import Any

import pytest

from common.cli import UserError
from common.files import read_json, sha256_of, write_json
from evaluation.report import overview, write
from evaluation.report.provenance import provenance
from evaluation.scoring.sizes import sizes_of
from tests.test_report import sample_manifest, sample_quality, sample_speed, whole

NAMES = ("whisper-small", "whisper-small@w8")


def build(home: Path, name: str, target: str, compiler: dict[str, Any]) -> Path:
    """A hand-off folder's manifest."""
    manifest = sample_manifest()
    files = [{"path": "part.bin", "bytes": 50_000_000}, {"path": "part.xml", "bytes": 9}]
    record = manifest["parts"]["encoder"] | {"compiler": compiler, "files": files}
    manifest |= {
        "model": name,
        "target": target,
        "parts": dict.fromkeys(("encoder", "decoder"), record),
    }
    path = home / "compiled" / name / target / "manifest.json"
    write_json(path, manifest)
    os.utime(path, (1_790_000_000, 1_790_000_000))
    return path


def evaluate(path: Path, name: str, target: str, manifest: Path | None, **more: Any) -> Path:
    """A result."""
    quality = sample_quality(name, target, languages=["de_de", "ko_kr"], **more)
    write_json(path, quality | {"manifest_sha256": sha256_of(manifest) if manifest else "0"})
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain model and a variant for the CPU, one for an NPU, and a result of a lost folder."""
    monkeypatch.chdir(tmp_path)
    nncf = {"openvino": "2026.4.1-22982-e213", "nncf": "3.4.0"}
    results = Path("evaluation/results")
    for name in NAMES:
        manifest = build(tmp_path, name, "cpu", nncf)
        evaluate(results / name / "cpu/quality.json", name, "cpu", manifest)
    write_json(results / NAMES[0] / "cpu/speed.json", sample_speed())
    other = sample_speed(factor=0.1)
    other["machine"] |= {"processor": "Another", "cores": 4}
    other["manifest_sha256"] = "of an earlier build"
    write_json(results / NAMES[0] / "cpu/speed-another.json", other)
    build(tmp_path, NAMES[0], "aries-rb", {"quantise": {"qbcompiler": "1.3.0", "torch": "2.7.1"}})
    evaluate(results / "gone/cpu/quality.json", "gone", "cpu", None, passed=False)
    return tmp_path


def test_every_folder_and_every_result_has_a_row(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overview.main(["--out", "overview.html"])
    said = capsys.readouterr().out
    rows = [
        [cell.strip() for cell in x.strip("|").split("|")] for x in said.splitlines() if "|" in x
    ]
    assert [row[:3] for row in rows[2:6]] == [
        ["gone", "–", "cpu"],
        ["whisper-small", "–", "aries-rb"],
        ["whisper-small", "–", "cpu"],
        ["whisper-small", "w8", "cpu"],
    ]
    gone, npu, plain, variant = (dict(zip(rows[0], row, strict=True)) for row in rows[2:6])
    assert gone["verdict"] == "Not passed, of a folder that is not there" and gone["built"] == "–"
    assert (npu["verdict"], npu["transcribe, %"]) == ("Not evaluated", "–")
    assert (npu["compiler"], npu["weights"]) == ("qbcompiler 1.3.0", "100\u202fMB")
    assert plain["compiler"] == "nncf 3.4.0, openvino 2026.4.1" and "→" in plain["transcribe, %"]
    assert (
        plain["tokens a second"].count("; ")
        == plain["tokens a second"].count("another folder")
        == 1
        and "Another, 4 cores, of another folder" in plain["tokens a second"]
    )
    assert plain["built"] == "2026-09-21" and variant["tokens a second"] == "–"
    assert rows[6][:3] == ["model", "variant", "target"] and rows[6][3:] == ["de_de", "ko_kr"]
    page = whole((home / "overview.html").read_text(encoding="utf-8"))
    assert "Not evaluated" in page.text and "qbcompiler 1.3.0" in page.text


def test_an_old_speed_of_another_model_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = home / "evaluation/results/whisper-small@w8/cpu/speed.json"
    write_json(place, sample_speed("whisper-small@w8"))
    overview.main([])
    assert capsys.readouterr().out.count("of another folder") == 1
    write_json(place, sample_speed("whisper-tiny"))
    overview.main([])
    assert capsys.readouterr().out.count("of another folder") == 2


def test_a_board_and_an_earlier_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = home / "compiled/whisper-small/aries-rb/manifest.json"
    board = evaluate(home / "board/quality.json", "whisper-small", "aries-rb", manifest)
    overview.main(["--quality", str(board)])
    said = capsys.readouterr().out
    (before, after) = [x for x in said.split("Error rates of")[0].splitlines() if "aries-rb" in x]
    assert "Not evaluated" in before and "Passed" in after and "an earlier" not in said
    build(home, "whisper-small", "aries-rb", {"quantise": {"qbcompiler": "1.4.0"}})
    overview.main(["--quality", str(board)])
    assert "Passed, of an earlier folder" in capsys.readouterr().out


def test_results_of_one_model_are_told_apart_in_every_table(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = home / "compiled/whisper-small/aries-rb/manifest.json"
    boards = [Path(name) / "quality.json" for name in ("one", "two")]
    for board in boards:
        evaluate(board, "whisper-small", "aries-rb", manifest)
    overview.main(["--quality", *map(str, boards)])
    said = capsys.readouterr().out
    assert [said.count(f"| aries-rb, {board} |") for board in boards] == [3, 3]
    assert "| cpu, " not in said


def test_nothing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"nothing is built: compiled and evaluation/results hold"):
        overview.main([])


@pytest.mark.parametrize("name", ["compiled", "results"])
def test_a_folder_that_is_not_there_is_a_sentence(home: Path, name: str) -> None:
    with pytest.raises(UserError, match=rf"^--{name} nowhere is no folder; name"):
        overview.main([f"--{name}", "nowhere"])


def test_sizes_of_parts() -> None:
    files = [{"path": "a.bin", "bytes": 3}, {"path": "a.xml", "bytes": 5}]
    sizes = sizes_of({"encoder": {"files": files, "float_weights": [{"bytes": 9}]}})
    assert sizes == {one: {"float": 9, "compiled": 3} for one in ("encoder", "both")}


def test_a_report_shows_the_manifest_of_what_was_measured(home: Path) -> None:
    manifest = home / "compiled/whisper-small/aries-rb/manifest.json"
    path = evaluate(home / "board/quality.json", "whisper-small", "aries-rb", manifest)
    write_json(path, read_json(path) | {"folder": str(manifest.parent)})
    assert write.beside(path)["manifest"] == read_json(manifest)
    manifest.write_text(manifest.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert "manifest" not in write.beside(path)
    (told,) = provenance(read_json(path), None)["main"]
    assert told[1].endswith("it is not there, or not as it was when this was measured")
