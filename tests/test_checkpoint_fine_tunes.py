"""Fine-tunes as they are published: parts of a checkpoint, completed by the one it was trained from.

Every case is the random checkpoint with files taken away or in another format.
"""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import close_session, constants
from safetensors.torch import load_file, save_file
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from calibration.coverage import coverage
from calibration.set_aside import fault_of
from common.cli import UserError
from common.files import read_json, sha256_of, write_json
from data import base as bases
from data.cache import local_folder
from data.whisper import load_generation, load_model, load_tokenizer
from tests.hub import Hub, use
from tests.odd_checkpoints import (
    copy_of,
    edit,
    have,
    mended,
    sentence,
    with_more_rows,
    without_tokenizer,
)

GENERATION, WEIGHTS = "generation_config.json", "adapter_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """A copy of the random checkpoint, to be edited."""
    return copy_of(checkpoint, tmp_path)


@pytest.fixture
def base(tmp_path: Path, checkpoint: Path) -> Path:
    """The whole checkpoint that the fine-tune is of, with alignment heads."""
    whole = Path(shutil.copytree(local_folder(checkpoint), tmp_path / "base"))
    edit(whole / GENERATION, lambda g: g.update(alignment_heads=[[1, 0]]))
    return whole


def names_of(manifest: Path) -> set[str]:
    """The files that a manifest lists."""
    return {file["path"] for file in read_json(manifest)["files"]}


LACKS = {
    "generation config": [GENERATION],
    "tokenizer": ["tokenizer.json", "tokenizer_config.json"],
    "processor": ["processor_config.json"],
    "all but weights and config": [
        GENERATION, "tokenizer.json", "tokenizer_config.json", "processor_config.json",
    ],
}  # fmt: skip


@pytest.mark.parametrize("lacking", LACKS.values(), ids=LACKS)
def test_what_a_fine_tune_lacks_is_its_bases(folder: Path, base: Path, lacking: list[str]) -> None:
    for name in lacking:
        (folder / name).unlink()
    assert "under models.<name>.base" in sentence(folder)
    manifest = have(folder, "--base", str(base))
    record, place = read_json(manifest), local_folder(manifest)
    assert record["base"]["source"] == str(base) and record["base"]["commit"] is None
    taken = {file["path"]: file["sha256"] for file in record["base"]["files"]}
    assert set(taken) == set(lacking)
    for name in lacking:
        assert taken[name] == sha256_of(base / name)
        assert f"{name} is the base's" in mended(manifest)
    assert load_generation(manifest).alignment_heads == [[1, 0]]
    assert (place / "model.safetensors").samefile(folder / "model.safetensors")
    assert WhisperProcessor.from_pretrained(place).feature_extractor.feature_size == 80
    assert {path.name for path in place.iterdir()} == names_of(manifest)


def test_alignment_heads_are_taken_where_the_decoder_is_as_large(folder: Path, base: Path) -> None:
    manifest = have(folder, "--base", str(base))
    assert load_generation(manifest).alignment_heads == [[1, 0]]
    assert "alignment_heads are those of the base" in mended(manifest)
    edit(base / "config.json", lambda c: c.update(decoder_layers=4))
    assert not hasattr(load_generation(have(folder, "--base", str(base))), "alignment_heads")


def test_tokens_that_were_added_are_kept_with_the_bases_tokenizer(folder: Path, base: Path) -> None:
    (folder / "tokenizer.json").unlink()
    write_json(folder / "added_tokens.json", {"<|ko|>": 1608})
    assert "<|ko|> is token 1608, but tokenizer.json says 1607" in sentence(
        folder, "--base", str(base)
    )


def test_a_base_of_another_family_is_refused(folder: Path, base: Path) -> None:
    (folder / GENERATION).unlink()
    edit(base / GENERATION, lambda g: g.update(no_timestamps_token_id=1708))
    assert "<|notimestamps|> is token 1708" in sentence(folder, "--base", str(base))


def test_a_base_on_the_hub_gives_its_small_files_only(
    folder: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.rename(tmp_path / "whisper-base")
    (tmp_path / "hub/models").mkdir(parents=True)
    shutil.move(tmp_path / "whisper-base", tmp_path / "hub/models/owner/whisper-base")
    (folder / GENERATION).unlink()
    with Hub(tmp_path / "hub") as served:
        use(monkeypatch, served.url, tmp_path / "cache")
        manifest = have(folder, "--base", "owner/whisper-base")
        assert not [path for _, path in served.requests if path.endswith(".safetensors")]
        commit = served.commit(tmp_path / "hub/models/owner/whisper-base")
        assert read_json(have(folder, "--base", f"owner/whisper-base@{commit}"))["base"] == {
            **read_json(manifest)["base"],
            "revision": commit,
        }
        have(folder, "--base", "owner/whisper-base")
        close_session()
    first = read_json(manifest)
    assert first["base"]["commit"] == commit
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert read_json(have(folder, "--base", "owner/whisper-base")) == first


# pytorch_model.bin


def pickled(folder: Path, shards: int = 1, legacy: bool = False) -> None:
    """Replace the safetensors weights by those that torch pickles."""
    weights = load_file(folder / "model.safetensors")
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    (folder / "model.safetensors").unlink()
    if shards == 1:
        torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
        return
    places = {}
    for number in range(shards):
        name = f"pytorch_model-0000{number + 1}-of-0000{shards}.bin"
        part = {key: weights[key] for key in list(weights)[number::shards]}
        torch.save(part, folder / name)
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(("shards", "legacy"), [(1, False), (1, True), (3, False)])
def test_pickled_weights_are_kept_as_safetensors(folder: Path, shards: int, legacy: bool) -> None:
    expected = WhisperForConditionalGeneration.from_pretrained(folder).state_dict()
    pickled(folder, shards, legacy)
    manifest = have(folder)
    assert "model.safetensors is made of pytorch_model.bin" in mended(manifest)
    names = {path.name for path in folder.glob("pytorch_model*")}
    assert {file["path"] for file in read_json(manifest)["original"]} == names
    assert not [name for name in names_of(manifest) if "pytorch_model" in name]
    assert "proj_out.weight" not in load_file(local_folder(manifest) / "model.safetensors")
    loaded = load_model(manifest).state_dict()
    assert set(loaded) == set(expected)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pickled_halves_keep_their_bits(folder: Path, dtype: torch.dtype) -> None:
    weights = {n: t.to(dtype) for n, t in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    kept = load_file(local_folder(have(folder)) / "model.safetensors")
    assert set(kept) == set(weights)
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights.items())


class Spy:
    """Pickled, it makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_pickled_weights_is_not_run(folder: Path, tmp_path: Path, zipped: bool) -> None:
    (folder / "model.safetensors").unlink()
    weights = {"weight": torch.zeros(2), "spy": Spy(tmp_path / "was here")}
    if zipped:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(weights))
    assert "pytorch_model.bin of" in (text := sentence(folder)) and "more than weights" in text
    assert not (tmp_path / "was here").exists()


def test_damaged_pickled_weights_are_a_sentence(folder: Path) -> None:
    pickled(folder)
    whole = (folder / "pytorch_model.bin").read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:-10], pickle.dumps([1])):
        (folder / "pytorch_model.bin").write_bytes(content)
        assert "pytorch_model.bin of" in sentence(folder)
    pickled_weights = {"model.decoder.embed_tokens.weight": torch.zeros(2)}
    torch.save(pickled_weights, folder / "pytorch_model.bin")
    assert "lack model." in sentence(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    pickled(folder, 3)
    (folder / "pytorch_model-00002-of-00003.bin").unlink()
    assert "has no pytorch_model-00002-of-00003.bin" in sentence(folder)


# Adapters


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    """A LoRA adapter of the base, as peft saves it; of random numbers, which change the output."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration.from_pretrained(base)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])
    tuned = peft.get_peft_model(model, config)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    tuned.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("named", [True, False])
def test_an_adapter_is_merged_into_its_base(adapter: Path, base: Path, named: bool) -> None:
    import peft

    manifest = have(adapter, *(["--base", str(base)] if named else []))
    model = WhisperForConditionalGeneration.from_pretrained(base)
    untouched = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    expected = peft.PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().state_dict()
    merged = load_model(manifest).state_dict()
    assert set(merged) == set(expected)
    assert all(torch.equal(merged[name], tensor) for name, tensor in expected.items())
    assert any(not torch.equal(merged[name], tensor) for name, tensor in untouched.items())
    record = read_json(manifest)
    hashes = {file["path"]: file["sha256"] for file in record["base"]["files"]}
    assert hashes["model.safetensors"] == sha256_of(base / "model.safetensors")
    hashes = {file["path"]: file["sha256"] for file in record["original"]}
    assert hashes["adapter_model.safetensors"] == sha256_of(adapter / "adapter_model.safetensors")
    assert "adapter_config.json" in hashes
    assert f"adapter_config.json and its base, by peft {peft.__version__}" in mended(manifest)
    place = local_folder(manifest)
    assert {path.name for path in place.iterdir()} == names_of(manifest)
    assert WhisperProcessor.from_pretrained(place).tokenizer.eos_token_id == 1600
    assert load_generation(manifest).alignment_heads == [[1, 0]]


def test_an_adapter_beside_whole_weights_is_left_out(adapter: Path, base: Path) -> None:
    whole = WhisperForConditionalGeneration.from_pretrained(base).state_dict()
    shutil.copytree(adapter, base, dirs_exist_ok=True)
    manifest = have(base)
    loaded = load_model(manifest).state_dict()
    assert set(loaded) == set(whole)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in whole.items())
    assert "adapter_config.json, beside whole weights, is left out" in mended(manifest)
    assert {path.name for path in local_folder(manifest).iterdir()} == names_of(manifest)


def test_an_adapters_base_is_of_the_revision_that_it_names(adapter: Path) -> None:
    named = bases.of_adapter({"base_model_name_or_path": "owner/name", "revision": "v1"})
    assert named == bases.Base("owner/name", "v1")
    assert bases.of_adapter({"base_model_name_or_path": "owner/name", "revision": None}) == (
        "owner/name",
        "main",
    )
    assert bases.parse("owner/name@v1") == ("owner/name", "v1")
    assert bases.parse("owner/name") == ("owner/name", "main")
    odd = Path(shutil.copytree(adapter, adapter.parent / "a@b"))
    assert bases.parse(str(odd)) == (str(odd), "main")


def test_an_adapter_that_is_its_own_base_is_a_sentence(adapter: Path) -> None:
    edit(adapter / "adapter_config.json", lambda c: c.update(base_model_name_or_path=str(adapter)))
    assert "does not say which checkpoint it was trained on" in sentence(adapter)


def test_an_adapter_of_another_checkpoint_is_a_sentence(adapter: Path, tmp_path: Path) -> None:
    for odd in (None, 7, ["base"]):
        edit(adapter / "adapter_config.json", lambda c, o=odd: c.update(base_model_name_or_path=o))
        assert "does not say which checkpoint it was trained on" in sentence(adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: t[:, :16].clone() for name, t in weights.items()}, adapter / WEIGHTS)
    with pytest.raises(UserError, match="does not fit its base"):
        have(adapter, "--base", str(tmp_path / "base"))
    assert not (tmp_path / "manifests/odd.json").exists()
    assert not (tmp_path / "manifests/odd.files").exists()


def test_an_adapter_without_the_package_that_merges_it_is_a_sentence(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match="the package peft that merges it is not installed"):
        have(adapter)


def test_an_adapter_without_weights_is_a_sentence(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    write_json(folder / "adapter_config.json", {"peft_type": "LORA"})
    assert "has no adapter_model.safetensors or adapter_model.bin" in sentence(folder)


def test_the_folder_of_what_was_mended_goes_with_its_reason(folder: Path) -> None:
    without_tokenizer(folder)
    place = local_folder(have(folder))
    assert place.is_dir() and place != folder
    shutil.copy(folder / "vocab.json", folder.parent / "kept.json")
    write_json(folder / "tokenizer.json", read_json(place / "tokenizer.json"))
    assert local_folder(have(folder)) == folder
    assert not place.exists()


def test_added_tokens_are_text_and_no_times(folder: Path) -> None:
    write_json(folder / "added_tokens.json", {"[laugh]": 3209, "[cough]": 3210})
    with_more_rows(folder, 2)
    manifest = have(folder)
    tokenizer, generation = load_tokenizer(manifest), load_generation(manifest)
    first = generation.no_timestamps_token_id + 1
    said = [first, 3209, 3210, first + 50]
    assert fault_of(said, tokenizer, generation) is None
    assert fault_of([first, first + 1500], tokenizer, generation) == "empty"
    sample = {"language": "ko_kr", "stratum": "timestamps", "token_ids": said, "clip_sha256": "a"}
    found = coverage([sample], tokenizer, first)["all"]
    assert found["different_timestamps"] == 2
    assert found["special_tokens"] == ["[laugh]", "[cough]"]
    processor = WhisperProcessor.from_pretrained(local_folder(manifest))
    assert processor.decode(said, skip_special_tokens=True) == "[laugh][cough]"
