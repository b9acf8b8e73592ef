"""Long, noisy and silent audio: made of clips, the same each time; what compiling must not add."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.files import read_json
from data.clips import interleave
from evaluation.conditions import hear
from evaluation.conditions.recordings import Asked, Recording, audio_of, deal, recordings_of
from evaluation.quality.score import score
from evaluation.report import condition_sections
from evaluation.report import write as report
from evaluation.scoring.conditions import LONG, NOISE, SILENCE, TIMESTAMPS
from evaluation.scoring.segments import distances, end_figures, segment_ends
from evaluation.scoring.text_errors import count_errors
from tests.conftest import make_clips
from tests.test_gate import GATE, LOOP, SAID, WORSE, mixed
from tests.test_score import heard, numbered, row

ALL = Asked(2, [10.0, 0.0], silence=True, timestamps=True)
KINDS = {"float": "float+float", "compiled": "compiled+compiled"}


def made(manifests: list[Path], asked: Asked = ALL) -> dict[tuple[str, str], Recording]:
    """Recordings of clips, by condition and name."""
    found, _ = recordings_of(interleave(manifests), asked)
    return {(one.condition, one.name): one for one in found}


def clips_of(*seconds: float) -> list[dict[str, Any]]:
    """Clips of these lengths, as far as dealing looks at them."""
    return [{"file": f"{i}.wav", "seconds": length} for i, length in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "count", "lengths"),
    [
        ([25, 25, 25, 25, 25, 25], 2, [75, 75]),
        ([25, 25, 25, 25, 25, 25], 1, [75]),
        ([25, 25, 25, 25, 25], 2, [75]),  # of what is left, none is made
        ([25, 10], 2, [35]),  # but for the first, which is longer than one window
        ([20, 10], 2, []),
        ([25, 25, 25], 0, []),
        ([], 2, []),
    ],
)
def test_clips_are_dealt_to_long_recordings(
    seconds: list[float], count: int, lengths: list[float]
) -> None:
    dealt = deal(clips_of(*seconds), count)
    assert [sum(clip["seconds"] for clip in one) for one in dealt] == lengths
    names = [clip["file"] for one in dealt for clip in one]
    assert len(names) == len(set(names))


def test_recordings_are_the_same_whatever_else_is_heard(clip_manifests: list[Path]) -> None:
    both, german = made(clip_manifests), made(clip_manifests[:1])
    assert german.keys() == {name for name in both if "de_de" in name[1]}
    backwards = made(random.Random(1).sample(clip_manifests, len(clip_manifests)))
    for name, one in both.items():
        same = audio_of(backwards[name])
        assert same.dtype == np.float32 and np.array_equal(audio_of(one), same)
    assert len({one.clips[0]["file"] for one in both.values() if one.condition == NOISE}) == 6
    assert len([one for one in both.values() if one.condition == SILENCE]) == 2 * 3
    assert not made(clip_manifests, Asked(0, [], silence=False, timestamps=False))


def test_a_language_with_too_few_clips_is_named(clip_manifests: list[Path]) -> None:
    _, missing = recordings_of(interleave(clip_manifests), ALL)
    assert len(missing) == 3
    assert missing[0].startswith("de_de: 0 of 2 long recordings, because the evaluation clips have")


def test_noise_is_as_loud_as_asked(clip_manifests: list[Path]) -> None:
    recordings = made(clip_manifests)
    levels = []
    for (condition, name), one in recordings.items():
        if condition == NOISE:
            clean = audio_of(recordings[TIMESTAMPS, name]).astype(np.float64)
            noise = audio_of(one) - clean
            levels.append(round(10 * np.log10(np.mean(clean**2) / np.mean(noise**2)), 3))
    assert sorted(levels) == [0, 0, 0, 10, 10, 10]


def test_long_audio_is_clips_with_pauses(clip_manifests: list[Path]) -> None:
    clips = interleave(clip_manifests)[:3]
    audio = audio_of(Recording(LONG, "name", "de_de", "de", clips))
    spoken = [audio_of(Recording(TIMESTAMPS, "name", "de_de", "de", [clip])) for clip in clips]
    assert np.array_equal(audio[: len(spoken[0])], spoken[0])
    assert np.array_equal(audio[-len(spoken[2]) :], spoken[2])
    pauses = (len(audio) - sum(map(len, spoken))) / 16_000
    assert 2 * 0.3 <= pauses <= 2 * 1.5


def test_segments_end_where_a_timestamp_follows_text() -> None:
    first = 100
    assert segment_ends([100, 5, 6, 150, 150, 7, 225], first) == [1.0, 2.5]
    assert segment_ends([5, 6], first) == [] == segment_ends([100], first)
    assert distances([1.0, 2.5], [1.1, 2.0, 2.5]) == pytest.approx([100, 0])
    rows = [{"ends": {"float+float": [1.0, 2.0], "compiled+compiled": [1.06]}}]
    rows += [{"ends": {"float+float": [4.0], "compiled+compiled": []}}]
    figures = end_figures(rows, KINDS)
    assert figures["median_ms"] == pytest.approx(500)
    assert figures["without"] == {"float": 0, "compiled": 1}
    assert end_figures(rows[1:], KINDS)["median_ms"] is None


def under(condition: str, reference: str, before: str, after: str, **facts: Any) -> dict[str, Any]:
    """A row of conditions.json."""
    texts = {"float+float": before, "compiled+compiled": after}
    found = row("de_de", reference, after, task=condition, texts=texts)
    return found | {"seconds": 8.0, "noise_db": None, **facts}


def conditions(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "manifest_sha256": "0",
        "rows": numbered(rows),
        "missing": ["ta_in: 0 of 2 long recordings"],
    }


def judged(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """quality.json of a model that hears single clips as the float model does."""
    return score(heard(mixed(100, 0, 0)), GATE, conditions(rows))


def silence(count: int, before: str, after: str) -> list[dict[str, Any]]:
    return [under(SILENCE, "", before, after)] * count


def noise(count: int, before: str, after: str) -> list[dict[str, Any]]:
    return [under(NOISE, SAID, before, after, noise_db=10.0)] * count


def ends(count: int) -> list[dict[str, Any]]:
    both = {"float+float": [2.0], "compiled+compiled": [2.1]}
    return [under(TIMESTAMPS, SAID, SAID, SAID, ends=both)] * count


BALANCED = [
    *(*silence(20, "you", "you"), *silence(4, "", "you"), *silence(4, "you", "")),
    *(*noise(40, SAID, SAID), *noise(9, SAID, WORSE), *noise(9, WORSE, SAID)),
    *ends(20),
]


@pytest.mark.parametrize(
    ("more", "failing"),
    [
        ([], None),
        (silence(24, "", "you"), "silence: clips inventing text"),
        (silence(20, "you", LOOP), "silence: clips looping"),
        ([under(LONG, SAID, SAID, LOOP)] * 6, "long audio: clips looping"),
        (noise(30, SAID, WORSE), "noise: accuracy kept"),
    ],
)
def test_what_compiling_adds_is_harm(more: list[dict[str, Any]], failing: str | None) -> None:
    quality = judged([*BALANCED, *more])
    gate = quality["gate"]
    checks = [f"{check['task']}: {check['what']}" for check in gate["checks"] if check["harm"]]
    assert gate["passed"] is (failing is None)
    assert checks == [] if failing is None else failing in checks
    named = [name for name in (LONG, NOISE, SILENCE, TIMESTAMPS) if name in gate["sentence"]]
    assert bool(named) is (failing is not None)


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([under(LONG, SAID, SAID, "")] * 7, "too few clips"),
        ([under(LONG, SAID, SAID, "")] * 10, "failed"),
        (silence(7, "", "you"), "too few clips"),
        (silence(8, "", "you"), "failed"),
    ],
)
def test_a_check_that_could_not_have_failed_has_too_few_clips(
    rows: list[dict[str, Any]], verdict: str
) -> None:
    gate = score(heard(mixed(60, 20, 20)), GATE, conditions(rows))["gate"]
    lost = {one["verdict"] for one in gate["checks"] if not one["kept"]}
    assert lost == {verdict}
    assert ("too few clips to tell" in gate["sentence"]) is (verdict != "failed")


def test_what_float_does_not_hear_in_noise_decides_nothing() -> None:
    quality = judged(noise(40, "ein", "eine"))
    assert quality["gate"]["passed"] and quality["gate"]["unheard"][NOISE] == {"de_de": 1.0}
    assert "does not hear" not in quality["gate"]["sentence"]
    assert not [check for check in quality["gate"]["checks"] if check["task"] == NOISE]


def test_the_report_counts_what_its_figures_are_of() -> None:
    tamil = [one | {"language": "ta_in"} for one in noise(8, "ein", "eine")]
    quality = judged([*noise(20, SAID, SAID), *tamil])
    shown = condition_sections.conditions(quality["conditions"])
    assert [row["recordings"] for row in shown["rows"]] == ["20", "20"]
    (sentence,) = shown["unheard"]
    assert sentence.startswith("Clips in noise, Tamil: not heard by the float model")
    assert sentence.endswith("; 8 recordings left out of its figures.")
    quality["sizes"] = {"both": {"float": None, "compiled": None}}
    assert sentence in report.report(quality, {})
    alone = judged(noise(8, "ein", "eine"))["conditions"]  # in the figures, for want of others
    assert condition_sections.conditions(alone)["unheard"][0].endswith("decides nothing.")


def test_the_figures_of_conditions() -> None:
    found = judged([*BALANCED, *noise(1, SAID, WORSE)])["conditions"]
    assert found["missing"] == ["ta_in: 0 of 2 long recordings"]
    told = found["heard"]
    assert told[NOISE]["levels"].keys() == {"10"} and told[NOISE]["recordings"] == 59
    assert told[NOISE]["all"]["change"]["difference"] == pytest.approx(1 / 590)
    assert told[TIMESTAMPS]["ends"]["languages"]["de_de"]["median_ms"] == pytest.approx(100)
    both = told[SILENCE]["invented"]["all"]
    assert both["float"] == {"wordless": pytest.approx(4 / 28), "looping": 0, "words": 24}


def test_the_demo_invents_nothing(demo: Path) -> None:
    folder = demo / "evaluation/results/whisper-micro/cpu"
    quality = read_json(folder / "quality.json")
    told = quality["conditions"]["heard"]
    assert told.keys() == {SILENCE} and told[SILENCE]["recordings"] == 2 * 17
    assert told[SILENCE]["invented"]["all"]["compiled"]["words"] == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Long, noisy and silent audio" in page and "nobody speaks" in page


def heard_by_the_demo(demo: Path, clips: Path, out: Path, *asked: str) -> dict[str, Any]:
    """conditions.json of the demo's model and clips."""
    model = "whisper-micro"
    hear.main(
        [
            *("--graphs", str(demo / f"runtime/float/{model}/manifest.json")),
            *("--compiled", str(demo / f"compiled/{model}/cpu/manifest.json")),
            *("--clips", str(clips), *asked, "--out", str(out)),
        ]
    )
    return read_json(out)


def test_long_audio_is_heard(demo: Path, tmp_path: Path) -> None:
    clips = make_clips(tmp_path, "de_de", "de", 22)
    found = heard_by_the_demo(demo, clips, tmp_path / "conditions.json", "--long", "2")
    (only,) = found["rows"]
    assert only["task"] == LONG and only["seconds"] > 30
    assert only["reference"].split() == ["one", "two"] * 22
    assert only["texts"].keys() == set(KINDS.values())
    transcripts = read_json(demo / "evaluation/results/whisper-micro/cpu/transcripts.json")
    page = report.report(score(transcripts, GATE, found), {})
    assert "German: 1 of 2 long recordings" in page


def test_segments_of_noisy_clips_end_where_the_float_models_do(demo: Path, tmp_path: Path) -> None:
    clips, out = demo / "data/audio_files/evaluation/en_us.jsonl", tmp_path / "conditions.json"
    found = heard_by_the_demo(demo, clips, out, "--noise-db", "30", "--timestamps")
    assert [one["task"] for one in found["rows"]] == [NOISE] * 5 + [TIMESTAMPS] * 5
    for one in found["rows"]:
        assert count_errors(one["reference"], one["texts"]["compiled+compiled"], "en").rate < 0.5
    for one in found["rows"][5:]:
        before, after = (one["ends"][pairing] for pairing in KINDS.values())
        assert len(before) == 1 and distances(before, after)[0] <= 200
