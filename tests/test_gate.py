"""The gate leaves a harmless change alone, finds harm, and says what it cannot find."""

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.gate import Case, failing, more_errors, more_loops
from benchmarks.gate_pools import TASK, Pools, pools_in
from evaluation.quality.score import score
from evaluation.report.format import beyond_chance
from evaluation.report.halves import pairings
from evaluation.report.summary import sentences, verdict
from evaluation.scoring.evidence import clips_needed, evidence, harm_found
from tests.imports import ROOT
from tests.test_score import heard, row

GATE = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["evaluation"]["gate"]
SAID = "eins zwei drei vier fünf sechs sieben acht neun zehn"
HALF = "eins zwei drei vier fünf"
WORSE, LOOP = "eins zwei drei vier fünf sechs sieben acht neun zehen", "und so weiter " * 40


@pytest.fixture(scope="module")
def pools() -> Pools:
    """What whisper-base and its int8 parts made of real recordings."""
    return pools_in(ROOT / "benchmarks/whisper_base.json")


def test_evidence_is_the_share_of_all_swaps() -> None:
    rng = np.random.default_rng(2)
    differences = rng.integers(-1, 4, (9, 2)).astype(float)
    differences[:4, 1] = 0
    scaled = differences / np.sqrt((differences**2).sum(axis=0))
    signs = np.array(list(itertools.product((1, -1), repeat=9)))
    largest = (signs @ scaled).max(axis=1)
    exact = [np.mean(largest >= total - 1e-9) for total in scaled.sum(axis=0)]
    found = evidence(differences, ["errors", "errors"], {"errors": 1})
    assert found.chances == pytest.approx(exact, abs=0.025)
    assert found == evidence(differences, ["errors", "errors"], {"errors": 1})
    again = evidence(np.repeat(differences, 2, axis=1), ["errors"] * 4, {"errors": 1})
    assert again.chances[::2] == found.chances  # a check that is asked twice costs nothing


@pytest.mark.parametrize("clips", [5, 6, 8])
def test_clips_that_are_enough_are_so_in_every_number(clips: int) -> None:
    """Sums are rounded, and so is what they are compared with."""
    lost = score(heard([*mixed(0, clips, 0)]), GATE)["gate"]
    assert {one["verdict"] for one in lost["checks"] if not one["kept"]} == {"failed"}
    kept = score(heard(mixed(0, 0, clips)), GATE)["gate"]
    assert {one["verdict"] for one in kept["checks"]} == {"passed"}


def test_what_never_differs_takes_nothing_from_the_others() -> None:
    six = np.zeros((40, 30))
    six[:6, 0] = 1
    kinds = ["failures", *["errors"] * 29]
    found = evidence(six, kinds, {"failures": 2, "errors": 1})
    assert found.chances[0] == pytest.approx(2**-6, abs=0.006) and set(found.chances[1:]) == {1.0}
    assert found.critical["errors"] == pytest.approx(5**0.5)


@pytest.mark.parametrize(
    "case",
    [
        *(Case("no harm", 40, 1, 1), Case("no harm", 100, 1, 2), Case("no harm", 5, 17, 1)),
        *(Case("nor", 40, 1, 1, conditions=True), Case("nor", 5, 17, 1, conditions=True)),
    ],
)
def test_harmless_changes_pass(pools: Pools, case: Case) -> None:
    assert failing(pools, case, GATE, 50) <= 0.1


@pytest.mark.parametrize(
    "case",
    [
        Case("20 % more errors", 100, 1, 1, partial(more_errors, rise=0.2)),
        Case("a loop in 3 % more of the clips", 50, 4, 1, partial(more_loops, share=0.03)),
        Case("one", 40, 17, 1, partial(more_errors, rise=0.4, language="language3")),
    ],
)
def test_harm_is_found(pools: Pools, case: Case) -> None:
    assert failing(pools, case, GATE, 40) >= 0.7


def test_what_can_be_seen_is_seen(pools: Pools) -> None:
    """The rise that the sentence names is found four times in five."""
    pool = pools[TASK]
    spread = float(np.abs(pool.after - pool.before).mean())
    rate = float(pool.before.mean())
    rise = harm_found(spread * 150, 1.9) / (rate * 150)
    case = Case("as said", 150, 1, 1, partial(more_errors, rise=rise))
    assert 0.65 <= failing(pools, case, GATE, 40) <= 0.95
    needed = clips_needed(rise * rate, spread, 1.9)
    assert needed == pytest.approx(150, abs=1) and clips_needed(0, spread, 1.9) is None


def mixed(right: int, worse: int, better: int, language: str = "de_de") -> list[dict[str, Any]]:
    """Rows that compiling leaves, makes worse, or makes better by a word of ten."""
    before_wrong = row(language, SAID, SAID)
    before_wrong["texts"] |= {"float+float": WORSE}
    rows = [row(language, SAID, SAID)] * right
    return rows + [row(language, SAID, WORSE)] * worse + [before_wrong] * better


def test_a_language_lost_in_both_tasks_is_no_less_lost() -> None:
    """Both tasks' results of a recording are swapped together."""
    right = [
        row(language, SAID, SAID) for language in ("de_de", "it_it", "fr_fr") for _ in range(5)
    ]
    lost = [row("es_419", SAID, "nichts")] * 5
    for tasks in (["transcribe"], ["transcribe", "translate"]):
        rows = [{**one, "task": task} for task in tasks for one in (*right, *lost)]
        checks = score(heard(rows), GATE)["gate"]["checks"]
        own = [one for one in checks if one["language"] == "es_419"]
        assert {one["verdict"] for one in own} == {"failed"} and len(own) == len(tasks)


def test_where_others_are_as_bad_by_chance_more_clips_are_needed() -> None:
    """Six languages of five clips change, two of them for the worse: so does one by chance."""
    right = [row("de_de", SAID, SAID)] * 15
    lost = [row(language, SAID, "nichts") for language in ("es_419", "it_it") for _ in range(5)]
    texts = row("de_de", HALF, SAID)["texts"]
    languages = ("en_us", "fr_fr", "ja_jp", "pt_br")
    better = [
        row(language, SAID, SAID, texts=texts, whisper_language="de")
        for language in languages
        for _ in range(5)
    ]
    gate = score(heard([*right, *lost, *better]), GATE)["gate"]
    own = [one for one in gate["checks"] if one["language"] in ("es_419", "it_it")]
    assert {(one["verdict"], one["kept"]) for one in own} == {("too few clips", False)}
    assert "too few clips to tell" in gate["sentence"]


def test_only_the_balance_is_harm() -> None:
    judged = score(heard(mixed(150, 25, 25)), GATE)
    assert judged["gate"]["passed"]
    assert judged["tasks"]["transcribe"]["all"]["no_worse"]["clips"] == 175
    assert not score(heard(mixed(150, 45, 5)), GATE)["gate"]["passed"]


def test_one_clip_that_is_better_may_be_chance() -> None:
    for clips, sure in ((1, False), (5, True)):
        change = score(heard(mixed(0, 0, clips)), GATE)["tasks"]["transcribe"]["all"]["change"]
        assert change["difference"] < 0 and beyond_chance(change) is sure


def test_one_loop_does_not_drown_a_language() -> None:
    looping = row("de_de", SAID, SAID)
    looping["texts"] |= {"float+float": LOOP}
    quality = score(heard([*mixed(99, 0, 0), looping]), GATE)
    cell = quality["tasks"]["transcribe"]["all"]["pairings"]["float+float"]
    assert cell["rate"] == pytest.approx(0.01) and cell["uncapped"] > 0.1
    # Hidden behind the float model's loop, uncapped, these would be no harm.
    judged = score(heard([*mixed(80, 30, 0), looping]), GATE)["gate"]
    assert not judged["passed"]


def test_what_float_does_not_hear_is_named_and_decides_nothing() -> None:
    nothing = row("ta_in", SAID, LOOP)
    nothing["texts"] |= {"float+float": "ein"}
    quality = score(heard([*mixed(60, 0, 0), *[nothing] * 40]), GATE)
    gate = quality["gate"]
    assert gate["passed"] and gate["unheard"] == {"transcribe": {"ta_in": 1.0}}
    assert gate["sentence"].endswith(
        "; the float model does not hear ta_in (transcribe, error rate 100 %)"
    )
    assert verdict(quality)["sentence"].endswith("hear Tamil (transcribe, error rate 100\u202f%)")
    assert not [check for check in gate["checks"] if check["language"] == "ta_in"]
    assert quality["tasks"]["transcribe"]["all"]["clips"] == 60
    alone = score(heard([nothing] * 40), GATE)["gate"]
    assert alone["passed"] is None and alone["sentence"].startswith("not judged: in no language")


@pytest.mark.parametrize("worse", [0, 3, 8, 40])
def test_gate_halves_and_summary_say_the_same(worse: int) -> None:
    sample = heard([*mixed(100 - worse, worse, 0)])
    sample["sizes"] = {"both": {"float": 4, "compiled": 1}}
    quality = score(sample, GATE)
    harm = not quality["gate"]["passed"]
    assert harm == (worse >= 8)
    assert (verdict(quality)["kind"] == "failed") is harm
    told = pairings(quality)[0]["sentence"]
    assert told.startswith("Neither half broke") is not harm
    if worse:
        assert ("which may be chance" in sentences(quality, None)[0]) is not harm


def test_a_language_that_fails_is_the_one_whose_halves_are_told() -> None:
    quality = score(heard([*mixed(100, 40, 40, "fr_fr"), *mixed(30, 12, 0)]), GATE)
    assert quality["gate"]["sentence"].startswith("not passed: de_de transcribe: ")
    cells = quality["tasks"]["transcribe"]
    assert not cells["all"]["change"]["harm"] and not cells["languages"]["fr_fr"]["change"]["harm"]
    assert cells["languages"]["de_de"]["change"]["harm"]
    assert pairings(quality)[0]["sentence"].startswith("In German: ")
