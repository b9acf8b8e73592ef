"""Any two results against each other: paired by clip, the common ones alone, and in order."""

from pathlib import Path
from typing import Any

import pytest

from common.files import write_json
from evaluation.report import write
from evaluation.report.comparison import in_order, warnings_of
from evaluation.report.differences import heard_of, lines_of, pairs_of, sections
from evaluation.report.ranking import orders
from evaluation.scoring.pairs import COMPILED
from tests.test_report import sample_quality, sample_speed, whole

SAID = "one two three four"


def row(
    number: int, text: str, language: str = "de_de", task: str = "transcribe", folder: str = "a"
) -> dict[str, Any]:
    """A row of transcripts.json."""
    return {
        "clip": f"{folder}/{language}_{number:04d}.wav",
        "language": language,
        "whisper_language": language[:2],
        "task": task,
        "reference": SAID,
        "texts": {COMPILED: text},
    }


def result(rows: list[dict[str, Any]], model: str = "whisper-small", **more: Any) -> tuple:
    """A result: quality.json, and transcripts.json beside it."""
    quality = sample_quality(model, languages=["de_de", "ko_kr"], clips=4)
    return quality, {
        "transcripts": {"model": model, "target": "cpu", "clips": [], "rows": rows},
        **more,
    }


def test_the_difference_is_that_of_the_common_clips() -> None:
    first = [row(number, SAID) for number in range(8)]
    second = [row(number, "one two three", folder="board") for number in range(4, 12)]
    second += [row(0, SAID, "ko_kr"), row(0, "x " * 99, task="translate")]
    (pair,) = pairs_of([result(first), result(second)])
    found = pair["tasks"]["transcribe"]
    assert found["all"] == {"difference": 0.25, "interval": (0, 0.25), "clips": 4}
    assert found["languages"] == {"de_de": found["all"]} and found["clips"] == (4, 8, 9)
    assert list(pair["tasks"]) == ["transcribe"]
    shown = sections([result(first), result(second)])
    assert lines_of(shown, ["a", "b"])[2:] == [
        "1 to 2, transcribe: +25.0 points (0.0 to 25.0), 4 clips",
        "1 and 2, transcribe: 4 clips in common, of 8 and 9; only these are compared.",
    ]


@pytest.mark.parametrize(("clips", "sure"), [(1, False), (4, False), (5, True)])
def test_fewer_than_five_clips_that_differ_are_chance(clips: int, sure: bool) -> None:
    results = [result([row(n, text) for n in range(clips)]) for text in (SAID, "one two three")]
    ((cell,),) = (one["cells"] for one in sections(results)["rows"])
    assert cell["certain"] is sure


def test_a_clip_has_as_many_errors_as_words_at_most() -> None:
    (clip,) = heard_of([row(0, "never " * 90)])["transcribe"].values()
    assert (clip.errors, clip.units) == (4, 4)


def test_an_interval_of_equal_models_spans_zero() -> None:
    texts = ["one two", SAID]
    rows = [[row(n, texts[(n + shift) % 2]) for n in range(40)] for shift in (0, 1)]
    (pair,) = pairs_of([result(rows[0]), result(rows[1])])
    low, high = pair["tasks"]["transcribe"]["all"]["interval"]
    assert pair["tasks"]["transcribe"]["all"]["difference"] == 0 and low < -0.05 and high > 0.05
    assert pairs_of([result(rows[0]), result(rows[1])]) == [pair]  # the same draws


def test_a_language_that_float_does_not_hear_counts_by_itself_alone() -> None:
    rows = [row(n, SAID, code) for n in range(3) for code in ("de_de", "ko_kr")]
    worse = [
        {**one, "texts": {COMPILED: "x" if one["language"] == "ko_kr" else SAID}} for one in rows
    ]
    results = [result(rows), result(worse)]
    results[0][0]["tasks"]["transcribe"]["unheard"] = {"ko_kr": 0.9}
    (pair,) = pairs_of(results)
    found = pair["tasks"]["transcribe"]
    assert found["all"]["difference"] == 0 and found["languages"]["ko_kr"]["difference"] == 1


def test_nothing_in_common_is_a_sentence() -> None:
    results = [result([row(0, SAID)]), result([row(1, SAID)]), (sample_quality(), {})]
    assert sections(results)["notes"] == [
        "Without transcripts.json beside quality.json, and so not compared: 3.",
        "1 and 2 have heard no clip in common, and are not compared.",
    ]


def test_what_makes_figures_incomparable_is_said() -> None:
    rows = [row(0, SAID), row(1, SAID)]
    again = [row(number, SAID, folder="board") for number in (0, 1)]
    plain, same = result(rows, speed=sample_speed()), result(again, speed=sample_speed())
    assert warnings_of([plain, same]) == []
    other = result([row(0, SAID), row(2, SAID)], speed=sample_speed())
    other[0]["beams"], other[1]["speed"]["machine"]["cores"] = 5, 1
    assert warnings_of([plain, other]) == [
        "Error rates are of different clips or languages.",
        "Error rates are of searches with 1 and 5 beams.",
        "Speeds are of different machines: AMD EPYC 9V74 80-Core Processor, 1 core; AMD EPYC 9V74"
        " 80-Core Processor, 16 cores.",
    ]


def test_the_page_has_the_best_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, rate, compiled in (("a", 0.2, 100e6), ("b", 0.1, 300e6), ("c", 0.1, 200e6)):
        rows = [row(number, SAID if name == "c" else "one") for number in range(5)]
        model = f"whisper-small@{name}"
        quality, files = result(rows, model, speed=sample_speed(model))
        cell = quality["tasks"]["transcribe"]["all"]["pairings"][COMPILED]
        cell["rate"], quality["sizes"]["both"]["compiled"] = rate, compiled
        paths.append(tmp_path / name / "cpu" / "quality.json")
        write_json(paths[-1], quality)
        for file, content in files.items():
            write_json(paths[-1].with_name(f"{file}.json"), content)
    write.main(["--quality", *map(str, paths), "--out", str(tmp_path / "page.html")])
    page = whole((tmp_path / "page.html").read_text(encoding="utf-8"))
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [f"{n} whisper-small@{x} for cpu" for n, x in enumerate("cba", 1)]
    assert "1 to 2, transcribe: +75.0 points (75.0 to 75.0), 5 clips" in said
    assert "Any two, clip by clip" in page.text and "by size, the best first" in page.text


def test_two_results_of_one_folder_have_names_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name / "quality.json" for name in ("board", "desk")]
    for path in paths:
        write_json(path, result([])[0])
    third = tmp_path / "third.json"
    write_json(third, result([])[0] | {"folder": "elsewhere"})
    write.main(["--quality", *map(str, (*paths, third)), "--out", str(tmp_path / "page.html")])
    label = "whisper-small for cpu"
    folder = f"{label}, compiled/whisper-small/cpu"
    assert capsys.readouterr().out.splitlines()[:3] == [
        f"1 {folder}, {paths[0]}",
        f"2 {folder}, {paths[1]}",
        f"3 {label}, elsewhere",
    ]


def test_what_is_not_known_is_in_no_order() -> None:
    measures = [(0.2, None, 1.0), (0.1, None, None)]
    found = {one["by"]: one["indices"] for one in orders(measures)}
    assert found == {"error rate": [2, 1], "speed": [1]}
    slow, fast = result([], "slow"), result([], "fast", speed=sample_speed())
    assert [one[0]["model"] for one in in_order([slow, fast])] == ["fast", "slow"]
