"""What each job states that it needs, and that it is what was measured."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from safetensors import safe_open
from snakemake.common.tbdstring import TBDString

from benchmarks.random_checkpoint import SHAPES
from common.files import write_json
from data.cache import local_folder
from pipeline import groups, needs
from tests.imports import ROOT
from tests.workflow import DEMO, planned

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
ROW = re.compile(
    r"^\| ([\w.-]+) \| ([\w ]+) \| ([\d.]+) \| ([\d.]+) \| ([+-]\d+) % \|", re.MULTILINE
)


def config_of(shape: str) -> dict[str, int]:
    """Of a published checkpoint's config.json, what its size follows from."""
    encoder, decoder, width, _, mels, vocabulary = SHAPES[shape]
    layers = {"encoder_layers": encoder, "decoder_layers": decoder}
    sizes = {"encoder_ffn_dim": 4 * width, "decoder_ffn_dim": 4 * width, "vocab_size": vocabulary}
    positions = {"max_source_positions": 1500, "max_target_positions": 448}
    return {"d_model": width, "num_mel_bins": mels} | layers | sizes | positions


def test_every_job_states_what_it_needs() -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*/rules.smk"))]
    texts.append((ROOT / "data/labels.smk").read_text(encoding="utf-8"))
    rules = [rule for text in texts for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]]
    jobs = [rule for rule in rules if "    shell:" in rule]
    stated = {rule.split(":")[0]: re.findall(r'\*\*needs\(\s*"(\w+)"', rule) for rule in jobs}
    assert stated == {name: [name] for name in stated}
    assert set(stated) == {name.split()[0] for name in needs.NEEDS}
    assert set(groups.RULES) < set(stated)


def test_a_checkpoints_size_follows_from_its_config(checkpoint: Path) -> None:
    folder = local_folder(checkpoint)
    with safe_open(folder / "model.safetensors", "pt") as file:
        values = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    sizes = dict.fromkeys(("encoder", "decoder"), 0)
    for name, shape in values.items():
        count = 1
        for length in shape:
            count *= length
        sizes["encoder" if "encoder." in name and "decoder." not in name else "decoder"] += count
    shape = needs.shape_in(folder)
    assert shape is not None
    assert shape.encoder == pytest.approx(sizes["encoder"] * 4e-9, rel=0.02)
    assert shape.decoder == pytest.approx(sizes["decoder"] * 4e-9, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "parameters"), [("tiny", 37.8e6), ("small", 241.7e6), ("large-v3", 1543e6)]
)
def test_the_size_of_published_checkpoints(shape: str, parameters: float) -> None:
    assert needs.shape_of(config_of(shape)).whole == pytest.approx(parameters * 4e-9, rel=0.01)


def test_memory_is_at_most_30_percent_from_what_was_measured() -> None:
    rows = ROW.findall((ROOT / "docs/cluster.md").read_text(encoding="utf-8"))
    assert {"tiny", "base", "small", "distil-large-v3", "large-v3"} <= {row[0] for row in rows}
    for shape, rule, measured, stated, off in rows:
        gigabytes = needs.NEEDS[rule].memory(needs.shape_of(config_of(shape)))
        assert f"{gigabytes:.2f}" == stated, (shape, rule)
        residual = gigabytes / float(measured) - 1
        assert f"{100 * residual:+.0f}" == off, (shape, rule)
        assert -0.05 < residual < 0.3, (shape, rule)


def test_needs_are_known_when_the_checkpoint_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = SimpleNamespace(model="whisper-small")
    stated = needs.resources(CONFIG, "evaluate")
    assert isinstance(stated["mem_mb"](model, attempt=1), TBDString)
    assert needs.resources(CONFIG, "fetch_checkpoint")["mem_mb"](model, attempt=1) == 800
    write_json(tmp_path / "source/config.json", config_of("small"))
    listed = {"files": [], "source": str(tmp_path / "source"), "commit": None}
    write_json(tmp_path / "data/checkpoints/whisper-small.json", listed)
    first, second = (stated["mem_mb"](model, attempt=attempt) for attempt in (1, 2))
    assert 2000 < first < 5000 and second == pytest.approx(2 * first, abs=1)
    assert stated["runtime"](model, attempt=2) > stated["runtime"](model, attempt=1) > 60
    (tmp_path / "source/config.json").write_text("{", encoding="utf-8")
    assert stated["mem_mb"](model, attempt=1) > 0  # the job itself will say what is wrong


def test_needs_are_no_reason_to_run_again(demo: Path) -> None:
    options = ["--set-resources", "evaluate:mem_mb=1", "export_graphs:runtime=1"]
    assert planned(demo, *DEMO, *options, "--set-threads", "evaluate=1") == {}


def test_only_the_jobs_of_tiny_models_are_submitted_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    demo = CONFIG | {"models": {"micro": {"source": str(ROOT / "demo/model")}}}
    write_json(tmp_path / "base/config.json", config_of("base"))
    demo["models"] |= {"base": {"source": "base"}, "later": {"source": "openai/whisper-tiny"}}
    demo["evaluation"] = {"samples_per_language": 5}
    short = groups.short_models(demo, list(demo["models"]))
    assert short == {"micro"}
    rules = [SimpleNamespace(name=name, group=None) for name in ("assemble_hand_off", "score")]
    groups.group(rules, short)
    chosen = [
        rules[0].group(SimpleNamespace(model=model, target=target))
        for model, target in (("micro", "cpu"), ("micro", "aries-rb"), ("base", "cpu"))
    ]
    assert chosen == ["all_of_micro", None, None] and rules[1].group is None
    sharded = demo | {"calibration": demo["calibration"] | {"shards": 2}}
    assert groups.short_models(sharded, ["micro"]) == set()
