"""The hand-off folder: what is in it, that damage is noticed, and that equal folders pack equally."""

import hashlib
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
import yaml
import zstandard
from huggingface_hub import ModelCard
from transformers import AutoProcessor, GenerationConfig, WhisperForConditionalGeneration

from common.cli import UserError
from common.files import listed, read_json, write_json
from compilation.hand_off import expect, golden, provenance, readme, sums
from compilation.hand_off.archive import archive
from compilation.hand_off.archive import main as pack
from compilation.verify import verify
from evaluation.describe import describe
from tests.imports import ROOT

TABLES = ("model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight")


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo's hand-off folder, after its evaluation."""
    return shutil.copytree(demo / "compiled/whisper-micro/cpu", tmp_path / "cpu")


def update(folder: Path, name: str) -> None:
    """Change the manifest and the sums as one who hides a changed file would."""
    manifest = read_json(folder / "manifest.json")
    for file in manifest["files"]:
        if file["path"] == name:
            file.update(listed(folder, [name])[0])
    write_json(folder / "manifest.json", manifest)
    sums.write(folder)


def failure(folder: Path) -> str:
    """What `verify` says of a folder that it refuses."""
    with pytest.raises(UserError) as error:
        list(verify(folder))
    return str(error.value)


def test_a_whole_folder_passes_every_check(demo: Path, capsys: pytest.CaptureFixture) -> None:
    lines = list(verify(demo / "compiled/whisper-micro/cpu"))
    names = ["files", "manifest", "config", "tables", "parts", "golden", "quality"]
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in names]
    assert "in the decoder" in lines[3]
    assert lines[5].count("100% of the tokens as expected") == 2
    assert "passed: 47 checks" in lines[6] and lines[6].endswith(", on 85 held-out clips")


def test_any_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """Every byte of every file, the sums' own included."""
    (tmp_path / "golden").mkdir()
    (tmp_path / "a.bin").write_bytes(bytes(range(40)))
    (tmp_path / "golden/b c.json").write_text("{}\n", encoding="utf-8")
    sums.write(tmp_path)
    sums.check(tmp_path)
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            for bit in (0x01, 0x20, 0x80):
                flipped = whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
                path.write_bytes(flipped)
                with pytest.raises(UserError):
                    sums.check(tmp_path)
        path.write_bytes(whole)
    sums.check(tmp_path)


def test_what_lies_beside_is_to_be_removed_and_loaded_all_the_same(tmp_path: Path) -> None:
    for name in ("config.json", "README.md", "transcribe.py"):
        (tmp_path / name).write_text("{}\n", encoding="utf-8")
    write_json(tmp_path / "manifest.json", {"files": listed(tmp_path, ["config.json"])})
    sums.write(tmp_path)
    (tmp_path / "speech.wav").touch()
    with pytest.raises(
        UserError, match=r"speech\.wav is not listed in SHA256SUMS; remove"
    ) as error:
        sums.check(tmp_path)
    assert "again" not in str(error.value)
    (tmp_path / "README.md").unlink()
    (tmp_path / "transcribe.py").write_text("mine", encoding="utf-8")
    sums.check_loaded(tmp_path)
    with pytest.raises(UserError, match=r"README\.md is missing; get the folder again, whole, or"):
        sums.check(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.json was changed; get the folder again, whole"):
        sums.check_loaded(tmp_path)


@pytest.mark.parametrize("place", ["top", "below"])
def test_what_is_loaded_must_be_listed(tmp_path: Path, place: str) -> None:
    """Sums that were cut off, or are empty, vouch for nothing."""
    name = {"top": "encoder.mxq", "below": "tables/a.npy"}[place]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"part")
    write_json(tmp_path / "manifest.json", {"files": listed(tmp_path, [name])})
    sums.write(tmp_path)
    sums.check_loaded(tmp_path)
    lines = (tmp_path / sums.NAME).read_text(encoding="utf-8").splitlines(keepends=True)
    for missing in (name, "manifest.json"):
        kept = "".join(line for line in lines if missing not in line)
        (tmp_path / sums.NAME).write_text(kept, encoding="utf-8")
        with pytest.raises(UserError, match=f"{missing} is not listed in SHA256SUMS; remove it if"):
            sums.check_loaded(tmp_path)
    windows = "".join(lines).replace("\n", "\r\n")
    for check in (sums.check, sums.check_loaded):
        (tmp_path / sums.NAME).write_text(windows, encoding="utf-8", newline="")
        with pytest.raises(UserError, match="SHA256SUMS was changed; get the folder again"):
            check(tmp_path)
    (tmp_path / sums.NAME).write_bytes(b"")
    with pytest.raises(UserError, match="is not listed in SHA256SUMS"):
        sums.check_loaded(tmp_path)


def test_damage_in_every_file_of_a_real_folder_is_noticed(folder: Path) -> None:
    names = [*sums.files_of(folder), sums.NAME]
    assert len(names) > 20
    for name in names:
        path = folder / name
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1
        path.unlink()
        assert "missing" in failure(folder)
        path.write_bytes(damaged)
        assert name in failure(folder) or "was changed" in failure(folder)
        path.write_bytes(whole)
    (folder / "golden/extra.wav").touch()
    assert "golden/extra.wav is not listed in SHA256SUMS" in failure(folder)


def test_sums_are_those_of_sha256sum(folder: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "--quiet", sums.NAME], cwd=folder, check=False)
    assert done.returncode == 0


def shuffled(weights: bytes, graph: str) -> bytes:
    """The weights of a graph with every 8-bit tensor in another order: all else fits."""
    data, rng = np.frombuffer(weights, np.uint8).copy(), np.random.default_rng(0)
    tensor = r'element_type="[iu]8" shape="[^"]*" offset="(\d+)" size="(\d+)"'
    places = re.findall(tensor, graph)
    assert places
    for offset, size in ((int(offset), int(size)) for offset, size in places):
        data[offset : offset + size] = rng.permutation(data[offset : offset + size])
    return data.tobytes()


def test_a_part_that_was_changed_with_its_sums_is_heard(folder: Path) -> None:
    for part in ("encoder", "decoder"):
        path = folder / f"openvino_{part}_model.bin"
        whole = path.read_bytes()
        path.unlink()  # not through a hard link
        path.write_bytes(shuffled(whole, path.with_suffix(".xml").read_text(encoding="utf-8")))
        update(folder, path.name)
        assert "golden: golden clip en_us_0000: " in failure(folder)
        assert f"the {part} does not run as it was compiled" in failure(folder)
        path.write_bytes(whole)
        update(folder, path.name)
    assert list(verify(folder))


def test_what_does_not_fit_together_is_noticed(folder: Path) -> None:
    def with_json(name: str, change: dict[str, Any]) -> str:
        before = (folder / name).read_bytes()
        write_json(folder / name, read_json(folder / name) | change)
        update(folder, name)
        said = failure(folder)
        (folder / name).write_bytes(before)
        update(folder, name)
        return said

    assert "logits is [?,?,3209], where config.json has [3210]" in with_json(
        "config.json", {"vocab_size": 3210}
    )
    assert "parts: " in with_json("config.json", {"d_model": 128})
    assert "parts: " in with_json("config.json", {"num_mel_bins": 128})
    assert "manifest: " in with_json("manifest.json", {"target": "gpu"})
    assert "is no manifest of a hand-off folder: at target" in with_json(
        "manifest.json", {"target": "gpu"}
    )
    assert list(verify(folder))
    shutil.copy2(folder / "openvino_decoder_model.xml", folder / "openvino_encoder_model.xml")
    update(folder, "openvino_encoder_model.xml")
    assert "parts: " in failure(folder)


def test_a_damaged_folder_is_not_blessed(demo: Path, folder: Path, tmp_path: Path) -> None:
    """Neither what was measured nor an archive is added to a folder that is not whole."""
    quality = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    describe(folder, quality, None)
    (folder / "evaluation.json").unlink()  # as before the job that writes it
    describe(folder, quality, None)
    assert list(verify(folder))
    with pytest.raises(UserError, match="was measured of another folder"):
        describe(folder, quality | {"manifest_sha256": "0"}, None)
    path = folder / "openvino_decoder_model.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"decoder_model\.bin was changed; get the folder again"):
        describe(folder, quality, None)
    sums.write(folder)
    with pytest.raises(UserError, match=r"lists another openvino_decoder_model\.bin"):
        archive(folder, tmp_path / "micro-cpu.tar.zst")


def test_what_is_handed_over_is_its_own(demo: Path) -> None:
    """No hard links: a change of a stage's file changes no folder."""
    folder = demo / "compiled/whisper-micro/cpu"
    assert {(folder / name).stat().st_nlink for name in sums.files_of(folder)} == {1}


def test_what_is_no_folder_is_a_sentence(tmp_path: Path) -> None:
    assert "there is no folder" in failure(tmp_path / "missing")
    assert f"SHA256SUMS is missing: {tmp_path} is no hand-off folder, or not a" in failure(tmp_path)


def test_the_libraries_load_it(folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(str(folder), local_files_only=True)
    assert type(processor).__name__ == "WhisperProcessor"
    assert GenerationConfig.from_pretrained(str(folder)).no_timestamps_token_id == 1707
    clip = read_json(folder / "golden/golden.json")["clips"][0]
    assert processor.tokenizer.decode(clip["tokens"]).strip() == clip["text"] == "Zero friend one."


def test_the_tables_are_the_checkpoints(folder: Path) -> None:
    model = WhisperForConditionalGeneration.from_pretrained(
        ROOT / "demo/model", dtype=torch.float32
    )
    graph = ov.Core().read_model(folder / "openvino_decoder_model.xml")  # as it is stored
    kept = [
        torch.from_numpy(op.data).float()
        for op in graph.get_ordered_ops()
        if op.get_type_name() == "Constant" and op.get_element_type() == ov.Type.f16
    ]
    for name in TABLES:
        table = model.state_dict()[name]
        assert any(one.shape == table.shape and torch.equal(one, table) for one in kept)


def test_the_manifest_says_what_it_was_made_of(demo: Path) -> None:
    manifest = read_json(demo / "compiled/whisper-micro/cpu/manifest.json")
    assert manifest["checkpoint"]["source"] == "demo/model"
    assert manifest["dataset"]["source"] == "demo/fleurs"
    assert manifest["parts"]["decoder"]["interface"]["outputs"] == [[1, "L", 3209]]
    assert manifest["calibration"]["decoder"]["settings"]["mix"]["translate"] == 0.2
    for part in ("encoder", "decoder"):
        path = demo / f"calibration/sets/whisper-micro/{part}/manifest.json"
        kept = manifest["calibration"][part]
        assert kept["manifest_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert kept["samples"] == read_json(path)["samples"] and len(kept["samples"]) == 68
    assert manifest["packages"]["openvino"] and manifest["parts"]["encoder"]["compiler"]["nncf"]


BROKEN = {
    "parts": lambda m: m["parts"].pop("decoder"),
    "files/0/sha256": lambda m: m["files"][0].update(sha256="0"),
    "calibration/encoder/samples": lambda m: m["calibration"]["encoder"].update(samples=[]),
    "project/commit": lambda m: m["project"].update(commit="main"),
    "its top": lambda m: m.update(extra=1),
}


@pytest.mark.parametrize("place", BROKEN)
def test_a_manifest_that_does_not_fit_is_refused(demo: Path, place: str) -> None:
    manifest = read_json(demo / "compiled/whisper-micro/cpu/manifest.json")
    provenance.check_manifest(manifest, Path("manifest.json"))
    BROKEN[place](manifest)
    with pytest.raises(UserError, match=f"no manifest of a hand-off folder: at {place}"):
        provenance.check_manifest(manifest, Path("manifest.json"))


def test_the_checkouts_commit_and_whether_it_is_clean(tmp_path: Path) -> None:
    assert provenance.project_facts(tmp_path) == {"commit": None, "clean": None}
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a commit -qm one"):
        (tmp_path / "file").write_text("one", encoding="utf-8")
        subprocess.run(["git", "-C", str(tmp_path), *command.split()], check=True)
    facts = provenance.project_facts(tmp_path)
    assert len(facts["commit"]) == 40 and facts["clean"] is True
    (tmp_path / "mine.yaml").touch()  # which is nothing of the project's
    assert provenance.project_facts(tmp_path)["clean"] is True
    (tmp_path / "inner").mkdir()
    assert provenance.project_facts(tmp_path / "inner")["commit"] is None
    (tmp_path / "file").write_text("two", encoding="utf-8")
    assert provenance.project_facts(tmp_path)["clean"] is False


def test_every_input_has_its_own_dtype() -> None:
    said = readme.shapes_of([[1, "L"], [1, 1500, 96]], "float32")
    assert said == "int64 `[1, L]` and float32 `[1, 1500, 96]`"


def test_the_readme_is_a_model_card_with_what_was_measured(demo: Path) -> None:
    folder = demo / "compiled/whisper-micro/cpu"
    card = ModelCard.load(folder / "README.md")
    assert len(card.data.language) == 17 and "zh" in card.data.language
    assert card.data.pipeline_tag == "automatic-speech-recognition"
    assert {result.metric_type for result in card.data.eval_results} == {"wer"}
    quality = read_json(demo / "evaluation/results/whisper-micro/cpu/quality.json")
    rate = quality["tasks"]["transcribe"]["all"]["pairings"]["compiled+compiled"]["rate"]
    assert card.data.eval_results[0].metric_value == round(100 * rate, 1)
    assert "| ko_kr |" in card.text and "Zero friend one." in card.text
    assert "- decoder: int64 `[1, L]` and float32 `[1, 1500, 96]` to float32 `[1, L," in card.text
    assert "{{" not in card.text and "Undefined" not in card.text
    listed_files = [name for name in sums.files_of(folder) if "/" not in name]
    kinds = {Path(name).suffix for name in listed_files}
    assert kinds == {".bin", ".json", ".md", ".py", ".xml"}


def test_equal_folders_pack_to_equal_bytes(folder: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one/micro-cpu.tar.zst", tmp_path / "other/micro-cpu.tar.zst"
    archive(folder, one)
    again = shutil.copytree(folder, tmp_path / "again", copy_function=shutil.copyfile)
    (again / "config.json").chmod(0o600)
    archive(again, other)
    assert one.read_bytes() == other.read_bytes()
    digest, name = one.with_name(f"{one.name}.sha256").read_text(encoding="utf-8").split()
    assert (digest, name) == (hashlib.sha256(one.read_bytes()).hexdigest(), one.name)
    with (
        one.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        tar.extractall(tmp_path / "out", filter="data")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["micro-cpu"]
    assert list(verify(tmp_path / "out/micro-cpu"))
    (again / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"config\.json was changed"):
        archive(again, other)


def test_an_archive_is_not_written_into_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    sums.write(tmp_path)
    with pytest.raises(UserError, match=r"inner/a\.tar\.zst is in the folder that it is of; give"):
        archive(tmp_path, tmp_path / "inner/a.tar.zst")
    sums.check(tmp_path)


@pytest.mark.parametrize("name", [".tar.zst", "..tar.zst", "...tar.zst", "a.tar"])
def test_an_archive_has_a_name_which_its_folder_gets(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"give a name, and \.tar\.zst at its end"):
        pack([str(tmp_path / "cpu"), "--out", str(tmp_path / name)])


def clip(language: str, seconds: float, file: str = "a.wav") -> dict[str, Any]:
    """As much of a clip as choosing looks at."""
    return {
        "language": language,
        "whisper_language": language[:2],
        "seconds": seconds,
        "file": file,
    }


def test_golden_clips_are_short_and_in_two_languages() -> None:
    korean, english, german = clip("ko_kr", 3), clip("en_us", 9), clip("de_de", 2)
    assert golden.choose([korean, english, german, clip("en_us", 10)]) == [english, german]
    assert golden.choose([korean, german]) == [german, korean]
    assert golden.choose([english, clip("en_us", 8, "b.wav")])[0]["file"] == "b.wav"
    assert golden.choose([korean]) == [korean]


def heard(states: float, tokens: list[int]) -> dict[str, Any]:
    return {"states_cosine": states, "tokens": tokens}


def test_what_differs_from_the_golden_samples_names_the_half() -> None:
    clips = {"every": 50, "clips": [{"name": "a", "tokens": [1, 2, 3, 4]}], "files": []}
    (of_float,) = expect.expectations(clips, None)["clips"]
    (measured,) = expect.expectations(clips, [heard(0.999, [1, 2, 3, 5])])["clips"]
    assert "100% of the tokens" in expect.compare(measured, heard(0.995, [1, 2, 3, 5]))
    assert expect.compare(of_float, heard(0.91, [1, 2, 9, 9]))  # half of them, and no more is asked
    with pytest.raises(UserError, match="the encoder does not run as it was compiled"):
        expect.compare(measured, heard(0.95, [1, 2, 3, 5]))
    with pytest.raises(UserError, match="the encoder does not run"):
        expect.compare(of_float, heard(float("nan"), [1, 2, 3, 4]))
    with pytest.raises(UserError, match="the decoder does not run as it was compiled"):
        expect.compare(of_float, heard(0.99, [7, 7, 7, 7]))


def test_the_schema_is_itself_valid() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(yaml.safe_load(provenance.SCHEMA.read_text(encoding="utf-8")))
