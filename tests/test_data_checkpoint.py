"""data.checkpoint: what is taken of a checkpoint, what is not a Whisper, and what can be loaded."""

import json
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import close_session, constants
from safetensors.numpy import save_file

from common.cli import UserError
from common.files import read_json, sha256_of
from data.cache import discard, local_folder
from data.checkpoint import main as checkpoint
from tests.hub import Fault, Hub, use

NAME = "owner/whisper-micro"
TAKEN = {
    "config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
    "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
LEFT = ("pytorch_model.bin", "flax_model.msgpack", "tf_model.h5", "model.fp32.safetensors",
        "model.safetensors.index.fp32.json", "README.md", "onnx/model.onnx")  # fmt: skip


@pytest.fixture(autouse=True)
def small(tmp_path_factory, checkpoint: Path) -> None:
    """The random checkpoint, whose files `write_checkpoint` copies."""
    global RANDOM
    RANDOM = local_folder(checkpoint)


def write_checkpoint(folder: Path) -> Path:
    """The files of a random Whisper, and beside them what is not taken."""
    folder.mkdir(parents=True)
    for name in LEFT:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps({"name": name}))
    for name in TAKEN - {"preprocessor_config.json"}:
        shutil.copy(RANDOM / name, folder / name)
    extractor = read_json(RANDOM / "processor_config.json")["feature_extractor"]
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor))
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "hub" / "models" / NAME)
    with Hub(tmp_path / "hub") as served:
        use(monkeypatch, served.url, tmp_path / "cache")
        monkeypatch.chdir(tmp_path)
        yield served
    close_session()


def have(source: str = NAME, out: str = "checkpoint.json") -> Path:
    checkpoint(["--source", source, "--out", out])
    return Path(out)


def test_takes_what_is_loaded_and_no_other_weights(hub):
    manifest = read_json(have())
    original = hub.root / "models" / NAME
    assert {file["path"] for file in manifest["files"]} == TAKEN
    assert manifest["commit"] == hub.commit(original)
    for file in manifest["files"]:
        assert file["sha256"] == sha256_of(original / file["path"])
        assert file["bytes"] == (original / file["path"]).stat().st_size
    fetched = {path.rpartition("/")[2] for method, path in hub.requests if "resolve" in path}
    assert fetched == TAKEN
    folder = local_folder(Path("checkpoint.json"))
    assert {path.name for path in folder.iterdir()} == TAKEN


def test_again_without_a_request_when_the_hub_is_switched_off(hub, monkeypatch):
    first = have().read_bytes()
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert have(out="again.json").read_bytes() == first
    assert hub.requests == []


def test_shards_that_the_index_lists(hub):
    folder = hub.root / "models" / NAME
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    (folder / "model.safetensors").rename(folder / shards[0])
    index = {"weight_map": {"a": shards[1], "b": shards[0], "c": shards[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=f"has no {shards[1]}"):
        have()
    save_file({"other": np.ones(3, np.float32)}, folder / shards[1])
    names = {file["path"] for file in read_json(have())["files"]}
    assert names == TAKEN - {"model.safetensors"} | {"model.safetensors.index.json", *shards}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_changed_byte_is_fetched_again_or_refused(hub, name):
    hub.faults.append(Fault("flip", f"/{name}"))
    have()
    have_again = local_folder(Path("checkpoint.json")) / name
    assert have_again.read_bytes() == (hub.root / "models" / NAME / name).read_bytes()
    have_again.resolve().unlink()
    Path("checkpoint.json").unlink()
    hub.faults.append(Fault("flip", f"/{name}", times=9))
    with pytest.raises(UserError, match=rf"{name} of the model {NAME} arrived damaged twice"):
        have()
    assert not Path("checkpoint.json").exists()


def is_original(hub) -> bool:
    """Whether the manifest lists the files as the Hub has them."""
    folder = hub.root / "models" / NAME
    return all(
        file["sha256"] == sha256_of(folder / file["path"])
        for file in read_json(Path("checkpoint.json"))["files"]
    )


PASSING = [
    *(Fault("status", where, times=2) for where in ("api", "tree", "resolve")),
    Fault("status", "resolve", times=2, method="HEAD"),
    Fault("status", "resolve", status=429, headers={"Retry-After": "1"}),
    *(Fault("reset", where) for where in ("api", "tree", "resolve")),
    *(Fault(kind, "resolve") for kind in ("stall", "truncate", "short", "flip")),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault.kind}-{fault.where}")
@pytest.mark.parametrize("lasting", [False, True], ids=["passing", "lasting"])
def test_faults_end_in_the_right_bytes_or_in_a_sentence(hub, monkeypatch, fault, lasting):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.faults.append(replace(fault, times=999 if lasting else fault.times))
    if lasting:
        with pytest.raises(UserError) as error:
            have()
        assert "\n" not in str(error.value)
        assert not Path("checkpoint.json").exists()
        hub.faults.clear()
    have()
    assert is_original(hub)


def test_a_dead_hub_with_a_warm_cache_goes_on_and_with_a_cold_one_is_one_sentence(
    hub, monkeypatch, capsys
):
    first = have().read_bytes()
    hub.faults.append(Fault("reset", "", times=999))
    assert have(out="again.json").read_bytes() == first
    assert "going on with what is cached" in capsys.readouterr().err
    discard(local_folder(Path("again.json")) / "model.safetensors")
    with pytest.raises(
        UserError, match=f"{hub.url} does not answer, but what is needed of the model {NAME}"
    ):
        have(out="again.json")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "nowhere")
    with pytest.raises(UserError, match="cannot reach the Hub"):
        have(out="again.json")


NOT_A_WHISPER = {
    "config.json": "has no config.json",
    "generation_config.json": "has no generation_config.json",
    "model.safetensors": "has no model.safetensors or model.safetensors.index.json",
    "tokenizer.json": "has no tokenizer.json or vocab.json, hence no tokenizer",
    "preprocessor_config.json": "has no preprocessor_config.json or processor_config.json",
}


@pytest.mark.parametrize(("name", "sentence"), NOT_A_WHISPER.items())
def test_a_missing_file_is_named(hub, tmp_path, name, sentence):
    local = write_checkpoint(tmp_path / "local")
    for folder in (local, hub.root / "models" / NAME):
        (folder / name).unlink()
        if name == "model.safetensors":  # or torch's would be taken
            (folder / "pytorch_model.bin").unlink()
    for source in (NAME, str(local)):
        with pytest.raises(UserError) as error:
            have(source)
        assert sentence in str(error.value) and "\n" not in str(error.value)
    assert not any(path.endswith(".safetensors") for _, path in hub.requests)
    assert not Path("checkpoint.json").exists()


def test_another_model_is_named(hub):
    (hub.root / "models" / NAME / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"config\.json says model_type 'bert'"):
        have()
    (hub.root / "models" / NAME / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json of .* is not JSON"):
        have()


def test_unknown_names_are_one_sentence(hub):
    with pytest.raises(UserError, match="has no model owner/nothing"):
        have("owner/nothing")
    with pytest.raises(UserError, match=f"model {NAME} has no revision 'v9'"):
        checkpoint(["--source", NAME, "--revision", "v9", "--out", "checkpoint.json"])
    with pytest.raises(
        UserError, match=r"'\./nowhere' is neither .* correct models\.<name>\.source"
    ):
        have("./nowhere")


def test_a_local_folder_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(Path("own"))
    manifest = have("own")
    assert read_json(manifest)["commit"] is None
    assert local_folder(manifest).samefile("own")
    Path("own/model.safetensors").write_text("trained further")
    with pytest.raises(UserError, match=r"model\.safetensors of own, .* has changed: delete"):
        local_folder(manifest)


def test_an_emptied_cache_says_what_to_run(hub):
    manifest = have()
    (local_folder(manifest) / "vocab.json").unlink(missing_ok=True)
    (local_folder(manifest) / "tokenizer.json").resolve().unlink()
    with pytest.raises(UserError) as error:
        local_folder(manifest)
    assert "is gone: delete checkpoint.json and run the same command again" in str(error.value)
    have()
    assert local_folder(manifest).is_dir()


def test_from_pretrained_loads_the_folder_without_network(hub, monkeypatch):
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    folder = hub.root / "models" / "owner" / "loadable"
    config = WhisperConfig(
        vocab_size=64, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, pad_token_id=2,
        bos_token_id=2, eos_token_id=2, decoder_start_token_id=3, suppress_tokens=None,
        begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config.is_multilingual = False
    model.generation_config.no_timestamps_token_id = 4
    model.generation_config.max_length = 448
    model.save_pretrained(folder)
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(vocab={"a": 0, "b": 1, special[0]: 2}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": special[1:]})
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    manifest = have("owner/loadable")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    local = local_folder(manifest)
    assert WhisperForConditionalGeneration.from_pretrained(local).config.d_model == 16
    assert WhisperProcessor.from_pretrained(local).feature_extractor.sampling_rate == 16_000


def test_an_old_generation_configuration_and_damaged_weights_are_refused(hub):
    folder = hub.root / "models" / NAME
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1])
    with pytest.raises(UserError, match=r"model\.safetensors of .* is damaged"):
        have(str(folder))
    (folder / "generation_config.json").write_text(json.dumps({"is_multilingual": True}))
    with pytest.raises(UserError, match="has no no_timestamps_token_id"):
        have(str(folder))
    assert not Path("checkpoint.json").exists()
