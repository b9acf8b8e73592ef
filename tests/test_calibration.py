"""Calibration sets hold what the runtime feeds, bit for bit, and survive kills and new orders."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from calibration import decoder, decoder_samples, decoder_texts, encoder, features
from calibration.sample import ARRAYS
from common.cli import UserError
from common.files import read_json, read_jsonl, sha256_of, write_jsonl
from common.source_files import code_hash, sources
from data.cache import local_folder
from data.clips import interleave, read_audio
from data.whisper import facts_of, load_model
from runtime.openvino_sessions import OpenVinoEncoder
from tests.conftest import graphs_of, make_checkpoint, make_clips, manifest_of

# What changed source files compute again.
UNCONCERNED = ("coverage", "decoder", "decoder_files", "given_texts", "strata")
COMPUTED_AGAIN = {
    "none": ((), {"encoder_input", "encode", "decode"}),  # the first run
    "others": ([f"calibration/{name}.py" for name in UNCONCERNED], set()),
    "decoding": (["calibration/greedy.py"], {"decode"}),
    "encoding": (["calibration/encoder_states.py"], {"encode", "decode"}),
    "features": (["data/audio.py"], {"encoder_input"}),  # which are the same: so are the states
}
WHOLE = {"fractions": [1.0], "silence": False}
SETTINGS = {
    "seed": 0,
    "mix": {"transcribe": 0.5, "translate": 0.5},
    "text": "generated",
    "max_new_tokens": 6,
    "set_aside": 1.0,  # what random weights say repeats itself
    "tasks": ["transcribe", "translate"],
}


def make_sets(
    folder: Path,
    checkpoint: Path,
    clips: list[Path],
    variants: dict[str, object] = WHOLE,
    **settings: object,
) -> tuple:
    """Both sets in `folder`; their manifests."""
    out = folder / "encoder" / "manifest.json"
    encoder_set = encoder.calibrate_encoder(checkpoint, clips, variants, out)
    decoder_set = decoder.calibrate_decoder(
        *(checkpoint, clips, out, graphs_of(checkpoint)),
        SETTINGS | settings,
        folder / "decoder" / "manifest.json",
    )
    return encoder_set, decoder_set


@pytest.fixture(scope="module")
def sets(tmp_path_factory, checkpoint: Path, clip_manifests: list[Path]) -> Path:
    """Folder with both sets of the random checkpoint."""
    folder = tmp_path_factory.mktemp("sets")
    make_sets(folder, checkpoint, clip_manifests)
    return folder


def bulk(folder: Path) -> dict[str, str]:
    """SHA-256 of every numbered file of the sets in a folder."""
    files = [*folder.glob("encoder/*.npy"), *folder.glob("decoder/sample_*/*.npy")]
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(files)}


def test_languages_are_interleaved(clip_manifests: list[Path], sets: Path) -> None:
    order = ["de_de", "en_us", "ko_kr"] * 2
    assert [clip["language"] for clip in interleave(clip_manifests)] == order
    for part in ("encoder", "decoder"):
        samples = read_json(sets / part / "manifest.json")["samples"]
        assert [sample["language"] for sample in samples] == order


def test_interleaving_copes_with_languages_of_different_length(tmp_path: Path) -> None:
    manifests = [make_clips(tmp_path, "de_de", "de", 1), make_clips(tmp_path, "ko_kr", "ko", 3)]
    languages = [clip["language"] for clip in interleave(manifests)]
    assert languages == ["de_de", "ko_kr", "ko_kr", "ko_kr"]


def test_encoder_samples_are_the_processors_features(
    sets: Path, checkpoint: Path, clip_manifests: list[Path]
) -> None:
    processor = WhisperProcessor.from_pretrained(local_folder(checkpoint))
    for index, clip in enumerate(interleave(clip_manifests)):
        array = np.load(sets / "encoder" / f"encoder_calib_{index:04d}.npy")
        expected = processor(read_audio(clip), sampling_rate=16_000, return_tensors="np")
        assert array.dtype == np.float32 and array.flags.c_contiguous
        assert array.shape == (1, 3000, 80)
        assert np.array_equal(array[0].T, expected.input_features[0])


def test_vendor_lists_name_every_file_in_order(sets: Path) -> None:
    paths = (sets / "encoder" / "whisper_encoder_cali.txt").read_text().splitlines()
    assert paths == [str(sets / "encoder" / f"encoder_calib_{i:04d}.npy") for i in range(6)]
    listed = read_json(sets / "decoder" / "whisper_decoder_calib.json")
    assert listed["info"] == {
        "input names": ["decoder_hidden_states", "encoder_hidden_states"],
        "input shapes": [[1, -1, 32], [1, 1500, 32]],
    }
    assert len(listed["calib paths"]) == len(listed["metadata"]) == 6
    for decoder_path, encoder_path in listed["calib paths"]:
        assert np.load(decoder_path).shape[2] == 32 and "decoder_hidden" in decoder_path
        assert np.load(encoder_path).shape == (1, 1500, 32)
    texts = read_json(sets / "decoder" / "whisper_decoder_calib_metadata.json")
    assert all(text["text"].startswith("<|startoftranscript|><|") for text in texts)


def test_prompt_stands_at_positions_0_to_3_and_no_end_token(sets: Path, checkpoint: Path) -> None:
    tokenizer = WhisperProcessor.from_pretrained(local_folder(checkpoint)).tokenizer
    samples = read_json(sets / "decoder" / "manifest.json")["samples"]
    for sample in samples:
        prompt = tokenizer.convert_ids_to_tokens(sample["token_ids"][:4])
        code = {"de_de": "de", "en_us": "en", "ko_kr": "ko"}[sample["language"]]
        task = f"<|{sample['task']}|>"
        assert prompt == ["<|startoftranscript|>", f"<|{code}|>", task, "<|notimestamps|>"]
        assert tokenizer.eos_token_id not in sample["token_ids"]
        assert len(sample["token_ids"]) <= 4 + SETTINGS["max_new_tokens"]


def test_embeddings_equal_the_tables_rows_bit_for_bit(sets: Path, checkpoint: Path) -> None:
    tables = load_file(local_folder(checkpoint) / "model.safetensors")
    tokens = tables["model.decoder.embed_tokens.weight"]
    positions = tables["model.decoder.embed_positions.weight"]
    for sample in read_json(sets / "decoder" / "manifest.json")["samples"]:
        ids = sample["token_ids"]
        array = np.load(sets / "decoder" / sample["decoder_hidden_states"]["file"])
        assert array.dtype == np.float32 and array.shape == (1, len(ids), 32)
        assert np.array_equal(array[0], tokens[ids] + positions[: len(ids)])


def test_recorded_ids_reproduce_the_models_greedy_choices(sets: Path, checkpoint: Path) -> None:
    """Fed back at once, every id after the prompt is what the model would have chosen there."""
    model = WhisperForConditionalGeneration.from_pretrained(local_folder(checkpoint)).eval()
    samples = read_json(sets / "decoder" / "manifest.json")["samples"]
    generated = [sample for sample in samples if sample["text"] == "generated"]
    assert len(generated) >= 5
    for sample in generated:
        states = np.load(sets / "decoder" / sample["encoder_hidden_states"]["file"])
        ids = torch.tensor([sample["token_ids"]])
        outputs = BaseModelOutput(last_hidden_state=torch.from_numpy(states))
        with torch.no_grad():
            logits = model(decoder_input_ids=ids, encoder_outputs=outputs).logits
        choices = logits[0].argmax(-1).tolist()
        assert choices[3:-1] == sample["token_ids"][4:]
        ended = choices[-1] == model.generation_config.eos_token_id
        assert ended or len(sample["token_ids"]) == 4 + SETTINGS["max_new_tokens"]


def test_encoder_states_are_the_checkpoints(sets: Path, checkpoint: Path) -> None:
    model = WhisperForConditionalGeneration.from_pretrained(local_folder(checkpoint)).eval()
    mel = np.load(sets / "encoder" / "encoder_calib_0003.npy")
    states = np.load(sets / "decoder" / "sample_0003" / "encoder_hidden_states.npy")
    with torch.no_grad():
        expected = model.model.encoder(torch.from_numpy(mel).transpose(1, 2)).last_hidden_state
    np.testing.assert_allclose(states, expected.numpy(), atol=1e-5)


def test_both_manifests_say_which_checkpoint(sets: Path, checkpoint: Path) -> None:
    for part in ("encoder", "decoder"):
        manifest = read_json(sets / part / "manifest.json")
        assert (manifest["part"], manifest["checkpoint"]) == (part, facts_of(checkpoint))


def test_manifest_lists_every_file_with_its_hash(sets: Path) -> None:
    listed = {}
    for sample in read_json(sets / "encoder" / "manifest.json")["samples"]:
        listed[f"encoder/{sample['file']}"] = sample["sha256"]
    for sample in read_json(sets / "decoder" / "manifest.json")["samples"]:
        for name in ARRAYS:
            listed[f"decoder/{sample[name]['file']}"] = sample[name]["sha256"]
    assert listed == bulk(sets) and len(listed) == 18


def test_two_runs_give_identical_bytes(
    tmp_path: Path, sets: Path, checkpoint: Path, clip_manifests: list[Path]
) -> None:
    make_sets(tmp_path, checkpoint, clip_manifests)
    assert bulk(tmp_path) == bulk(sets)
    manifest = (tmp_path / "decoder" / "manifest.json").read_bytes()
    assert manifest == (sets / "decoder" / "manifest.json").read_bytes()


def test_another_order_of_clips_permutes_the_files(
    tmp_path: Path, sets: Path, checkpoint: Path, clip_manifests: list[Path]
) -> None:
    make_sets(tmp_path, checkpoint, clip_manifests[::-1])
    assert sorted(bulk(tmp_path).values()) == sorted(bulk(sets).values())
    assert bulk(tmp_path) != bulk(sets)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for every clip that goes through the feature extractor or the encoder."""
    calls: list[str] = []
    for place, name in ((features, "encoder_input"), (OpenVinoEncoder, "encode")):
        real = getattr(place, name)

        def counting(*args, real=real, name=name):
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(place, name, counting)
    return calls


def test_a_second_run_computes_nothing_and_a_damaged_file_alone_is_made_again(
    tmp_path: Path, checkpoint: Path, clip_manifests: list[Path], encoded: list[str]
) -> None:
    make_sets(tmp_path, checkpoint, clip_manifests)
    whole = bulk(tmp_path)
    assert len(encoded) == 12
    encoded.clear()
    make_sets(tmp_path, checkpoint, clip_manifests)
    assert encoded == []
    assert not list(tmp_path.rglob("*.part*"))
    with (tmp_path / "encoder" / "encoder_calib_0002.npy").open("r+b") as file:
        file.seek(500)
        file.write(b"\xff")
    shutil.rmtree(tmp_path / "decoder" / "sample_0001")
    states = tmp_path / "decoder" / "sample_0004" / "encoder_hidden_states.npy"
    states.write_bytes(states.read_bytes()[:-10])
    make_sets(tmp_path, checkpoint, clip_manifests)
    assert encoded == ["encoder_input", "encode"]
    assert bulk(tmp_path) == whole


def test_adding_a_language_computes_that_language_only(
    tmp_path: Path, checkpoint: Path, clip_manifests: list[Path], encoded: list[str]
) -> None:
    make_sets(tmp_path / "sets", checkpoint, clip_manifests[1:])
    before = set(bulk(tmp_path / "sets").values())
    encoded.clear()
    make_sets(tmp_path / "sets", checkpoint, clip_manifests)
    assert encoded == ["encoder_input"] * 2 + ["encode"] * 2
    assert before < set(bulk(tmp_path / "sets").values())


def test_code_that_computes_an_array_is_in_its_key_and_other_code_is_not(
    tmp_path: Path,
    checkpoint: Path,
    clip_manifests: list[Path],
    encoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed: set[str] = set()
    greedy = decoder_texts.greedy

    def counting(*args: object) -> list[list[int]]:
        encoded.append("decode")
        return greedy(*args)

    def hashed(*modules: str) -> str:
        return code_hash(*modules) + str([file for file in sources(*modules) if file in changed])

    monkeypatch.setattr(decoder_texts, "greedy", counting)
    for module in (encoder, decoder_samples):
        monkeypatch.setattr(module, "code_hash", hashed)
    computed = {}
    for name, (files, _) in COMPUTED_AGAIN.items():
        changed |= set(files)
        make_sets(tmp_path, checkpoint, clip_manifests[:1])
        computed[name] = set(encoded)
        encoded.clear()
    assert computed == {name: expected for name, (_, expected) in COMPUTED_AGAIN.items()}


def test_a_smaller_set_leaves_no_files_of_the_larger(
    tmp_path: Path, checkpoint: Path, clip_manifests: list[Path]
) -> None:
    make_sets(tmp_path, checkpoint, clip_manifests)
    make_sets(tmp_path, checkpoint, clip_manifests[:1])
    assert len(bulk(tmp_path)) == 6
    assert len(list((tmp_path / "decoder" / ".clips").glob("*.json"))) == 4  # states, tokens


def test_a_clip_changed_behind_its_manifest_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    clips = make_clips(tmp_path / "clips", "de_de", "de", 1)
    with (tmp_path / "clips" / "de_de_0000.wav").open("ab") as file:
        file.write(b"..")
    with pytest.raises(UserError, match=r"de_de_0000\.wav is missing or was changed"):
        make_sets(tmp_path, checkpoint, [clips])
    assert not (tmp_path / "encoder" / "manifest.json").exists()


def test_a_language_that_the_checkpoint_does_not_know_is_named(
    tmp_path: Path, checkpoint: Path
) -> None:
    clips = make_clips(tmp_path / "clips", "fr_fr", "fr", 1)
    with pytest.raises(UserError, match=r"does not know fr_fr \(Whisper language `fr`\)"):
        make_sets(tmp_path, checkpoint, [clips])


def test_english_only_checkpoints_take_english_clips_and_a_short_prompt(
    tmp_path: Path, clip_manifests: list[Path]
) -> None:
    folder = make_checkpoint(tmp_path / "en", multilingual=False, mels=128)
    english = manifest_of(folder, tmp_path / "en.json")
    encoder_set, decoder_set = make_sets(tmp_path, english, clip_manifests)
    assert [sample["language"] for sample in encoder_set["samples"]] == ["en_us"] * 2
    assert np.load(tmp_path / "encoder" / "encoder_calib_0000.npy").shape == (1, 3000, 128)
    tokenizer = WhisperProcessor.from_pretrained(folder).tokenizer
    for sample in decoder_set["samples"]:
        prompt = tokenizer.convert_ids_to_tokens(sample["token_ids"][:2])
        assert prompt == ["<|startoftranscript|>", "<|notimestamps|>"]
        third = tokenizer.convert_ids_to_tokens(sample["token_ids"][2])
        assert third not in ("<|en|>", "<|transcribe|>", "<|translate|>")
    with pytest.raises(UserError, match="English-only; add en_us"):
        make_sets(tmp_path / "none", english, [clip_manifests[0]])


def test_the_command_line_makes_the_same_set(
    tmp_path: Path, sets: Path, checkpoint: Path, clip_manifests: list[Path]
) -> None:
    common = ["--checkpoint", str(checkpoint), "--clips", *map(str, clip_manifests)]
    encoder.main([*common, "--out", str(tmp_path / "encoder" / "manifest.json")])
    features_manifest = str(tmp_path / "encoder" / "manifest.json")
    draw = ["--seed", "0", "--mix", "transcribe=0.5", "translate=0.5", "--max-new-tokens", "6"]
    draw += ["--set-aside", "1"]
    out = ["--out", str(tmp_path / "decoder" / "manifest.json")]
    inputs = ["--features", features_manifest, "--graphs", str(graphs_of(checkpoint))]
    decoder.main([*common, *inputs, *draw, *out])
    assert bulk(tmp_path) == bulk(sets)
    assert json.loads((tmp_path / "decoder" / "manifest.json").read_text())["settings"] == SETTINGS


def test_another_prompt_is_another_sample(tmp_path: Path, checkpoint: Path) -> None:
    """The same audio under another language is not taken from what is stored."""
    manifest = make_clips(tmp_path / "clips", "de_de", "de", 1)
    make_sets(tmp_path, checkpoint, [manifest])
    manifest.write_text(
        manifest.read_text().replace('"whisper_language": "de"', '"whisper_language": "es"')
    )
    _, after = make_sets(tmp_path, checkpoint, [manifest])
    tokenizer = WhisperProcessor.from_pretrained(local_folder(checkpoint)).tokenizer
    assert tokenizer.convert_ids_to_tokens(after["samples"][0]["token_ids"][1]) == "<|es|>"


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "incomplete")
    weights = load_file(folder / "model.safetensors")
    del weights["model.decoder.layers.0.fc1.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack model\.decoder\.layers\.0\.fc1\.weight"):
        load_model(manifest_of(folder, tmp_path / "incomplete.json"))


def test_manifests_may_hold_any_character(tmp_path: Path) -> None:
    rows = [{"text": "a\u2028b\u0085c"}, {"text": "d"}]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert read_jsonl(tmp_path / "rows.jsonl") == rows
