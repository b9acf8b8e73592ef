"""Scores, intervals and verdicts against cases worked out by hand."""

import json
import math
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.cli import UserError
from common.files import write_json
from common.repetition import loop_in
from evaluation.layers import coverage
from evaluation.quality.distances import distance, logit_distances
from evaluation.quality.score import main as score_main
from evaluation.quality.score import score
from evaluation.report.summary import verdict
from evaluation.scoring import bootstrap, gate
from evaluation.scoring.decibels import decibels
from evaluation.scoring.gate_sentences import passed
from evaluation.scoring.text_errors import in_wrong_script

BOUNDS = {
    "word_accuracy": 0.99,
    "language_word_accuracy": 0.98,
    "rate_rise": 0.05,
    "failures": 0.005,
}
PAIRINGS = ["float+float", "float+compiled", "compiled+float", "compiled+compiled"]


def row(language: str, reference: str, compiled: str, **changes: Any) -> dict[str, Any]:
    """A row of transcripts.json: the float model is right, what is compiled says `compiled`."""
    texts = dict.fromkeys(PAIRINGS, reference) | {"compiled+compiled": compiled}
    return {
        "clip": f"{language}.wav",
        "language": language,
        "whisper_language": language[:2],
        "task": "transcribe",
        "reference": reference,
        "texts": texts,
        "tokens": dict.fromkeys(PAIRINGS, 3),
        "at_limit": dict.fromkeys(PAIRINGS, False),
        **changes,
    }


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, each row of a task of a recording of its own."""
    times = Counter[tuple[str, str]]()
    for one in (rows := [dict(one) for one in rows]):
        times[one["task"], one["clip"]] += 1
        one["clip"] = f"{times[one['task'], one['clip']]}_{one['clip']}"
    return rows


def heard(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """transcripts.json with these rows, each task's of as many recordings."""
    rows = numbered(rows)
    states = {"cosine": 0.99, "sqnr_db": 20.0, "psnr_db": 30.0}
    clips = [
        {
            "clip": one["clip"],
            "language": one["language"],
            "whisper_language": one["whisper_language"],
            "seconds": 2.0,
            "states": states,
            "logits": {},
            "detected": {"float": one["whisper_language"], "compiled": "en"},
        }
        for one in rows
    ]
    facts = {"model": "m", "target": "cpu", "folder": "f", "manifest_sha256": "0", "sizes": {}}
    return {**facts, "clips": clips, "rows": rows}


def test_a_cell_is_the_sum_of_its_clips() -> None:
    rows = [
        row("de_de", "eins zwei drei vier", "eins zwei drei"),  # one deletion of four
        row("de_de", "null eins", "null eins eins"),  # one insertion of two
        row("th_th", "หนึ่ง สอง", "หนึ่งสอง", whisper_language="th"),  # spaces count for nothing
    ]
    quality = score(heard(rows), BOUNDS)
    cells = quality["tasks"]["transcribe"]
    german = cells["languages"]["de_de"]["pairings"]["compiled+compiled"]
    assert (german["deletions"], german["insertions"], german["units"]) == (1, 1, 6)
    assert german["rate"] == pytest.approx(2 / 6)
    assert cells["languages"]["de_de"]["unit"] == "words" and cells["all"]["unit"] == "mixed"
    thai = cells["languages"]["th_th"]
    assert thai["unit"] == "characters" and thai["pairings"]["compiled+compiled"]["rate"] == 0
    assert cells["all"]["change"]["difference"] == pytest.approx(2 / (6 + 8))
    assert cells["all"]["no_worse"] == {"share": pytest.approx(1 / 3), "clips": 1}
    assert quality["detection"]["all"] == {"float": 1, "compiled": 0, "clips": 3}
    assert quality["worst"][0]["compiled"] == "null eins eins"  # half of two words
    assert [one["compiled"] for one in quality["worst"]][1:] == ["eins zwei drei"]


def test_translations_have_chrf_and_are_counted_in_words() -> None:
    rows = [row("ja_jp", "the cat sat", "the cat sat", task="translate")]
    rows += [row("ja_jp", "a dog ran", "a dig ran", task="translate")]
    cell = score(heard(rows), BOUNDS)["tasks"]["translate"]["languages"]["ja_jp"]
    assert cell["unit"] == "words" and cell["pairings"]["compiled+compiled"]["rate"] == 1 / 6
    assert cell["chrf"]["float"] == pytest.approx(100) and 50 < cell["chrf"]["compiled"] < 100


def test_a_model_that_loops_or_says_nothing_is_flagged() -> None:
    loop = " ".join(["und so weiter"] * 20)
    rows = [row("de_de", "eins zwei", loop), row("de_de", "eins zwei", "")]
    rows += [row("de_de", "eins zwei", "раз два"), row("de_de", "eins zwei", "eins zwei")]
    rows[0]["at_limit"]["compiled+compiled"] = True
    quality = score(heard(2 * rows), BOUNDS)
    rates = quality["tasks"]["transcribe"]["all"]["rates"]
    assert rates["float"] == dict.fromkeys(rates["float"], 0)
    assert rates["compiled"] == dict.fromkeys(rates["compiled"], 0.25)
    assert not quality["gate"]["passed"]


@pytest.mark.parametrize(
    ("text", "loops"),
    [("", False), ("eins zwei drei", False), ("敏捷的棕色狐狸跳过懒狗", False), ("ha " * 60, True)],
)
def test_loops(text: str, loops: bool) -> None:
    assert (loop_in(text) is not None) is loops


@pytest.mark.parametrize(
    ("reference", "hypothesis", "wrong"),
    [
        ("서울", "Seoul", True),
        ("서울에서", "서울에서 KBS", False),
        ("東京タワー", "とうきょう", True),  # kanji and katakana, not hiragana
        ("東京に行く", "とうきょう", False),
        ("one", "", False),
        ("one", "123", False),
        ("தமிழ்", "हिन्दी", True),
    ],
)
def test_scripts(reference: str, hypothesis: str, wrong: bool) -> None:
    assert in_wrong_script(reference, hypothesis) is wrong


def test_intervals_are_of_pairs_and_repeatable() -> None:
    rng = np.random.default_rng(1)
    errors, size = rng.integers(0, 4, 100), np.full(100, 10)
    low, high = bootstrap.interval(bootstrap.rate, errors, size)
    assert low < errors.sum() / 1000 < high and high - low < 0.06
    assert (low, high) == bootstrap.interval(bootstrap.rate, errors, size)
    # The same errors before and after: no doubt at all, however much the clips differ.
    assert bootstrap.interval(bootstrap.difference, errors, errors, size) == (0, 0)
    assert bootstrap.interval(bootstrap.accuracy_kept, errors, errors, size) == (1, 1)
    # Of a share of 0.5 in n clips, about 1.96 standard errors on each side.
    low, high = bootstrap.interval(bootstrap.rate, np.array([0, 1] * 200), np.ones(400))
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.25 / 400), rel=0.1)


def test_intervals_are_the_same_however_many_draws_there_are_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    before, after, size = rng.integers(0, 4, 70), rng.integers(0, 4, 70), rng.integers(4, 30, 70)
    draws = np.random.default_rng(0).multinomial(70, np.full(70, 1 / 70), bootstrap.DRAWS)
    rises = (draws @ (after - before)) / (draws @ size)
    at_once = bootstrap.interval(bootstrap.difference, before, after, size)
    assert at_once == tuple(np.percentile(rises, [2.5, 97.5]))
    for counts in (1, 70 * 300, 70 * bootstrap.DRAWS - 1):
        monkeypatch.setattr(bootstrap, "COUNTS", counts)
        assert bootstrap.interval(bootstrap.difference, before, after, size) == at_once


def test_intervals_of_many_clips_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "DRAWS", 40)
    monkeypatch.setattr(bootstrap, "COUNTS", 20_000)
    tracemalloc.start()
    bootstrap.interval(bootstrap.rate, np.zeros(10_000), np.ones(10_000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * 10_000 * 12  # and not twice 40 draws


def many(language: str, right: int, wrong: int) -> list[dict[str, Any]]:
    """Rows of which some have lost a word of four."""
    said = "eins zwei drei vier"
    return [row(language, said, said)] * right + [row(language, said, "eins zwei drei")] * wrong


def test_a_lost_language_is_named_with_figure_and_bound(tmp_path: Path) -> None:
    rows = [*many("de_de", 100, 0), *many("nl_nl", 5, 35)]
    quality = score(heard(rows), BOUNDS)
    verdicts = {
        (check["what"], check["language"]): check["verdict"] for check in quality["gate"]["checks"]
    }
    assert verdicts["accuracy kept", "de_de"] == "passed"
    assert verdicts["accuracy kept", "nl_nl"] == "failed"
    path = tmp_path / "quality.json"
    path.write_text(json.dumps(quality), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"nl_nl transcribe: accuracy kept 78\.1 %, where 98\.0 %"
    ) as error:
        gate.main([str(path), "--out", str(tmp_path / "passed.txt")])
    assert "The folder f is kept and says so" in str(error.value)
    assert not (tmp_path / "passed.txt").exists()


def test_few_clips_are_no_failure_and_the_sentence_says_so() -> None:
    judged = score(heard(many("de_de", 4, 1)), BOUNDS)["gate"]
    assert judged["passed"] and "too few" not in judged["sentence"]
    assert (
        "with 5 clips a rise of the error rate by less than 51.9 percentage points cannot"
        in (judged["sentence"])
    )
    many_clips = score(heard(many("de_de", 240, 60)), BOUNDS)["gate"]
    assert not many_clips["passed"]
    lost = score(heard(many("de_de", 0, 3)), BOUNDS)["gate"]
    assert {check["verdict"] for check in lost["checks"]} == {"too few clips"}
    assert (lost["passed"], lost["sentence"]) == (None, "not judged: too few clips (3 of 5 needed)")
    equal = score(heard(many("de_de", 80, 0)), BOUNDS)["gate"]
    assert equal["passed"] and "too few" not in equal["sentence"]


def test_a_model_of_too_few_clips_is_let_through_and_not_said_to_have_passed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quality = score(heard(many("de_de", 0, 3)) | {"sizes": {"both": {}}}, BOUNDS)
    write_json(tmp_path / "quality.json", quality)
    gate.main([str(tmp_path / "quality.json"), "--out", str(tmp_path / "passed.txt")])
    sentence = "not judged: too few clips (3 of 5 needed)"
    assert capsys.readouterr().out == f"m for cpu: {sentence}\n"
    assert (tmp_path / "passed.txt").read_text(encoding="utf-8") == f"{sentence}\n"
    shown = verdict(quality)
    assert (shown["label"], shown["sentence"]) == ("Not judged", "Too few clips (3 of 5 needed)")


def test_every_rise_has_its_unit() -> None:
    rises = [
        {"task": "transcribe", "clips": 4, "float": 0.1, "seen": 0.186, "verdict": "passed"},
        {"task": "translate", "clips": 5, "float": 0.01, "seen": 0.042, "verdict": "passed"},
    ]
    assert passed(rises, rises) == (
        "passed: 2 checks; with 5 clips a rise of the error rate by less than 86 % of itself"
        " (transcribe) or by less than 3.2 percentage points (translate) cannot be seen"
    )


def test_what_is_missing_is_named() -> None:
    sample = heard(many("de_de", 5, 0))
    assert score(sample, None)["gate"]["sentence"] == "not judged: no bounds"
    name = "compiled+compiled"
    sample["rows"] = [{**one, "texts": {name: one["texts"][name]}} for one in sample["rows"]]
    float_texts = "not judged: no texts of the float model"
    assert score(sample, BOUNDS)["gate"]["sentence"] == float_texts
    assert score(sample, None)["gate"]["sentence"] == f"{float_texts} and no bounds"


def test_help_names_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        score_main(["--help"])
    said = capsys.readouterr().out.rpartition("--gate GATE")[2]
    assert all(name in said for name in BOUNDS)


def test_distances() -> None:
    reference = np.array([3.0, -1.0], np.float32)
    found = distance(reference, reference + np.array([0.1, -0.1], np.float32))
    assert found["sqnr_db"] == pytest.approx(10 * math.log10(5 / 0.01), rel=1e-4)
    assert found["psnr_db"] == pytest.approx(10 * math.log10(16 / 0.01), rel=1e-4)
    assert distance(reference, reference)["sqnr_db"] is None
    assert decibels(10, 1) == 10 and decibels(0, 1) is None


def test_logits_by_position() -> None:
    reference = np.log(np.tile([0.5, 0.25, 0.25], (40, 1)))
    other = reference.copy()
    other[0] = np.log([0.25, 0.5, 0.25])
    bands = logit_distances(reference, other)
    assert [bands[band]["tokens"] for band in ("1-4", "5-32", "33+")] == [4, 28, 8]
    # 0.5 ln 2 + 0.25 ln 0.5
    assert bands["1-4"]["kl"] == pytest.approx(0.25 * math.log(2))
    assert bands["1-4"]["top1"] == 3 and bands["5-32"]["top1"] == 28
    assert bands["33+"]["kl"] == pytest.approx(0, abs=1e-12)
    assert set(logit_distances(reference[:3], other[:3])) == {"1-4"}


def test_values_beyond_the_calibrated_range() -> None:
    array = np.array([-2.0, 0.0, 1.0, 5.0])
    assert coverage.outside(array, (-1, 2)) == 0.5 and coverage.outside(array, (-2, 5)) == 0
    one = {"outside": 0.5, "excess": 1.0, "seen": (-2, 5)}
    few = {"outside": 0.5, "excess": 0.01, "seen": (-2, 5)}
    said = coverage.warning({"inputs": {"mel": {"languages": {"ko_kr": one, "de_de": few}}}})
    assert "50.0 % of the mel of held-out ko_kr clips" in said
    assert coverage.warning({"inputs": {"mel": {"languages": {"de_de": few}}}}) == ""


@pytest.mark.parametrize(
    "text",
    [
        *("[", "{}", "[]", '{"word_accuracy": 1}'),
        *(json.dumps(BOUNDS | {"failures": value}) for value in (1.5, True, None)),
    ],
)
def test_other_bounds_are_refused(text: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "transcripts.json"
    path.write_text(json.dumps(heard(many("de_de", 5, 0))), encoding="utf-8")
    command = ["--transcripts", str(path), "--out", str(tmp_path / "quality.json"), "--gate"]
    with pytest.raises(SystemExit):
        score_main([*command, text])
    assert "argument --gate: " in capsys.readouterr().err
    score_main([*command, json.dumps(BOUNDS)])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("transcripts", "quality"),
        ("transcripts", "conditions"),
        ("conditions", "quality"),
        ("conditions", "transcripts"),
    ],
)
def test_another_file_than_the_one_asked_for_is_a_sentence(
    tmp_path: Path, kind: str, wrong: str
) -> None:
    right = heard(many("de_de", 5, 0))
    conditions = {"manifest_sha256": "0", "missing": {}, "rows": []}
    files = {"transcripts": right, "conditions": conditions, "quality": score(right, None)}
    given = {"transcripts": "transcripts", "conditions": "conditions", kind: wrong}
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    command = ["--gate", json.dumps(BOUNDS), "--out", str(tmp_path / "out.json")]
    for name, file in given.items():
        command += [f"--{name}", str(tmp_path / f"{file}.json")]
    with pytest.raises(UserError, match=rf"{wrong}\.json is no {kind}\.json; give the"):
        score_main(command)
