"""The demo run, from a clean copy, and exactly what a changed setting or source file re-runs."""

import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from common.files import read_json, sha256_of
from common.source_files import sources
from compilation.hand_off import sums
from tests.forks import WHISPER
from tests.imports import ROOT
from tests.workflow import DEMO, planned, snakemake, unasked

RULES = {  # what each rule's output feeds, directly
    "resolve_dataset": ["fetch_speech", "assemble_hand_off"],
    "fetch_speech": ["prepare_audio"],
    "prepare_audio": [
        *("calibrate_encoder", "calibrate_decoder", "make_golden"),
        *("measure_coverage", "evaluate", "measure_speed", "rank_layers"),
        *("hear_conditions",),
    ],
    "fetch_checkpoint": [
        *("calibrate_encoder", "calibrate_decoder", "export_graphs"),
        *("make_golden", "assemble_hand_off", "measure_coverage", "measure_speed"),
        *("rank_layers",),
    ],
    "calibrate_encoder": [
        *("calibrate_decoder", "quantise_encoder", "assemble_hand_off"),
        *("measure_coverage", "evaluate", "make_golden"),
    ],
    "calibrate_decoder": ["quantise_decoder", "assemble_hand_off", "measure_coverage"],
    "export_graphs": [
        *("calibrate_decoder", "quantise_encoder", "quantise_decoder"),
        *("make_golden", "assemble_hand_off", "measure_coverage", "evaluate"),
        *("rank_layers", "measure_speed", "hear_conditions"),
    ],
    "quantise_encoder": ["assemble_hand_off", "rank_layers"],
    "quantise_decoder": ["assemble_hand_off", "rank_layers"],
    "make_golden": ["assemble_hand_off"],
    "assemble_hand_off": [
        *("evaluate", "hear_conditions", "measure_speed", "describe_hand_off", "write_report"),
    ],
    "measure_coverage": ["write_report"],
    "rank_layers": ["write_report"],
    "measure_speed": ["describe_hand_off", "write_report"],
    "evaluate": ["score"],
    "hear_conditions": ["score"],
    "score": ["describe_hand_off", "write_report", "check_gate"],
    "describe_hand_off": ["check_gate"],
    "write_report": ["check_gate"],
    "check_gate": [],
}
LABEL_RULES = {"fetch_label_checkpoint", "label_clips"}  # nothing waits for them by default
SHARD_RULES = {"calibrate_decoder_shard"}  # one shard is no shard
ARCHIVE_RULES = {"archive_hand_off"}  # on demand
SEARCH_RULES = {"choose_float_layers"}  # where keep_float is auto
MODULE = re.compile(r"python(?::q\})? -m ([\w.]+)")  # or a configured interpreter
MODULES = 8  # whose change is tried
NPU_RULES = {"place_checkpoint", "parse_npu_part", "quantise_npu_part", "check_npu_part"}
OTHER_RULES = (LABEL_RULES, SHARD_RULES, ARCHIVE_RULES, SEARCH_RULES, NPU_RULES)


def after(*rules: str) -> set[str]:
    """The rules, and all that follow from them."""
    found = set(rules)
    for rule in rules:
        found |= after(*RULES[rule])
    return found


def test_the_run_ends_with_a_table_and_the_hand_off_folder(demo: Path) -> None:
    end = (demo / "demo.log").read_text(encoding="utf-8").split("whisper-micro, target cpu")[-1]
    assert re.search(r"^encoder +\d+\.\d -> \d+\.\d MB \(\d+%\)", end, re.MULTILINE), end
    assert re.search(r"^both .* \d+\.\d -> \d+\.\d % +\d+\.\d -> \d+\.\d %$", end, re.MULTILINE), (
        end
    )
    assert "hand-off folder: compiled/whisper-micro/cpu" in end
    assert re.search(r"^passed: \d+ checks", end, re.MULTILINE), end


def test_a_second_call_has_nothing_to_do(demo: Path) -> None:
    begin = time.monotonic()
    result = snakemake(demo, *DEMO)
    assert result.returncode == 0 and "Nothing to be done" in result.stdout
    print(f"second call: {time.monotonic() - begin:.1f} s")


def test_the_page_is_in_snakemakes_own_report(demo: Path, tmp_path: Path) -> None:
    result = snakemake(demo, "--report", str(tmp_path / "report.zip"), *DEMO)
    assert result.returncode == 0, result.stdout
    with ZipFile(tmp_path / "report.zip") as file:
        pages = [file.read(name) for name in file.namelist() if name.endswith("/report.html")]
    assert (demo / "evaluation/results/whisper-micro/cpu/report.html").read_bytes() in pages


def test_calibration_and_evaluation_share_no_sentence(demo: Path) -> None:
    sets = read_json(demo / "calibration/sets/whisper-micro/encoder/manifest.json")["samples"]
    calibrated = {sample["sentence_id"] for sample in sets}
    evaluated = set()
    for manifest in (demo / "data/audio_files/evaluation").glob("*.jsonl"):
        lines = manifest.read_text(encoding="utf-8").splitlines()
        evaluated |= {yaml.safe_load(line)["sentence_id"] for line in lines}
    assert calibrated and evaluated and not calibrated & evaluated


def test_quantising_costs_less_than_a_point(demo: Path) -> None:
    quality = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    for task in ("transcribe", "translate"):
        assert quality["tasks"][task]["all"]["change"]["difference"] <= 0.01, task
    assert quality["encoder_states"]["all"]["cosine"]["mean"] > 0.99
    assert len(quality["tasks"]["transcribe"]["languages"]) == 17
    assert quality["gate"]["passed"], quality["gate"]["sentence"]


def test_the_int8_parts_are_at_most_30_percent_of_the_float_size(demo: Path) -> None:
    """Embedding and position tables apart: they are no part of a quantiser's work."""
    quality = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    config = read_json(demo / "compiled/whisper-micro/cpu/config.json")
    sizes, width = quality["sizes"], config["d_model"]
    table = config["max_source_positions"] * width * 4
    assert sizes["encoder"]["compiled"] - table <= 0.3 * (sizes["encoder"]["float"] - table)
    table = (config["vocab_size"] + config["max_target_positions"]) * width  # in 2 and in 4 bytes
    int8, before = sizes["decoder"]["compiled"] - 2 * table, sizes["decoder"]["float"] - 4 * table
    assert 0 < int8 <= 0.3 * before


def test_the_hand_off_folder_is_what_its_manifest_lists(demo: Path) -> None:
    folder = demo / "compiled/whisper-micro/cpu"
    listed = {file["path"]: file["sha256"] for file in read_json(folder / "manifest.json")["files"]}
    found = {name: sha256_of(folder / name) for name in sums.files_of(folder)}
    assert {"README.md", "manifest.json", "evaluation.json"} == set(found) - set(listed)
    assert found | listed == found
    assert list((demo / "compiled/whisper-micro").iterdir()) == [folder]


@pytest.mark.parametrize(("language", "task"), [("ko_kr", "translate"), ("es_419", "transcribe")])
def test_transcribe_prints_what_was_measured(demo: Path, language: str, task: str) -> None:
    heard = read_json(demo / "evaluation/results/whisper-micro/cpu/transcripts.json")
    row = next(r for r in heard["rows"] if (r["language"], r["task"]) == (language, task))
    options = ["--language", language.split("_")[0], "--task", task]
    command = ["evaluation.transcribe", "compiled/whisper-micro/cpu", row["clip"], *options]
    result = WHISPER.run(*command, cwd=demo, env=os.environ)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == row["texts"]["compiled+compiled"] != ""


HELD_OUT = {
    "prepare_audio",
    *after("measure_coverage", "evaluate", "measure_speed", "rank_layers", "hear_conditions"),
}
LANGUAGES = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["data"]["languages"]
GATE = "{word_accuracy: 1, language_word_accuracy: 1, rate_rise: 1, failures: 1}"
NPU_PART = "{recipe: tutorial, inference_scheme: single, activation_16bits: [a], overrides: {a: 1}}"
KEYS = {  # a changed key of the demo's configuration, and the jobs that it causes
    "data.seed: 1": after("prepare_audio"),
    "data.samples_per_language: 3": after("prepare_audio"),
    "data.revision: other": set(),  # which a local folder has not
    "data.source: ./demo/fleurs/": set(),
    "data.split: test": after("fetch_speech"),
    "data.silence_dbfs: -50": after("prepare_audio"),
    "data.labels.model: reference": set(),
    "data.labels.revision: other": set(),
    f"data.languages: {LANGUAGES[::-1]}": set(),
    "data.languages: [de_de, en_us]": after("calibrate_encoder", "make_golden"),
    "calibration.seed: 1": after("calibrate_decoder"),
    "calibration.shards: 3": SHARD_RULES | after("calibrate_decoder"),
    "calibration.fractions: [0.5, 1.0]": after("calibrate_encoder"),
    "calibration.silence: true": after("calibrate_encoder"),
    "calibration.decoder.text: reference": after("calibrate_decoder"),
    "calibration.decoder.text: labels": LABEL_RULES | after("calibrate_decoder"),
    "calibration.decoder.set_aside: 0.2": after("calibrate_decoder"),
    "calibration.decoder.mix: {transcribe: 0.6, timestamps: 0.1}": after("calibrate_decoder"),
    "calibration.decoder.max_new_tokens: 100": after("calibrate_decoder"),
    "compilation.targets: auto": set(),
    # Those of NPU targets, which the demo does not build.
    "compilation.qbcompiler: {python: another, container: vendor/image, timeout_hours: 1}": set(),
    "compilation.qbcompiler.parse_overrides: {encoder: {a: 1}, decoder: {a: 1}}": set(),
    f"compilation: {{encoder: {NPU_PART}, decoder: {NPU_PART}}}": set(),
    "compilation.encoder.keep_float: [a]": after("quantise_encoder"),
    "compilation.encoder.keep_float: auto": SEARCH_RULES | after("quantise_encoder"),
    "compilation.keep_float_tries: 3": set(),
    "compilation.encoder.cpu: {scheme: w8a8, smooth_quant_alpha: 0.4}": after("quantise_encoder"),
    "compilation.decoder.cpu: {scheme: w8, smooth_quant_alpha: 0.4}": set(),
    "compilation.decoder.cpu: {scheme: w8a8, smooth_quant_alpha: 1}": after("quantise_decoder"),
    "compilation.decoder.keep_float: [a]": after("quantise_decoder"),
    "evaluation.split: test": {"fetch_speech", *HELD_OUT},
    "evaluation.samples_per_language: 2": HELD_OUT,
    "evaluation.speed_clips: 2": after("measure_speed"),
    "evaluation.conditions: {long: 1, noise_db: [5], timestamps: true}": after("hear_conditions"),
    "evaluation.conditions.silence: false": after("score"),
    f"evaluation.gate: {GATE}": after("score"),
    "models.whisper-micro: {source: ./demo/model, revision: other}": set(),
    "models.whisper-micro.license: mit": after("assemble_hand_off"),
    "models.whisper-micro.published: [{name: another, tokens_per_second: 9}]": after(
        "write_report"
    ),
    "models.whisper-micro.tasks: [transcribe]": after("calibrate_decoder"),
    "models.whisper-micro.languages: [de_de, en_us]": after("calibrate_encoder", "make_golden"),
    "models.whisper-tiny.revision: other": set(),
    "models.another: {source: some/where}": set(),
    "build: [whisper-micro]": set(),
    "variants: {full: {compilation: {decoder: {cpu: {scheme: w8a8}}}}}": set(),
}
COUNTS = {  # where a rule runs for some languages only
    "data.samples_per_language: 3": 17,
    "evaluation.samples_per_language: 2": 17,
    "evaluation.split: test": 17,
    "data.seed: 1": 34,
    "data.silence_dbfs: -50": 34,
    "calibration.shards: 3": 3,
}


def overlay(text: str) -> dict:
    """`a.b: value` as nested mappings."""
    key, value = text.split(": ", 1)
    names = re.findall(r"whisper-[a-z.]+(?=\.)|[^.]+", key)
    result = yaml.safe_load(value)
    for name in reversed(names):
        result = {name: result}
    return result


def test_each_config_key_re_runs_exactly_what_it_touches(demo: Path) -> None:
    def plan(number: int, text: str) -> dict[str, int]:
        path = demo / f"overlay{number}.yaml"
        path.write_text(yaml.safe_dump(overlay(text)), encoding="utf-8")
        return planned(demo, *DEMO, str(path))

    with ThreadPoolExecutor(2) as pool:
        plans = dict(zip(KEYS, pool.map(plan, range(len(KEYS)), KEYS), strict=True))
    assert {key: set(jobs) for key, jobs in plans.items()} == KEYS
    counted = {key: {*plans[key].values()} - {1} for key in COUNTS}
    assert counted == {key: {count} for key, count in COUNTS.items()}


def test_a_run_asks_for_what_each_of_its_jobs_makes(demo: Path) -> None:
    """What is missing is made again, whatever comes of it is there."""
    assert unasked(demo, *DEMO) == (set(RULES), set())
    more = {"calibration": {"shards": 3, "decoder": {"text": "labels"}}}
    more["compilation"] = {"encoder": {"keep_float": "auto"}}
    (demo / "more.yaml").write_text(yaml.safe_dump(more), encoding="utf-8")
    rules = {*RULES, *LABEL_RULES, *SHARD_RULES, *SEARCH_RULES}
    assert unasked(demo, *DEMO, "more.yaml") == (rules, set())


def test_every_key_of_the_configuration_is_tried() -> None:
    """A key added to config.yaml needs a line in KEYS."""

    def leaves(value: object, name: str = "") -> set[str]:
        if isinstance(value, dict) and name not in (".calibration.decoder.mix", ".models"):
            return {leaf for key, inner in value.items() for leaf in leaves(inner, f"{name}.{key}")}
        return {name[1:]}

    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    tried = set().union(*(leaves(overlay(text)) for text in KEYS))
    assert leaves(config) - tried == set()


def test_comments_and_blank_lines_re_run_nothing(demo: Path) -> None:
    path = demo / "config.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(f"# a comment\n\n{before}\n\n# another\n".replace("seed: 0", "seed:  0  # x"))
    assert planned(demo, *DEMO) == {}
    path.write_text(before, encoding="utf-8")


def rule_texts() -> dict[str, str]:
    """The text of every rule that runs a module."""
    found = {}
    for file in ROOT.glob("*/**/*.smk"):
        for text in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            if MODULE.search(text):
                found[text.split(":")[0]] = text
    return found


def module_of(rule: str) -> str:
    """The module that a rule runs."""
    return MODULE.search(rule).group(1)


def test_every_rule_knows_the_code_that_it_runs() -> None:
    texts = rule_texts()
    assert set(texts) == set(RULES) | set().union(*OTHER_RULES)
    for rule, text in texts.items():
        assert f'*sources("{module_of(text)}"),' in text, rule


def test_each_source_module_re_runs_exactly_the_rules_that_run_it(demo: Path) -> None:
    """One file of each set of rules that run it."""
    texts = {rule: text for rule, text in rule_texts().items() if rule in RULES}
    running = {rule: set(sources(module_of(text))) for rule, text in texts.items()}
    modules = {
        frozenset(rule for rule, files in running.items() if module in files): module
        for module in sorted(set().union(*running.values()))
    }
    copies = [demo, demo.with_name("second")]
    shutil.copytree(demo, copies[1], copy_function=_copy)

    def plan(copy: Path, mine: list[str]) -> dict[str, set[str]]:
        plans = {}
        for module in mine:
            source = copy / module
            before = source.read_bytes()
            source.unlink()  # not through a hard link
            source.write_bytes(before + b"\n# changed\n")
            plans[module] = set(planned(copy, *DEMO))
            source.write_bytes(before)
        return plans

    # A few, from the first stage to the last: each costs a plan.
    names = list(modules.values())[:: max(1, len(modules) // MODULES)]
    with ThreadPoolExecutor(2) as pool:
        halves = pool.map(plan, copies, [names[::2], names[1::2]])
    plans = {module: rules for half in halves for module, rules in half.items()}
    assert len(plans) >= MODULES
    assert plans == {m: after(*rules) for rules, m in modules.items() if m in names}
    assert planned(demo, *DEMO) == {}  # restored sources re-run nothing


def _copy(source: str, destination: str) -> None:
    """A hard link: the copy is read, and its sources are replaced."""
    Path(destination).hardlink_to(source)
