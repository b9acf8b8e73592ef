"""What a run builds is worked out before its jobs, from the content of local files."""

import copy
import json
import os
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from common.cli import UserError
from common.source_files import ROOT
from data.source import dataset
from pipeline import flags
from pipeline import local_file_hashes as module
from pipeline.build import Build, installed, versions
from pipeline.local_file_hashes import Contents
from pipeline.speech import Speech, checkpoint_content
from pipeline.variants import PARTS, searched

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
CONFIG["compilation"]["targets"] = ["cpu"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; files in it count as settled at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "SETTLED", -1)
    return tmp_path


def config(**sections: dict) -> dict:
    """The default configuration with some keys of sections set."""
    found = copy.deepcopy(CONFIG)
    for name, section in sections.items():
        found[name] |= section
    return found


def recordings(folder: Path, *names: str) -> Path:
    """A folder of own audio with an index; what the files hold is their name."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    lines = [f"{name},ko_kr,text of {number}\n" for number, name in enumerate(names)]
    (folder / "index.csv").write_text("file,language,text\n" + "".join(lines))
    return folder


def own(folder: Path) -> Speech:
    """The speech of such a folder."""
    given = config(data={"source": str(folder), "languages": ["ko_kr"]})
    return Speech(given, Contents(Path("content.json")))


def test_content_is_told_by_bytes_whatever_size_and_time(folder: Path) -> None:
    path, memory = folder / "weights.safetensors", folder / "content.json"

    def now() -> str:
        contents = Contents(memory)
        found = contents.of(folder, [path.name])
        contents.keep()
        return found

    path.write_bytes(b"one")
    before = now()
    assert now() == before
    times = path.stat().st_mtime_ns - 10**12
    path.write_bytes(b"two")
    os.utime(path, ns=(times, times))
    assert now() != before
    path.write_bytes(b"one")
    os.utime(path, (4e9, 4e9))  # a date in the future
    assert now() == before


def test_what_was_hashed_is_not_hashed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memory = folder / "a", folder / "content.json"
    path.write_bytes(b"one")
    first = Contents(memory)
    digest = first.of(folder, ["a"])
    first.keep()
    monkeypatch.setattr(module, "sha256_of", lambda path: pytest.fail(f"{path} is hashed again"))
    assert Contents(memory).of(folder, ["a"]) == digest
    memory.write_text("damaged")
    monkeypatch.undo()
    assert Contents(memory).of(folder, ["a"]) == digest


def test_a_file_that_just_changed_is_not_trusted_to_its_times(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED", 60)
    (folder / "a").write_bytes(b"one")
    contents = Contents(folder / "content.json")
    contents.of(folder, ["a"])
    contents.keep()
    assert not (folder / "content.json").exists()


def test_a_recording_that_cannot_be_read_is_another_content(folder: Path) -> None:
    source = recordings(folder / "own", "a.wav", "{call}.wav")
    before = own(source).content("validation", "ko_kr")
    assert len(before) == 64
    (source / "{call}.wav").unlink()
    (source / "{call}.wav").symlink_to(source / "nowhere.wav")
    after = own(source).content("validation", "ko_kr")
    assert "{call}.wav" in after and after != before


def test_beside_a_file_that_cannot_be_read_others_count_as_before(folder: Path) -> None:
    (folder / "gone").symlink_to("nowhere")
    found = []
    for text in ("one", "two"):
        (folder / "a").write_text(text)
        found.append(Contents(folder / "content.json").of(folder, ["a", "gone"]))
    assert found[0] != found[1] and {len(one) for one in found} == {64}


def test_only_a_changed_language_has_another_content(folder: Path) -> None:
    source = recordings(folder / "own", "a.wav", "b.wav")
    index = source / "index.csv"
    index.write_text(index.read_text().replace("b.wav,ko_kr", "b.wav,de_de"))
    given = config(data={"source": str(source), "languages": ["ko_kr", "de_de"]})

    def contents() -> list[str]:
        speech = Speech(given, Contents(folder / "content.json"))
        return [speech.content("validation", language) for language in ("ko_kr", "de_de")]

    before = contents()
    (source / "b.wav").write_text("another")
    after = contents()
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, False]


def test_a_checkpoint_is_what_its_files_hold(folder: Path) -> None:
    (folder / "model").mkdir()
    for name in ("config.json", "model.safetensors", "optimizer.pt", ".hidden.json"):
        (folder / "model" / name).write_text(name)
    contents = Contents(folder / "content.json")
    before = checkpoint_content("model", contents)
    (folder / "model/optimizer.bin").symlink_to("nowhere")  # as where a copy was left unfinished
    (folder / "model/state.json").mkdir()
    for name in ("optimizer.pt", ".hidden.json"):
        (folder / "model" / name).write_text("x")
    assert checkpoint_content("model", contents) == before
    (folder / "model/model.safetensors").write_text("MODEL.safetensors")
    assert checkpoint_content("model", contents) != before
    assert checkpoint_content("openai/whisper-small", contents) == ""


def test_an_adapter_is_what_its_base_holds_too(folder: Path) -> None:
    for name in ("adapter", "base"):
        (folder / name).mkdir()
        (folder / name / "model.safetensors").write_text(name)
    names = folder / "adapter/adapter_config.json"
    contents = Contents(folder / "content.json")
    for base in ("base", "owner/name", "adapter", None, 7):
        names.write_text(json.dumps({"base_model_name_or_path": base}))
        before = checkpoint_content("adapter", contents)
        (folder / "base/model.safetensors").write_text(f"after {base}")
        assert (checkpoint_content("adapter", contents) == before) == (base != "base")


def test_a_home_of_nobody_is_a_name_like_any_other(folder: Path) -> None:
    assert checkpoint_content("~nouser/model", Contents(folder / "content.json")) == ""
    speech = Speech(config(data={"source": "~nouser/speech"}), Contents(folder / "content.json"))
    assert not speech.own
    with pytest.raises(UserError, match="'~nouser/speech' is neither a folder on this machine nor"):
        dataset("~nouser/speech", "main")


def test_a_long_path_has_a_name_that_a_file_system_takes() -> None:
    def folder_of(source: str) -> str:
        return Speech(config(data={"source": source}), Contents(Path("content.json"))).folder

    short, long = "/data/speech", "/".join(["/data", *["音声" * 20] * 8, "speech"])
    assert folder_of(short) == "data/sources/data--speech"
    names = [folder_of(long), folder_of(f"/other{long}")]
    assert len(set(names)) == 2
    for name in names:
        assert "--speech-" in name and len(Path(name).name.encode()) < 120


def locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder one that this user may not look at."""
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and may(path, mode))


@pytest.mark.parametrize("key", ["data", "models"])
@pytest.mark.parametrize("source", ["locked", "x" * 300])
def test_a_source_that_cannot_be_looked_at_is_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, key: str
) -> None:
    (folder / "locked").mkdir()
    locked(Path("locked"), monkeypatch)
    changes = {"data": {"source": source}, "models": {"whisper-small": {"source": source}}}
    with pytest.raises(WorkflowError, match=rf"{source} cannot be read \((Perm|File).*let this"):
        Build(config(**{key: changes[key]}), [], [])


def test_an_adapters_base_that_cannot_be_looked_at_is_left_to_the_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("adapter", "base"):
        (folder / name).mkdir()
    (folder / "adapter/adapter_config.json").write_text('{"base_model_name_or_path": "base"}')
    locked(Path("base"), monkeypatch)
    assert checkpoint_content("adapter", Contents(folder / "content.json"))


def test_splits_and_pools() -> None:
    contents = Contents(Path("content.json"))
    same = Speech(config(), contents)
    assert same.pools == {"calibration": "calibration", "evaluation": "evaluation"}
    assert same.english("calibration") == ["data/sources/google--fleurs/validation/en_us.json"]
    other = Speech(config(evaluation={"split": "test"}), contents)
    assert other.pools == {"calibration": "calibration", "evaluation": "all"}
    assert {one.split("/")[0] for one in other.together} == {"validation", "test"}
    assert len(other.together) == 2 * len(CONFIG["data"]["languages"])


def test_a_run_has_clips_of_the_languages_that_a_model_knows() -> None:
    build = Build(CONFIG | {"build": ["whisper-tiny.en"]}, [], [])
    assert build.clips("evaluation", "whisper-tiny.en") == [
        "data/audio_files/evaluation/en_us.jsonl"
    ]
    assert build.tasks("whisper-tiny.en") == ["transcribe"]
    assert build.targets == build.evaluated() == ["cpu"]


def test_the_order_of_languages_is_not_the_configurations() -> None:
    """What is read in their order would change, and Snakemake would not see it."""
    turned = config(data={"languages": CONFIG["data"]["languages"][::-1]})
    builds = [Build(one, [], []) for one in (config(), turned)]
    assert builds[0].clips("calibration", "whisper-small") == builds[1].clips(
        "calibration", "whisper-small"
    )


def test_a_fault_of_the_configuration_is_a_sentence() -> None:
    with pytest.raises(WorkflowError, match="build names `whisper-smal`"):
        Build(CONFIG | {"build": ["whisper-smal"]}, [], [])


def test_a_container_needs_its_option() -> None:
    given = config()
    given["compilation"] |= {
        "targets": ["aries-rb"],
        "qbcompiler": CONFIG["compilation"]["qbcompiler"] | {"container": "docker://vendor"},
    }
    with pytest.raises(WorkflowError, match="--sdm apptainer"):
        Build(given, [], [])
    assert Build(given, [], [DeploymentMethod.APPTAINER]).evaluated() == []


def test_a_key_that_stands_twice_in_a_file_is_named(folder: Path) -> None:
    path = folder / "my.yaml"
    path.write_text("data:\n  seed: 1\nbuild: [whisper-tiny]\ndata:\n  split: test\n")
    with pytest.raises(WorkflowError, match=r"my\.yaml has the key `data` twice, again in line 4"):
        Build(CONFIG, [str(path)], [])
    path.write_text("data:\n  seed: 1\n  seed: 2\n")
    with pytest.raises(WorkflowError, match=r"`seed` twice, again in line 3"):
        Build(CONFIG, [str(path)], [])
    path.write_text("# nothing\n")
    assert Build(CONFIG, [str(path)], []).models == ["whisper-small"]


def test_flags_name_their_values() -> None:
    """Snakemake compares the values of params alone, sorted: swapped ones must differ."""
    given = config(data={"seed": 3, "samples_per_language": 3})
    build = Build(given, [], [])
    found = flags.prepare(given, build, "calibration")
    assert found[found.index("--seed") + 1] == found[found.index("--samples") + 1] == 3
    decoder = flags.decoder_set(given, ["transcribe"])
    assert "transcribe=0.5" in decoder and "previous_text=0.1" in decoder
    assert decoder[-2:] == ["--tasks", "transcribe"]
    assert flags.license_of(build, "whisper-large-v3-turbo") == ["--license", "mit"]


def test_a_local_folder_is_the_same_in_any_revision_and_spelling(folder: Path) -> None:
    (folder / "owner/model").mkdir(parents=True)
    plain = flags.fetched({"source": "owner/model", "base": "owner/model"})
    assert plain == ["--source", "owner/model", "--base", "owner/model"]
    odd = {"source": "./owner//model/", "revision": "v1", "base": "./owner/model"}
    assert flags.fetched(odd) == plain
    assert flags.fetched({"source": "owner/other"})[2:] == ["--revision", "main"]


def test_layers_to_keep_float_are_named_or_searched_for() -> None:
    given = config()
    given["compilation"]["decoder"] |= {"keep_float": "auto"}
    build = Build(given, [], [])
    assert searched(given) == ["decoder"]
    (folder,) = build.folders
    chosen = {one: build.variants.float_choice(folder, one) for one in PARTS}
    assert flags.keep_float(given, "encoder", chosen["encoder"]) == ["--keep-float"]
    assert flags.keep_float(given, "decoder", chosen["decoder"])[0] == "--keep-float-of"
    assert flags.float_search(given)[:4] == [
        "--search",
        "decoder",
        "--kept",
        '{"encoder": []}',
    ]


def test_versions_of_packages() -> None:
    assert versions("pytest")[0].startswith("pytest ")
    assert installed("no-such-package") == ["no no-such-package"]
