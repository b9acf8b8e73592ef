"""A folder evaluated by itself gives the pipeline's figures, on the CPU and on a stand-in for an NPU."""

import json
import re
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from common.cli import UserError
from common.files import make_folder, read_json, read_jsonl, sha256_of, write_json, write_jsonl
from compilation.hand_off import sums
from compilation.verify import verify
from evaluation import describe, hear_folder, run
from evaluation.quality.score import score
from evaluation.report import write
from evaluation.report.table import table_of
from evaluation.scoring import gate
from evaluation.speed.npu_meter import NpuMeter, npu_meter
from evaluation.transcription.transcribe_clips import Transcribed
from tests.imports import ROOT
from tests.test_npu_folder import device, running  # noqa: F401
from tests.test_npu_folder import folder as npu  # noqa: F401

GATE = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["evaluation"]["gate"]
LANGUAGES = ("de_de", "en_us", "ja_jp")


@pytest.fixture(scope="module")
def clips(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluation clips of some languages, away from the project."""
    folder = tmp_path_factory.mktemp("board") / "clips"
    folder.mkdir()
    for language in LANGUAGES:
        manifest = demo / f"data/audio_files/evaluation/{language}.jsonl"
        lines = read_jsonl(manifest)[:2]
        for line in lines:
            shutil.copy2(manifest.parent / line["file"], folder)
        write_jsonl(folder / manifest.name, lines)
    return folder


def transcripts(demo: Path) -> Path:
    return demo / "evaluation/results/whisper-micro/cpu/transcripts.json"


def texts_of(heard: dict) -> dict[tuple[str, str], str]:
    """What the compiled parts heard, by clip and task."""
    return {
        (Path(row["clip"]).name, row["task"]): row["texts"]["compiled+compiled"]
        for row in heard["rows"]
    }


def test_the_folder_alone_hears_what_the_pipeline_heard(
    demo: Path, clips: Path, tmp_path: Path
) -> None:
    received = shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")
    command = [str(received), "--clips", str(clips), "--device", "cpu", "--out", str(tmp_path)]
    run.main(command)
    own, pipeline = read_json(tmp_path / "transcripts.json"), read_json(transcripts(demo))
    heard = texts_of(own)
    assert len(heard) == 6 + 4 and heard.items() <= texts_of(pipeline).items()  # not from English
    quality = read_json(tmp_path / "quality.json")
    assert quality["gate"]["passed"] is None
    assert quality["tasks"]["transcribe"]["all"]["change"]["difference"] is None
    run.main([*command, "--float", str(transcripts(demo)), "--gate", json.dumps(GATE)])
    quality = read_json(tmp_path / "quality.json")
    assert quality["gate"]["passed"] and quality["gate"]["checks"]
    assert quality["detection"]["all"]["clips"] == 6
    rows = [row for row in pipeline["rows"] if Path(row["clip"]).name in {c for c, _ in heard}]
    same = json.loads(json.dumps(score({**pipeline, "rows": rows}, GATE)))
    for task, cells in same["tasks"].items():
        found = quality["tasks"][task]
        assert set(found["languages"]) == set(cells["languages"])
        assert figures(found["all"]) == figures(cells["all"])
        for language, cell in cells["languages"].items():
            assert figures(found["languages"][language]) == figures(cell)


def figures(cell: dict) -> dict:
    """A cell without the pairings that a device alone cannot hear."""
    both = {name: cell["pairings"][name] for name in ("float+float", "compiled+compiled")}
    return {**cell, "pairings": both}


@pytest.mark.parametrize("compared", [False, True])
def test_what_others_read_of_it(
    demo: Path,
    clips: Path,
    tmp_path: Path,
    compared: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The table, the report, the comparison and the folder's README take what was not measured."""
    received = shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")
    given = [str(received), "--clips", str(clips), "--out", str(tmp_path)]
    run.main([*given, *(["--float", str(transcripts(demo))] if compared else [])])
    quality = tmp_path / "quality.json"
    before = r"\d+\.\d" if compared else "-"
    assert re.search(rf"both .* {before} -> \d+\.\d %$", table_of(read_json(quality)), re.MULTILINE)
    write.main(["--quality", str(quality), "--out", str(tmp_path / "report.html")])
    assert "Not judged" in (tmp_path / "report.html").read_text(encoding="utf-8")
    both = [str(quality), str(transcripts(demo).with_name("quality.json"))]
    capsys.readouterr()
    write.main(["--quality", *both, "--out", str(tmp_path / "both.html")])
    said = capsys.readouterr().out
    assert "transcribe: 0.0 points (0.0 to 0.0), 6 clips" in said
    assert "translate: 4 clips in common, of " in said
    describe.main(["--quality", str(quality), "--out", str(received / "evaluation.json")])
    row = rf"^\| all \| {before if compared else '–'} → \d+\.\d % \|"
    readme = (received / "README.md").read_text(encoding="utf-8")
    assert re.search(row, readme, re.MULTILINE), readme
    assert list(verify(received))
    with pytest.raises(
        UserError, match=r"was not judged: .*give evaluation.run --float and --gate"
    ):
        gate.main([str(quality)])


def test_an_npu_hears_the_same_through_its_own_runtime(
    device,  # noqa: F811
    demo: Path,
    npu: Path,  # noqa: F811
    clips: Path,
    tmp_path: Path,
) -> None:
    device(running(demo, broken="first"))
    out = tmp_path / "out"
    command = [str(npu), "--clips", str(clips), "--device", "npu", "--out", str(out)]
    run.main(command)
    own = read_json(out / "transcripts.json")
    assert (own["target"], own["warmed_up"], own["beams"]) == ("aries-rb", True, 1)
    assert texts_of(own).items() <= texts_of(read_json(transcripts(demo))).items()
    run.main([*command, "--beams", "3"])
    searched = read_json(out / "transcripts.json")
    assert read_json(out / "quality.json")["beams"] == searched["beams"] == 3
    assert texts_of(searched).keys() == texts_of(own).keys()
    with pytest.raises(UserError, match="--beams is 0, and must be at least 1"):
        run.main([*command, "--beams", "0"])


def test_transcripts_without_float_texts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "transcripts.json"
    write_json(path, {"model": "m", "clips": [], "rows": [{"texts": {"compiled+compiled": "one"}}]})
    with pytest.raises(UserError, match=r"transcripts\.json has no texts of the float model; give"):
        run.heard_by_float(path)
    write_json(path, {"model": "m", "clips": [], "rows": [{"texts": {"float+float": "one"}}]})
    assert run.heard_by_float(path)["model"] == "m"


def test_power_is_that_of_the_clip_and_not_of_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    meter = SimpleNamespace(last=lambda seconds: asked.append(seconds) or {"watts": 4.0})
    monkeypatch.setattr(hear_folder, "detect", lambda *_: asked.append("language") or "de")
    clip = {"path": Path("a.wav"), "language": "de_de", "whisper_language": "de", "seconds": 2.0}
    heard = Transcribed(clip, {"compiled": None}, {}, [], 0.5)
    facts = hear_folder._facts(heard, None, None, meter)
    assert asked == [0.5, "language"]
    assert facts["npu"] == {"watts": 4.0} and facts["detected"] == {"compiled": "de"}


class Library:
    """The vendor's mbltml, for a device that draws 4 W and does not tell its clock."""

    MBLTMLError = RuntimeError
    MBLTMLNotSupportedError = NotImplementedError
    MBLTML_TARGET_DEVICE_ARIES_RB = 3
    mbltmlGetTotalPower = staticmethod(lambda kind, number: {(3, 0): 4.0}[kind, number])
    mbltmlGetTemperature = staticmethod(lambda kind, number: 51)
    mbltmlGetMemoryUsage = staticmethod(lambda kind, number: 200_000_000)
    mbltmlInit = staticmethod(lambda: None)

    @staticmethod
    def mbltmlGetNPUClock(kind: int, number: int) -> int:
        raise NotImplementedError


@pytest.mark.parametrize("failing", [1, 100])
def test_a_reading_that_fails_is_left_out_and_the_meter_reads_on(
    failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.speed.npu_meter.INTERVAL", 0.001)
    given = [4.0, *[RuntimeError("busy")] * failing, 6.0, 8.0]
    read, read_on = threading.Event(), threading.Event()

    def power(kind: int, number: int) -> float:
        if not given:
            read.set()
            read_on.wait()
            return 6.0
        one = given.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    library = type("Failing", (Library,), {"mbltmlGetTotalPower": staticmethod(power)})
    meter = NpuMeter(library, "aries-rb", 0)
    assert read.wait(10), "the meter has ended"
    read_on.set()
    meter.close()
    told = meter.last(60)
    assert told["celsius"] == 51
    if failing == 1:
        assert (told["watts"], told["joules"]) == (6, 360)
    else:
        assert not {"watts", "joules"} & set(told)


def test_power_and_memory_are_read_where_the_library_is(
    device,  # noqa: F811
    demo: Path,
    npu: Path,  # noqa: F811
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device(running(demo))
    few = tmp_path / "clips"
    few.mkdir()
    for path in clips.glob("en_us*"):
        shutil.copy2(path, few)
    command = [str(npu), "--clips", str(few), "--out", str(tmp_path)]
    monkeypatch.setitem(sys.modules, "mbltml", None)  # not installed
    run.main(command)
    without = read_json(tmp_path / "transcripts.json")
    assert "power" not in without and "power" not in read_json(tmp_path / "quality.json")
    assert not any("npu" in clip for clip in without["clips"])
    monkeypatch.setitem(sys.modules, "mbltml", Library)
    run.main(command)
    with_power = read_json(tmp_path / "transcripts.json")
    assert [row["texts"] for row in with_power["rows"]] == [row["texts"] for row in without["rows"]]
    for clip in with_power["clips"]:
        assert (clip["npu"]["watts"], clip["npu"]["celsius"]) == (4, 51) and clip["npu"]["joules"]
    power = read_json(tmp_path / "quality.json")["power"]
    assert power.keys() == {"watts", "joules", "celsius", "memory_bytes"}
    assert power["memory_bytes"] == 2e8 and "power_mode" in with_power

    def absent() -> None:
        raise RuntimeError("no driver")

    monkeypatch.setattr(Library, "mbltmlInit", staticmethod(absent))
    assert npu_meter("aries-rb", 0) is None


def test_figures_of_other_parts_are_refused(demo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")
    measured = read_json(folder / "evaluation.json")
    measured |= {"manifest_sha256": sha256_of(folder / "manifest.json")}
    for digest, refused in ((measured["manifest_sha256"], False), ("0" * 64, True)):
        write_json(folder / "evaluation.json", {**measured, "manifest_sha256": digest})
        sums.write(folder)
        if refused:
            with pytest.raises(UserError, match=r"quality: .* was measured of other parts than"):
                list(verify(folder))
        else:
            assert list(verify(folder))


def test_what_cannot_be_evaluated_is_a_sentence(demo: Path, clips: Path, tmp_path: Path) -> None:
    folder = demo / "compiled/whisper-micro/cpu"

    def refusal(*arguments: str) -> str:
        with pytest.raises(UserError) as error:
            run.main([*arguments, "--out", str(tmp_path)])
        return str(error.value)

    assert "is compiled for the cpu, not for the npu" in refusal(
        str(folder), "--clips", str(clips), "--device", "npu"
    )
    assert "has no manifest of clips" in refusal(str(folder), "--clips", str(tmp_path))
    assert "give --float too" in refusal(
        str(folder), "--clips", str(clips), "--gate", json.dumps(GATE)
    )
    assert "is no hand-off folder (it has no compiled parts)" in refusal(
        str(tmp_path), "--clips", str(clips)
    )
    heard = {"model": "whisper-micro", "clips": [], "rows": []}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(heard), encoding="utf-8")
    said = refusal(str(folder), "--clips", str(clips), "--float", str(other))
    assert "--float has no text of de_de_0000.wav (transcribe)" in said


def test_a_place_for_results_that_is_none_is_refused_before_clips_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = tmp_path / "cpu", tmp_path / "file"
    for name in ("config.json", "openvino_encoder_model.xml"):
        make_folder(folder)
        write_json(folder / name, {})
    file.touch()
    monkeypatch.setattr(run, "evaluate_folder", lambda *_: pytest.fail("clips were heard"))
    command = [str(folder), "--clips", str(tmp_path), "--out"]
    with pytest.raises(NotADirectoryError):
        run.main([*command, str(file)])
    for place in (folder, folder / "results"):
        with pytest.raises(UserError, match=r"is in the folder that is heard, .*; give a place"):
            run.main([*command, str(place)])
    assert not (folder / "results").exists()
