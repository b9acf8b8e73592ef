"""A generation configuration and the tokenizer: one model, one prompt, one search, or a sentence.

Every case is the random checkpoint with one file edited.
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.cli import UserError
from common.files import read_json
from data.cache import local_folder
from data.checkpoint_generation import check_generation
from data.whisper import load_generation
from tests.conftest import make_checkpoint
from tests.odd_checkpoints import (
    copy_of,
    edit,
    have,
    mended,
    sentence,
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


@pytest.mark.parametrize(
    ("said", "end", "reason"),
    [
        (False, 7, "has 2 languages in lang_to_id"),
        (False, 50257, "its tokenizer is that of the multilingual models (<|endoftext|> is token"),
        (True, 50256, "its tokenizer is that of the English-only models (<|endoftext|> is token"),
    ],
)
def test_models_of_several_languages_and_of_english_are_told_apart(
    said: bool, end: int, reason: str
) -> None:
    languages = {"<|de|>": end + 2, "<|en|>": end + 3}
    ids = {"<|endoftext|>": end, "<|startoftranscript|>": end + 1, **languages}
    ids |= {"<|transcribe|>": end + 4, "<|notimestamps|>": end + 5}
    generation = {"is_multilingual": said, "no_timestamps_token_id": end + 5}
    generation |= {"lang_to_id": languages} if said or end == 7 else {}
    generation |= {"task_to_id": {"transcribe": end + 4}}
    config = {"vocab_size": end + 6}
    with pytest.raises(
        UserError, match=re.escape(f"is_multilingual {json.dumps(said)}, but {reason}")
    ):
        check_generation(generation, ids, config, "there")
    if end > 7:
        check_generation(
            generation | {"is_multilingual": not said, "lang_to_id": languages},
            ids,
            config,
            "there",
        )


def test_a_flipped_is_multilingual_is_a_sentence(folder: Path) -> None:
    edit(folder / GENERATION, lambda g: g.update(is_multilingual=False))
    assert "says is_multilingual false, but has 8 languages in lang_to_id" in sentence(folder)


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
