"""What a checkpoint's files say of each other: each contradiction is a sentence, grouped by file.

Every case is the random checkpoint with one file edited.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import WhisperProcessor

from common.files import read_json, write_json
from data.cache import local_folder
from data.whisper import load_generation, load_tokenizer
from tests.conftest import ROOT, make_checkpoint
from tests.odd_checkpoints import (
    copy_of,
    edit,
    have,
    mended,
    reweigh,
    sentence,
    with_more_rows,
    without_tokenizer,
)

Json = dict[str, Any]
GENERATION, TOKENIZER = "generation_config.json", "tokenizer.json"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    """A copy of the random checkpoint, to be edited."""
    return copy_of(checkpoint, tmp_path)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English-only checkpoint."""
    return make_checkpoint(tmp_path_factory.mktemp("english") / "en", multilingual=False)


def test_a_checkpoint_whose_files_agree_stays_where_it_is(folder: Path) -> None:
    manifest = have(folder)
    assert set(read_json(manifest)) == {"source", "revision", "commit", "files"}
    assert local_folder(manifest) == folder


# generation_config.json


def of_another_family(generation: Json) -> None:
    """As if a token had been put in before those of the tasks, as in large-v3."""
    generation["no_timestamps_token_id"] += 1
    generation["task_to_id"] = {task: one + 1 for task, one in generation["task_to_id"].items()}


CONTRADICTIONS = {
    "another family": (of_another_family, "<|notimestamps|> is token 1708"),
    "start": (lambda g: g.update(decoder_start_token_id=7), "<|startoftranscript|> is token 7"),
    "end": (lambda g: g.update(eos_token_id=[5, 7]), "<|endoftext|> is token [5, 7]"),
    "end as text": (lambda g: g.update(eos_token_id="1600"), '<|endoftext|> is token "1600"'),
    "task": (lambda g: g["task_to_id"].update(translate=1), "<|translate|> is token 1 "),
    "no task": (lambda g: g["task_to_id"].pop("transcribe"), "<|transcribe|> is token null"),
    "language": (lambda g: g["lang_to_id"].update({"<|ko|>": 1608}), "<|ko|> is token 1608"),
    "language beyond": (lambda g: g["lang_to_id"].update({"<|xx|>": 1703}), "<|xx|> is token 1703"),
}


@pytest.mark.parametrize(("change", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_tokens_of_another_model_are_refused(folder: Path, change: Callable, said: str) -> None:
    edit(folder / GENERATION, change)
    text = sentence(folder)
    assert said in text and f"replace {GENERATION}" in text and str(folder) in text
    assert "its tokenizer " in text


def test_a_language_of_another_name_and_the_same_id_is_known(folder: Path) -> None:
    ids = read_json(folder / GENERATION)["lang_to_id"]
    number = ids["<|ko|>"] + 12  # of another language of the tokenizer
    edit(folder / GENERATION, lambda g: g["lang_to_id"].update({"<|iw|>": number}))
    assert load_generation(have(folder)).lang_to_id["<|iw|>"] == number


@pytest.mark.parametrize("key", ["suppress_tokens", "begin_suppress_tokens", "eos_token_id"])
def test_tokens_that_the_model_has_not_are_refused(folder: Path, key: str) -> None:
    edit(folder / GENERATION, lambda g: g.update({key: [1600, 50257]}))
    assert f"has the token 50257 in {key}, but config.json says that there are 3209" in sentence(
        folder
    )


NOT_OBEYED = {
    "timestamps": {"return_timestamps": True},
    "beams": {"num_beams": 5, "early_stopping": True, "length_penalty": 0.8},
    "bans": {"no_repeat_ngram_size": 3, "repetition_penalty": 1.3, "bad_words_ids": [[5]]},
    "sampling": {"do_sample": True, "temperature": 0.4, "top_k": 5},
    "limits": {"max_new_tokens": 20, "min_length": 3},
    "prompt": {"language": "korean", "task": "translate"},
    "shape of what is returned": {"return_dict_in_generate": True, "output_attentions": True},
    "unknown": {"sampler": "new"},
}


@pytest.mark.parametrize("settings", NOT_OBEYED.values(), ids=NOT_OBEYED)
def test_settings_of_prompt_and_search_are_left_out_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str], settings: Json
) -> None:
    before = read_json(folder / GENERATION)
    edit(folder / GENERATION, lambda g: g.update(settings))
    manifest = have(folder)
    assert vars(load_generation(manifest)) == before
    assert read_json(folder / GENERATION) != before  # the engineer's file is as it was
    log = capsys.readouterr().err
    for key, value in settings.items():
        line = f"{GENERATION}: {key} {json.dumps(value)} is left out"
        assert line in mended(manifest) and line in log
    (original,) = read_json(manifest)["original"]
    assert original["path"] == GENERATION


@pytest.mark.parametrize(
    "settings",
    [
        {"num_beams": 1, "do_sample": False, "temperature": 1.0, "repetition_penalty": 1.0},
        {"return_timestamps": False, "suppress_tokens": [1, 2], "begin_suppress_tokens": [220]},
        {"alignment_heads": [[1, 0], [0, 1]], "max_initial_timestamp_index": 50},
        {"forced_decoder_ids": [[1, None], [2, 1703]]},  # as in openai/whisper-small
        {"forced_decoder_ids": [[1, None], [2, 1703], [3, 1707]]},
    ],
)
def test_settings_that_say_what_is_so_anyway_stay(folder: Path, settings: Json) -> None:
    edit(folder / GENERATION, lambda g: g.update(settings))
    assert local_folder(have(folder)) == folder


@pytest.mark.parametrize("value", [225, 1, None, 448.5, "absent"])
def test_texts_may_be_as_long_as_the_model_can(folder: Path, value: Any) -> None:
    edit(folder / GENERATION, lambda g: g.update(max_length=value))
    if value == "absent":
        edit(folder / GENERATION, lambda g: g.pop("max_length"))
    manifest = have(folder)
    assert load_generation(manifest).max_length == 448
    assert "max_length" in mended(manifest)


def test_forced_tokens_of_another_prompt_are_replaced(folder: Path) -> None:
    edit(folder / GENERATION, lambda g: g.update(forced_decoder_ids=[[1, 1602], [2, 1702]]))
    manifest = have(folder)
    assert load_generation(manifest).forced_decoder_ids == [[1, None], [2, 1703]]
    assert "forced_decoder_ids [[1, 1602], [2, 1702]] is set to" in mended(manifest)


@pytest.mark.parametrize("key", ["decoder_start_token_id", "eos_token_id"])
@pytest.mark.parametrize("null", [True, False])
def test_what_the_tokenizer_knows_by_name_is_filled_in(folder: Path, key: str, null: bool) -> None:
    whole = vars(load_generation(have(folder)))
    edit(folder / GENERATION, lambda g: g.update({key: None}) if null else g.pop(key))
    manifest = have(folder)
    assert vars(load_generation(manifest)) == whole
    assert f"set to {whole[key]}" in mended(manifest)


def test_a_wrong_token_of_earlier_text_is_mended(folder: Path) -> None:
    edit(folder / GENERATION, lambda g: g.update(prev_sot_token_id=1706))
    manifest = have(folder)
    assert load_generation(manifest).prev_sot_token_id == 1705
    assert "prev_sot_token_id 1706 is set to 1705" in mended(manifest)


def test_an_english_only_model_is_asked_for_neither_language_nor_task(
    english: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(english, tmp_path / "en"))
    assert local_folder(have(folder)) == folder
    before = vars(load_generation(have(folder)))
    more = {"language": "en", "task": "transcribe", "lang_to_id": {"<|en|>": 1602}}
    edit(folder / GENERATION, lambda g: g.update(more))
    manifest = have(folder)
    assert vars(load_generation(manifest)) == before
    assert all(key in mended(manifest) for key in more)


@pytest.mark.parametrize("file", [GENERATION, "config.json"])
def test_an_english_only_model_is_forced_to_its_own_prompt(
    english: Path, tmp_path: Path, file: str
) -> None:
    """The library takes the forced tokens of config.json where there are no others."""
    folder = Path(shutil.copytree(english, tmp_path / "en"))
    edit(folder / file, lambda content: content.update(forced_decoder_ids=[[1, 1602], [2, 1707]]))
    assert load_generation(have(folder)).forced_decoder_ids == [[1, 1707]]
    edit(folder / file, lambda content: content.update(forced_decoder_ids=[[1, 1707]]))
    assert local_folder(have(folder)) == folder


@pytest.mark.parametrize("heads", [[[3, 1]], [[0, 2]], [[0]], [3], 5])
def test_alignment_heads_of_another_decoder_are_left_out(folder: Path, heads: Any) -> None:
    edit(folder / GENERATION, lambda g: g.update(alignment_heads=heads))
    assert f"alignment_heads {json.dumps(heads)} is left out" in mended(have(folder))


@pytest.mark.parametrize("value", [-1, "50", 1.5])
def test_a_latest_first_time_that_is_none_is_left_out(folder: Path, value: Any) -> None:
    edit(folder / GENERATION, lambda g: g.update(max_initial_timestamp_index=value))
    manifest = have(folder)
    assert "max_initial_timestamp_index" in mended(manifest)
    assert not hasattr(load_generation(manifest), "max_initial_timestamp_index")


@pytest.mark.parametrize("value", [{}, [1602], {"<|ko|>": "1607"}, None])
@pytest.mark.parametrize("key", ["lang_to_id", "task_to_id"])
def test_what_names_no_languages_or_tasks_is_refused(folder: Path, key: str, value: Any) -> None:
    edit(folder / GENERATION, lambda g: g.update({key: value}))
    assert f"{GENERATION} of {folder} has no {key}" in sentence(folder)


# Feature extractor and config.json

EXTRACTORS = {
    "mels": ({"feature_size": 128}, "feature_size 128, but config.json says num_mel_bins 80"),
    "window": ({"chunk_length": 15}, "chunk_length 15, but config.json says max_source_positions"),
    "rate": ({"sampling_rate": 8000}, "sampling_rate 8000, but Whisper hears 16000"),
    "hop": ({"hop_length": 320}, "hop_length 320, but config.json says max_source_positions 1500"),
    "hop 0": ({"hop_length": 0}, "hop_length 0, but"),
    "text": ({"chunk_length": "30"}, 'chunk_length "30", but'),
}


@pytest.mark.parametrize(("change", "said"), EXTRACTORS.values(), ids=EXTRACTORS)
@pytest.mark.parametrize("name", ["processor_config.json", "preprocessor_config.json"])
def test_features_that_the_model_does_not_take_are_refused(
    folder: Path, name: str, change: Json, said: str
) -> None:
    own = read_json(folder / "processor_config.json")
    edit(folder / "processor_config.json", lambda c: c.pop("feature_extractor"))
    content = own["feature_extractor"] | change
    if name == "processor_config.json":
        content = own | {"feature_extractor": content}
    write_json(folder / name, content)
    text = sentence(folder)
    assert f"{name} of {folder} says {said}" in text and f"mend {name}" in text


def test_a_processor_that_says_nothing_of_features_is_none(folder: Path) -> None:
    edit(folder / "processor_config.json", lambda c: c.pop("feature_extractor"))
    assert "has no preprocessor_config.json or processor_config.json, hence no feature" in sentence(
        folder
    )


def test_weights_that_are_quantised_already_are_refused(folder: Path) -> None:
    packed = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    edit(folder / "config.json", lambda c: c.update(quantization_config=packed))
    assert "config.json of" in sentence(folder) and "(bitsandbytes)" in sentence(folder)


@pytest.mark.parametrize("value", ["80", 0, None, 80.0])
def test_sizes_that_are_none_are_refused(folder: Path, value: Any) -> None:
    edit(folder / "config.json", lambda c: c.update(num_mel_bins=value))
    assert f"says num_mel_bins {json.dumps(value)}, which is no size" in sentence(folder)


@pytest.mark.parametrize("name", ["processor_config.json", "preprocessor_config.json"])
def test_noise_is_not_added_to_features(folder: Path, name: str) -> None:
    own = read_json(folder / "processor_config.json")
    own["feature_extractor"]["dither"] = 1e-4
    (folder / "processor_config.json").unlink()
    write_json(folder / name, own if name[:4] == "proc" else own["feature_extractor"])
    manifest = have(folder)
    extractor = WhisperProcessor.from_pretrained(local_folder(manifest)).feature_extractor
    assert extractor.dither == 0 and extractor.feature_size == 80
    assert f"{name}: dither is set to 0" in mended(manifest)


def test_heads_that_do_not_divide_the_width_are_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.update(decoder_attention_heads=3))
    assert "d_model 32 and decoder_attention_heads 3" in sentence(folder)


@pytest.mark.parametrize("text", ["[]", "{", "\x80"])
@pytest.mark.parametrize("name", ["config.json", GENERATION, TOKENIZER, "processor_config.json"])
def test_files_that_hold_no_object_are_refused(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="latin-1")
    assert f"{name} of {folder}" in sentence(folder)


# Weights


FC1 = "model.decoder.layers.1.fc1.weight"
SHAPES = {
    "vocabulary": ({"vocab_size": 51865}, "embed_tokens.weight in the shape [3209, 32]", "[51865"),
    "positions": (
        {"max_target_positions": 224},
        "embed_positions.weight in the shape [448",
        "[224",
    ),
    "width": (
        {"decoder_ffn_dim": 128},
        "decoder.layers.0.fc1.weight in the shape [64",
        "[128, 32]",
    ),
    "layers": (
        {"decoder_layers": 1},
        "says decoder_layers 1, but the weights have 2",
        "config.json",
    ),
    "more layers": ({"encoder_layers": 3}, "lack model.encoder.layers.2.", "config.json asks for"),
}


@pytest.mark.parametrize(("change", "found", "asked"), SHAPES.values(), ids=SHAPES)
def test_weights_of_another_size_than_config_says_are_refused(
    folder: Path, change: Json, found: str, asked: str
) -> None:
    edit(folder / "config.json", lambda c: c.update(change))
    text = sentence(folder)
    assert found in text and asked in text and "mend config.json" in text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_one_value_that_is_not_finite_is_found(folder: Path, value: float, dtype: str) -> None:
    import torch
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    weights = load_torch(folder / "model.safetensors")
    weights = {name: tensor.to(getattr(torch, dtype)) for name, tensor in weights.items()}
    save_torch(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert local_folder(have(folder)) == folder
    weights[FC1][63, 31] = value
    save_torch(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder.parent / "manifests" / "odd.json").unlink()
    assert f"model.safetensors of {folder} holds NaN or infinity in {FC1}" in sentence(folder)


def test_weights_that_hear_other_mel_bins_are_refused(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.update(num_mel_bins=128))
    name = "processor_config.json"
    assert "feature_size 80, but config.json says num_mel_bins 128: mend" in sentence(folder)
    edit(folder / name, lambda c: c["feature_extractor"].update(feature_size=128))
    text = sentence(folder)
    assert "model.encoder.conv1.weight in the shape [32, 80, 3]" in text and "[32, 128, 3]" in text


def test_weights_in_integers_are_refused(folder: Path) -> None:
    reweigh(folder, lambda w: w.update({FC1: w[FC1].astype(np.int8)}))
    assert f"{FC1} as I8" in sentence(folder)


def test_weights_saved_without_the_head_are_taken(folder: Path) -> None:
    """Names without `model.`, as WhisperModel saves them."""
    weights = load_file(folder / "model.safetensors")
    weights = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert local_folder(have(folder)) == folder


# Tokenizer


def padded(tokenizer: Json) -> None:
    """As a trainer that pads to a fixed length leaves the file."""
    tokenizer["padding"] = {
        "strategy": {"Fixed": 448}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 1600, "pad_type_id": 0, "pad_token": "<|endoftext|>",
    }  # fmt: skip
    tokenizer["truncation"] = {
        "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0,
    }  # fmt: skip


def test_padding_and_truncation_are_switched_off(folder: Path) -> None:
    text = "one two three four five six seven"
    expected = load_tokenizer(have(folder)).encode(text, add_special_tokens=False).ids
    edit(folder / TOKENIZER, padded)
    manifest = have(folder)
    tokenizer = load_tokenizer(manifest)
    assert tokenizer.encode(text, add_special_tokens=False).ids == expected
    assert "padding of tokenizer.json is switched off" in mended(manifest)
    assert "truncation of tokenizer.json is switched off" in mended(manifest)


def test_a_tokenizer_of_lists_is_that_of_tokenizer_json(folder: Path) -> None:
    whole = WhisperProcessor.from_pretrained(folder).tokenizer
    text = "Ein Bär läuft. 火 #1 "
    ids = whole.convert_tokens_to_ids(["<|startoftranscript|>", "<|ko|>", "<|notimestamps|>"])
    ids += [
        *whole.encode(text, add_special_tokens=False),
        *whole.convert_tokens_to_ids(["<|0.02|>"]),
    ]
    without_tokenizer(folder)
    manifest = have(folder)
    made = WhisperProcessor.from_pretrained(local_folder(manifest)).tokenizer
    for tokenizer in (made, whole):
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert made.get_vocab() == whole.get_vocab()
    assert made.encode(text) == whole.encode(text)
    assert made.all_special_ids == whole.all_special_ids
    timed = {"skip_special_tokens": True, "decode_with_timestamps": True}
    assert made.decode(ids, **timed) == whole.decode(ids, **timed)
    mine = load_tokenizer(manifest)
    assert mine.encode(text, add_special_tokens=False).ids == ids[3:-1]
    assert "made of vocab.json, merges.txt and the added tokens" in mended(manifest)


def test_half_a_tokenizer_is_refused(folder: Path) -> None:
    without_tokenizer(folder)
    (folder / "merges.txt").unlink()
    assert "has no merges.txt, hence no tokenizer (vocab.json is half of one)" in sentence(folder)


def test_tokens_of_prompts_are_no_text(folder: Path) -> None:
    def plain(content: Json) -> None:
        content["added_tokens"] = [
            entry | {"special": entry["content"] == "<|endoftext|>"}
            for entry in content["added_tokens"]
        ]

    edit(folder / TOKENIZER, plain)
    edit(folder / "tokenizer_config.json", lambda c: c.pop("extra_special_tokens"))
    manifest = have(folder)
    tokenizer = load_tokenizer(manifest)
    ids = tokenizer.encode("<|startoftranscript|><|ko|><|transcribe|><|notimestamps|>one").ids
    assert tokenizer.decode(ids) == "one"
    assert "<|startoftranscript|> and 106 more is a special token" in mended(manifest)


@pytest.mark.parametrize("kept", [TOKENIZER, "added_tokens.json"])
def test_tokens_that_a_fine_tune_added_are_known(folder: Path, kept: str) -> None:
    more = {"[laugh]": 3209, "[cough]": 3210}
    if kept == TOKENIZER:
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        entries = [{"id": number, "content": token, **plain} for token, number in more.items()]
        edit(folder / TOKENIZER, lambda c: c["added_tokens"].extend(entries))
    else:
        write_json(folder / kept, more)
    with_more_rows(folder, 1)
    assert "the token [cough] with the id 3210, but config.json says that there are 3210" in (
        sentence(folder)
    )
    with_more_rows(folder, 1)
    tokenizer = load_tokenizer(have(folder))
    assert tokenizer.encode("[laugh]", add_special_tokens=False).ids == [3209]
    assert tokenizer.decode([3210, 3209]) == "[cough][laugh]"


def test_added_tokens_that_are_two_tokens_are_refused(folder: Path) -> None:
    write_json(folder / "added_tokens.json", {"<|ko|>": 1608})
    assert "says that <|ko|> is token 1608, but tokenizer.json says 1607" in sentence(folder)


def test_the_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    whole = (folder / TOKENIZER).read_text()
    model = {"type": "WordPiece", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}
    model |= {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    edit(folder / TOKENIZER, lambda c: c.update(model=model))
    assert "is a WordPiece, and no byte-level BPE" in sentence(folder)
    (folder / TOKENIZER).write_text(whole)
    edit(folder / TOKENIZER, lambda c: c.update(added_tokens=[]))
    assert "<|notimestamps|> is token 1707" in sentence(folder)


@pytest.mark.parametrize("change", [{"model": None}, {"added_tokens": [{}]}, {"decoder": {"a": 1}}])
def test_a_damaged_tokenizer_is_refused(folder: Path, change: Json) -> None:
    edit(folder / TOKENIZER, lambda c: c.update(change))
    assert f"the tokenizer of {folder} cannot be read (" in sentence(folder)


def test_merges_of_another_vocabulary_are_refused(folder: Path) -> None:
    without_tokenizer(folder)
    with (folder / "merges.txt").open("a", encoding="utf-8") as file:
        file.write("never before\n")
    assert f"the tokenizer of {folder} cannot be read (" in sentence(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json"])
def test_small_files_that_only_the_library_reads_are_read(folder: Path, name: str) -> None:
    (folder / name).write_text("{")
    assert f"{name} of {folder} is not JSON" in sentence(folder)


def test_the_look_needs_neither_torch_nor_transformers(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from data.checkpoint import main; main(sys.argv[1:]);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    options = ["--source", str(folder), "--out", str(tmp_path / "checkpoint.json")]
    subprocess.run([sys.executable, "-c", code, *options], check=True, cwd=ROOT)
