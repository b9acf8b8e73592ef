"""The configuration is checked before any work: one sentence with key, value, what is allowed."""

import copy
import math
import re
from datetime import date
from pathlib import Path

import pytest
import yaml

from common.cli import UserError
from data.languages import FLEURS_TO_WHISPER
from pipeline.config import check

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def changed(key: str, value: object) -> dict:
    """The default configuration with one dotted key set."""
    config = copy.deepcopy(CONFIG)
    *parents, last = key.split("/")
    section = config
    for name in parents:
        section = section[name]
    section[last] = value
    return config


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (
            "data/sample_per_language",
            5,
            r"data has no key `sample_per_language` .*mean `samples_per",
        ),
        ("colour", 1, r"top level has no key `colour`"),
        ("data/samples_per_language", "5", r'language is `"5"`, and must be an integer'),
        ("data/seed", "true", r'data\.seed is `"true"`, and must be an integer'),
        ("data/seed", "a: b", r'data\.seed is `"a: b"`, and must be an integer'),
        ("data/seed", "[", r'data\.seed is `"\["`, and must be an integer'),
        ("data/seed", "four", r"data\.seed is `four`, and must be an integer"),
        ("data/samples_per_language", 0, r"samples_per_language is `0`, and must be at least 1"),
        ("data/languages", ["ko_kr", "ko_jp"], r"holds `ko_jp`.*mean `ko_kr`.*languages\.py"),
        ("data/languages", ["zu_za"], r"data\.languages holds `zu_za`"),
        ("data/languages", [], r"data\.languages is empty"),
        ("data/languages", ["ko_kr", "ko_kr"], r"data\.languages names `ko_kr` twice"),
        ("data/languages", [False], r"data\.languages\.0 is `false`, and must be a text"),
        ("data/split", "dev", r"data\.split is `dev`.*allowed: train, validation, test"),
        ("data/split", "validatoin", r"mean `validation`"),
        ("data/seed", -1, r"data\.seed is `-1`, and must be at least 0"),
        ("data/seed", True, r"data\.seed is `true`, and must be an integer"),
        (
            "build",
            ["whisper-smal"],
            r"`whisper-smal`, which is not under models.*mean `whisper-small`",
        ),
        ("build", [], r"build is empty"),
        ("build", "whisper-small", r"build is `whisper-small`, and must be a list"),
        ("models/new", {"revision": "main"}, r"models\.new lacks the key `source`"),
        ("models/a b", {"source": "x"}, r"models has the name `a b`"),
        (
            "models/new",
            {"source": "x", "tasks": ["transcribe", "sing"]},
            r"tasks\.1 is `sing`.*transcribe, trans",
        ),
        ("models/new", {"source": "x", "tasks": ["translate"]}, r"must contain `transcribe`"),
        (
            "models/whisper-small/languages",
            ["he_il"],
            r"none of the languages that `whisper-small`",
        ),
        ("models/new", {"source": "x", "languages": ["xx"]}, r"models\.new\.languages holds `xx`"),
        ("calibration/decoder/mix", {"transcribe": 0.8, "translate": 0.3}, r"mix adds up to 1\.1"),
        ("calibration/decoder/mix/translate", 2, r"mix\.translate is `2`, and must be at most 1"),
        ("calibration/decoder/max_new_tokens", 500, r"`500`, and must be at most 444"),
        ("compilation/targets", "gpu", r"targets is `gpu`.*allowed: auto, or a list of cpu"),
        ("compilation/targets", ["cpuu"], r"targets\.0 is `cpuu` \(did you mean `cpu`\?\)"),
        ("compilation/targets", [], r"compilation\.targets is empty"),
        ("compilation/qbcompiler", {}, r"compilation\.qbcompiler lacks the key `python`"),
        ("evaluation/conditions/long", -1, r"conditions\.long is `-1`, and must be at least 0"),
        ("evaluation/conditions/noise_db", [5, 5], r"conditions\.noise_db names `5` twice"),
        ("evaluation/conditions/noise", [5], r"no key `noise`.*did you mean `noise_db`"),
        ("evaluation/samples_per_language", 1.5, r"is `1\.5`, and must be an integer"),
        ("calibration/shards", 2.0, r"shards is `2\.0`, and must be an integer"),
        ("evaluation/gate/rate_rise", 2, r"rate_rise is `2`, and must be at most 1"),
        ("compilation/decoder/cpu/smooth_quant_alpha", -0.5, r"`-0\.5`; allowed: from 0 to 1"),
        ("compilation/qbcompiler/timeout_hours", math.inf, r"hours is `inf`, and must be a finite"),
        ("evaluation/gate/failures", math.nan, r"failures is `nan`, and must be a finite number"),
        ("compilation/encoder/overrides", {"a": [math.nan]}, r"encoder\.overrides\.a\.0 is `nan`"),
        ("compilation/encoder/overrides", {"a": date(2020, 1, 1)}, r"YAML reads as a date: put it"),
        ("compilation/encoder/overrides", {1: "a"}, r"overrides has the key `1`.*in quotes"),
        ("models", {2024: {"source": "x"}}, r"models has the key `2024`.*put it in quotes"),
        ("variants", {8: {"calibration": {"seed": 1}}}, r"variants has the key `8`"),
    ],
)
def test_a_wrong_value_gives_one_sentence(key: str, value: object, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        check(changed(key, value), FLEURS_TO_WHISPER)
    message = str(caught.value)
    assert message.startswith("config: ")
    assert "\n" not in message
    assert re.search(sentence, message), message


def test_a_missing_section_is_named() -> None:
    config = copy.deepcopy(CONFIG)
    del config["evaluation"]
    with pytest.raises(UserError, match="lacks the key `evaluation`"):
        check(config, FLEURS_TO_WHISPER)


@pytest.mark.parametrize("layer", [{}, "demo/config.yaml"])
def test_the_shipped_configurations_pass(layer: dict | str) -> None:
    config = copy.deepcopy(CONFIG)
    if layer:
        extra = yaml.safe_load((ROOT / layer).read_text(encoding="utf-8"))
        for section, values in extra.items():
            if isinstance(values, dict):
                config[section] |= values
            else:
                config[section] = values
    check(config, FLEURS_TO_WHISPER)


def test_what_may_be_none_or_whole_passes() -> None:
    config = changed("compilation/encoder/overrides", {"a": None, "b": [True, 1.5, "x"]})
    config["compilation"]["decoder"]["cpu"]["smooth_quant_alpha"] = -1.0
    config["evaluation"]["gate"]["rate_rise"] = 1
    check(config, FLEURS_TO_WHISPER)


def test_every_key_of_the_configuration_is_commented() -> None:
    """Each key of config.yaml has a comment on its line, on the line above, or heads a section."""
    lines = (ROOT / "config.yaml").read_text(encoding="utf-8").splitlines()
    catalogue = range(
        lines.index("models:") + 1, next(i for i, x in enumerate(lines) if "# 1." in x)
    )
    bare = [
        line
        for number, line in enumerate(lines)
        if re.match(r"\s*[a-z_]+:", line)
        and number not in catalogue
        and "#" not in line
        and "#" not in lines[number - 1]
    ]
    assert bare == []
