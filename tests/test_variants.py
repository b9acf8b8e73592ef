"""Variants of a model in one run: what each is built of, and that nothing is made twice."""

import copy
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from common.cli import UserError
from common.files import read_json, read_jsonl, write_jsonl
from common.source_files import ROOT
from data.languages import FLEURS_TO_WHISPER
from evaluation.quality import evaluate
from evaluation.transcription import hear
from pipeline import flags
from pipeline.build import Build
from pipeline.config import check
from pipeline.variants import Folder, Variants
from tests.qb import interpreter
from tests.workflow import DEMO, clean_copy, planned, snakemake, unasked

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
CONFIG["compilation"]["targets"] = ["cpu"]
FULL = {"compilation": {"decoder": {"cpu": {"scheme": "w8a8"}}}}
KEPT = {"compilation": {"decoder": {"keep_float": ["decoder.layers.0.fc1"]}}}
HALF = {"calibration": {"fractions": [0.5]}}
TEXTS = {"calibration": {"decoder": {"text": "labels"}}}
TUTORIAL = {"compilation": {"encoder": {"recipe": "tutorial"}}}
AUTO = {"compilation": {"encoder": {"keep_float": "auto"}}}


def config(build: list[str], **variants: dict) -> dict:
    """The default configuration with a build and variants."""
    return copy.deepcopy(CONFIG) | {"build": build, "variants": variants}


def test_a_part_belongs_to_the_first_one_with_its_settings() -> None:
    one = Variants(config(["a"], full=FULL, more=FULL, half=HALF, texts=TEXTS, auto=AUTO))

    def owners(variant: str, target: str = "cpu") -> list[str]:
        at = Folder("a", variant, target)
        found = [one.part(at, part, target).split("/")[2] for part in ("encoder", "decoder")]
        return [*found, *(one.calibration_set(at, p).split("/")[2] for p in ("encoder", "decoder"))]

    assert owners("") == owners("@full", "aries-rb") == ["a"] * 4
    assert owners("@full") == owners("@more") == ["a", "a@full", "a", "a"]
    assert owners("@half") == owners("@half", "aries-rb") == ["a@half"] * 4
    assert owners("@texts") == ["a", "a@texts", "a", "a@texts"]
    assert owners("@auto") == ["a@auto", "a", "a", "a"]
    assert one.coverage(Folder("a", "@texts", "cpu")) == "evaluation/results/a@texts/coverage.json"
    assert one.golden(Folder("a", "@texts", "cpu")) == "compilation/golden/a/golden.json"
    chosen = one.float_choice(Folder("a", "@auto", "cpu"), "encoder", "decoder")
    assert chosen == ["compilation/parts/a@auto/cpu/keep_float.json"]


def test_what_has_no_part_in_a_scheme_makes_no_part_of_ones_own() -> None:
    cpu = {"scheme": "w8", "smooth_quant_alpha": 0.9}
    one = Variants(config(["a"], alpha={"compilation": {"decoder": {"cpu": cpu}}}))
    assert one.part_owner(Folder("a", "@alpha", "cpu"), "decoder", "cpu") == ""
    plain, changed = one.configs.values()
    assert flags.cpu_part(plain, "decoder", []) == ["--scheme", "w8", "--keep-float"]
    assert flags.cpu_part(changed, "decoder", []) == flags.cpu_part(plain, "decoder", [])
    assert flags.float_search(changed) == flags.float_search(plain)
    assert "--smooth-quant-alpha" in flags.cpu_part(plain, "encoder", [])


def test_a_search_is_another_one_where_the_other_part_is() -> None:
    both = {"compilation": AUTO["compilation"] | FULL["compilation"]}
    one = Variants(config(["a"], auto=AUTO, both=both))
    (chosen,) = one.float_choice(Folder("a", "@both", "cpu"), "encoder")
    assert chosen == "compilation/parts/a@both/cpu/keep_float.json"


def test_what_is_the_same_is_said_and_built_once() -> None:
    names = ["whisper-tiny@tutorial", "whisper-tiny", "whisper-tiny@full", "whisper-base@full"]
    build = Build(config(names, full=FULL, tutorial=TUTORIAL), [], [])
    assert build.models == ["whisper-tiny", "whisper-base"]
    folders = [("whisper-tiny", ""), ("whisper-tiny", "@full"), ("whisper-base", "@full")]
    assert build.folders == [Folder(*one, "cpu") for one in folders]
    sentence = "whisper-tiny@tutorial is for cpu the same as whisper-tiny, and not built again"
    assert build.reason.split("\n")[1:] == [sentence]


@pytest.mark.parametrize(
    ("build", "variants", "sentence"),
    [
        ("whisper-tiny@w9", {"w8": FULL}, r"`whisper-tiny@w9`, and `@w9` is not .* `@w8`\?\)"),
        ("whisper-tiny@w9", {}, r"`@w9` is not under variants; there are none"),
        ("whisper-tin@w8", {"w8": FULL}, r"`whisper-tin@w8`, which is .*mean `whisper-tiny`"),
        ("whisper-tiny", {"a b": FULL}, r"variants has the name `a b`"),
        ("whisper-tiny", {"w8": {}}, r"variants\.w8 is empty"),
        ("whisper-tiny", {"w8": {"data": {"seed": 1}}}, r"variants\.w8 may not change `data`; all"),
        (
            "whisper-tiny",
            {"w8": {"compilation": {"targets": ["cpu"]}}},
            r"variants\.w8\.compilation may not change `targets`; allowed: qbcompiler, encoder",
        ),
        (
            "whisper-tiny",
            {"w8": {"compilation": {"decoder": {"cpu": {"scheme": "w9"}}}}},
            r"variants\.w8: compilation\.decoder\.cpu\.scheme is `w9`.*allowed: w8a8, w8",
        ),
        (
            "whisper-tiny",
            {"mix": {"calibration": {"decoder": {"mix": {"translate": 0.9}}}}},
            r"variants\.mix: calibration\.decoder\.mix adds up to 1\.7",
        ),
    ],
)
def test_a_wrong_variant_is_a_sentence(build: str, variants: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        check(config([build], **variants), FLEURS_TO_WHISPER)
    with pytest.raises(WorkflowError):
        Build(config([build], **variants), [], [])


def test_a_plan_makes_nothing_twice(tmp_path: Path) -> None:
    """Jobs on the CPU and for an NPU, by compilers of two versions."""
    folder = clean_copy(tmp_path / "project")
    pythons = {name: str(interpreter(folder / name, name)) for name in ("1.3.0", "1.4.0")}
    newer = {"compilation": {"qbcompiler": {"python": pythons["1.4.0"]}}}
    overlay = {
        "build": [
            "whisper-micro",
            *(f"whisper-micro@{name}" for name in ("full", "half", "newer")),
        ],
        "variants": {"full": FULL, "half": HALF, "newer": newer, "unused": KEPT},
        "compilation": {
            "targets": ["aries-rb", "cpu"],
            "qbcompiler": {"python": pythons["1.3.0"]},
        },
    }
    (folder / "variants.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    given = ("--configfile", "tests/small.yaml", "variants.yaml")
    jobs = planned(folder, *given)
    once = {"fetch_checkpoint", "export_graphs", "resolve_dataset", "place_checkpoint"}
    assert {jobs[rule] for rule in once} == {1}
    assert {rule: jobs[rule] for rule in ("calibrate_encoder", "calibrate_decoder")} == {
        **{"calibrate_encoder": 2, "calibrate_decoder": 2}  # plain and half
    }
    assert (jobs["make_golden"], jobs["measure_coverage"]) == (2, 2)
    assert (jobs["quantise_encoder"], jobs["quantise_decoder"]) == (2, 3)  # full: the decoder alone
    assert jobs["parse_npu_part"] == 4  # by both compilers
    assert jobs["quantise_npu_part"] == jobs["check_npu_part"] == 6
    assert jobs["assemble_hand_off"] == 6 and jobs["evaluate"] == jobs["score"] == 3
    assert unasked(folder, *given)[1] == set()


def test_a_variant_joins_a_build_that_is_done(demo: Path) -> None:
    """Nothing of the plain model runs again, and a part that is the same is not there twice."""
    overlay = {"build": ["whisper-micro", "whisper-micro@kept"], "variants": {"kept": KEPT}}
    (demo / "kept.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    jobs = planned(demo, *DEMO, "kept.yaml")
    after = {"assemble_hand_off", "evaluate", "hear_conditions", "measure_speed", "rank_layers"}
    after |= {"score", "describe_hand_off", "write_report", "check_gate"}
    assert jobs == dict.fromkeys({"quantise_decoder", *after}, 1)
    home = "compiled/whisper-micro@kept/cpu/manifest.json"
    result = snakemake(demo, home, *DEMO, "kept.yaml")
    assert result.returncode == 0, result.stdout
    made = [path.stem for path in (demo / "compilation/parts/whisper-micro@kept/cpu").glob("*.bin")]
    assert made == ["decoder"]
    plain, kept = (
        read_json(demo / f"compiled/{name}/cpu/manifest.json")
        for name in ("whisper-micro", "whisper-micro@kept")
    )
    assert kept["model"] == "whisper-micro@kept"
    assert kept["parts"]["encoder"] == plain["parts"]["encoder"]
    assert kept["parts"]["decoder"]["settings"]["keep_float"] == ["decoder.layers.0.fc1"]
    assert planned(demo, *DEMO) == {}


def test_texts_that_variants_share_are_heard_once(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so are those of a killed evaluation; a compiled model itself is heard each time."""
    heard: list[str] = []
    greedy = hear.greedy

    def counted(*given: object) -> list[list[int]]:
        heard.append("text")
        return greedy(*given)

    monkeypatch.setattr(hear, "greedy", counted)
    monkeypatch.chdir(demo)
    clips = tmp_path / "ko_kr.jsonl"
    (line, *_) = read_jsonl(demo / "data/audio_files/evaluation/ko_kr.jsonl")
    write_jsonl(clips, [{**line, "file": str(demo / "data/audio_files/evaluation" / line["file"])}])
    given = ["--graphs", "runtime/float/whisper-micro/manifest.json", "--clips", str(clips)]
    given += ["--calibration", "calibration/sets/whisper-micro/encoder/manifest.json"]

    def texts(name: str, *more: str) -> tuple[bytes, int]:
        heard.clear()
        out = tmp_path / f"{name}.json"
        compiled = f"compiled/{name}/cpu/manifest.json"
        evaluate.main([*given, "--compiled", compiled, *more, "--out", str(out)])
        return out.read_bytes(), len(heard)

    shared = ("--heard", str(tmp_path / "heard.jsonl"))
    alone, count = texts("whisper-micro")
    assert count == 8  # two tasks, four pairings
    assert texts("whisper-micro", *shared) == (alone, 8)
    assert texts("whisper-micro", *shared) == (alone, 2)
    variant, count = texts("whisper-micro@kept")
    assert count == 8
    assert texts("whisper-micro@kept", *shared) == (variant, 4)  # its own decoder, twice each
