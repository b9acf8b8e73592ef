"""Which clips are of which stratum: shares are met, and nothing but the clips decides."""

import random

import pytest

from calibration.strata import STRATA, draw, expected
from data.languages import FLEURS_TO_WHISPER

TUTORIAL = {"transcribe": 0.8, "translate": 0.2}
RICHER = {"transcribe": 0.5, "timestamps": 0.2, "translate": 0.2, "previous_text": 0.1}
ODD = {"transcribe": 0.61, "timestamps": 0.17, "translate": 0.13, "previous_text": 0.09}
BOTH = ["transcribe", "translate"]
MISSION = (
    *("ar_eg", "cmn_hans_cn", "de_de", "el_gr", "en_us", "es_419", "fr_fr", "id_id", "it_it"),
    *("ja_jp", "ko_kr", "pt_br", "ru_ru", "ta_in", "th_th", "ur_pk", "vi_vn"),
)


def clips_of(count: int, *languages: str) -> list[dict]:
    """Identities of clips, as far as the draw looks at them."""
    return [
        {
            "language": language,
            "whisper_language": FLEURS_TO_WHISPER[language],
            "recording": f"{index}.wav",
            "sentence_id": index,
            "fraction": 1.0,
        }
        for index in range(count)
        for language in languages
    ]


def counts_of(drawn: list[str]) -> dict[str, int]:
    """How many of each stratum."""
    return {stratum: drawn.count(stratum) for stratum in STRATA}


@pytest.mark.parametrize("mix", [TUTORIAL, RICHER, ODD], ids=["tutorial", "richer", "odd"])
@pytest.mark.parametrize("count", [1, 2, 7, 20, 33])
def test_every_share_is_met_within_one_sample(mix: dict[str, float], count: int) -> None:
    clips = clips_of(count, *MISSION)
    drawn, asked = counts_of(draw(clips, 0, mix, BOTH)), expected(clips, mix, BOTH)
    assert sum(drawn.values()) == len(clips) == pytest.approx(sum(asked.values()))
    assert all(abs(drawn[stratum] - asked[stratum]) < 1 for stratum in STRATA), (drawn, asked)


def test_the_tutorials_shares_are_exact_in_every_language() -> None:
    clips = clips_of(20, *MISSION)
    drawn = draw(clips, 0, TUTORIAL, BOTH)
    for language in MISSION:
        mine = [s for s, clip in zip(drawn, clips, strict=True) if clip["language"] == language]
        assert mine.count("translate") == (0 if language == "en_us" else 4)


def test_the_seed_says_which_clips_and_the_order_does_not() -> None:
    clips = clips_of(20, "de_de", "ko_kr")
    drawn = draw(clips, 0, RICHER, BOTH)
    assert drawn == draw(clips, 0, RICHER, BOTH) != draw(clips, 1, RICHER, BOTH)
    shuffled = random.Random(0).sample(list(zip(clips, drawn, strict=True)), len(clips))
    assert draw([clip for clip, _ in shuffled], 0, RICHER, BOTH) == [s for _, s in shuffled]


def test_another_language_changes_no_other_clips_stratum() -> None:
    clips = clips_of(20, "de_de", "en_us", "ko_kr")
    more = [*clips, *clips_of(20, "el_gr")]
    assert draw(more, 0, RICHER, BOTH)[: len(clips)] == draw(clips, 0, RICHER, BOTH)


def test_what_cannot_be_is_never_drawn_and_the_rest_keeps_its_proportions() -> None:
    english = draw(clips_of(80, "en_us"), 0, RICHER, BOTH)
    assert counts_of(english) == {
        "transcribe": 50,
        "timestamps": 20,
        "translate": 0,
        "previous_text": 10,
    }
    turbo = draw(clips_of(80, "ko_kr"), 0, TUTORIAL, ["transcribe"])
    assert set(turbo) == {"transcribe"}
    only = draw(clips_of(5, "ko_kr"), 0, {"transcribe": 0, "translate": 1}, BOTH)
    assert set(only) == {"translate"}
    single = draw(clips_of(1, "ko_kr"), 0, {"transcribe": 0, "previous_text": 1}, BOTH)
    assert single == ["transcribe"]  # there is no other sentence
