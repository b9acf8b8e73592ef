"""Greedy decoding in batches gives what transformers' `generate` gives, token for token."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from calibration.greedy import batches, first_feed, greedy, rules_of
from calibration.prompts import prompt_tokens
from data.cache import local_folder
from data.whisper import load_generation
from runtime.openvino_sessions import float_decoder
from runtime.tables import TABLES, load_tables
from tests.conftest import graphs_of, make_checkpoint, manifest_of

LIMIT = 40
LANGUAGES = ["de", "en", "ko"]


def states_of(model: WhisperForConditionalGeneration, count: int) -> torch.Tensor:
    """Encoder states of clips of noise of different loudness."""
    generator = torch.Generator().manual_seed(0)
    frames, mels = 2 * model.config.max_source_positions, model.config.num_mel_bins
    levels = torch.linspace(0.1, 2, count)[:, None, None]
    with torch.inference_mode():
        mel = levels * torch.randn(count, mels, frames, generator=generator)
        return model.model.encoder(mel).last_hidden_state


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> WhisperForConditionalGeneration:
    """The random multilingual checkpoint in torch."""
    return WhisperForConditionalGeneration.from_pretrained(local_folder(checkpoint)).eval()


def cut(ids: list[int], prompt: int, ends: list[int]) -> list[int]:
    """Without the first end token after the prompt, and what follows it."""
    end = next((i for i, token in enumerate(ids) if i >= prompt and token in ends), len(ids))
    return ids[:end]


def by_library(
    model: WhisperForConditionalGeneration,
    states: torch.Tensor,
    changes: dict,
    prompt: int,
    **arguments: object,
) -> list[list[int]]:
    """What `generate` feeds the decoder, clip by clip; `changes` of the generation configuration."""
    generation = deepcopy(model.generation_config)
    for name, value in changes.items():
        setattr(generation, name, value)
    ends = generation.eos_token_id
    arguments |= {"generation_config": generation}
    arguments |= {"max_new_tokens": LIMIT, "force_unique_generate_call": True}
    languages = arguments.pop("language", [None] * len(states))
    rows = []
    for row, language in zip(states, languages, strict=True):
        asked = {"language": language} if language else {}
        outputs = BaseModelOutput(last_hidden_state=row[None])
        ids = model.generate(encoder_outputs=outputs, **asked, **arguments)[0].tolist()
        rows.append(cut(ids, prompt, ends if isinstance(ends, list) else [ends]))
    return rows


def by_us(
    checkpoint: Path, states: torch.Tensor, prompts: list[list[int]], changes: dict
) -> list[list[int]]:
    """The same by batches of this project."""
    generation = SimpleNamespace(**vars(load_generation(checkpoint)) | changes)
    folder = graphs_of(checkpoint).parent
    decoder, positions = float_decoder(folder), len(load_tables(folder / TABLES).positions)
    return greedy(decoder, states.numpy(), prompts, rules_of(generation), positions, LIMIT)


@pytest.mark.parametrize(
    "changes",
    [{}, {"suppress_tokens": "most frequent"}, {"begin_suppress_tokens": "first"}],
    ids=["free", "suppress", "begin_suppress"],
)
@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_batches_equal_generate(checkpoint: Path, model, task: str, changes: dict) -> None:
    states = states_of(model, len(LANGUAGES))
    generation = model.generation_config
    prompts = [prompt_tokens(language, task, generation) for language in LANGUAGES]
    free = by_library(model, states, {}, 4, language=LANGUAGES, task=task)
    said = [token for row in free for token in row[4:]]
    chosen = {
        "most frequent": sorted(set(said), key=said.count)[-5:],
        "first": [row[4] for row in free],
    }
    changes = {key: chosen[name] for key, name in changes.items()}
    expected = by_library(model, states, changes, 4, language=LANGUAGES, task=task)
    assert by_us(checkpoint, states, prompts, changes) == expected
    assert not changes or expected != free


@pytest.mark.parametrize("first", [None, 3])
def test_timestamps_equal_generate(checkpoint: Path, model, first: int | None) -> None:
    states = states_of(model, len(LANGUAGES))
    generation = model.generation_config
    prompts = [prompt_tokens(one, "timestamps", generation) for one in LANGUAGES]
    changes = {"max_initial_timestamp_index": first}
    asked = {"language": LANGUAGES, "task": "transcribe", "return_timestamps": True}
    expected = by_library(model, states, changes, 3, **asked)
    assert by_us(checkpoint, states, prompts, changes) == expected
    times = [
        token for row in expected for token in row if token > generation.no_timestamps_token_id
    ]
    assert len(times) > len(LANGUAGES)


def test_prompts_of_previous_text_of_different_lengths_equal_generate(
    checkpoint: Path, model
) -> None:
    """Of one batch: what is beyond the first feed is fed token by token."""
    generation = model.generation_config
    lengths, languages = [30, 44, 57], ["de", "ko", "en"]
    states = states_of(model, len(lengths))
    rng = np.random.default_rng(0)
    before = [[generation.prev_sot_token_id, *rng.integers(10, 300, n).tolist()] for n in lengths]
    prompts = [
        [*text, *prompt_tokens(language, "previous_text", generation)]
        for text, language in zip(before, languages, strict=True)
    ]
    assert {first_feed(prompt) for prompt in prompts} == {32}
    expected = []
    for row, language in enumerate(languages):
        asked = {"language": [language], "task": "transcribe"}
        asked["prompt_ids"] = torch.tensor(before[row])
        expected += by_library(model, states[row : row + 1], {}, len(prompts[row]), **asked)
    assert by_us(checkpoint, states, prompts, {}) == expected
    assert len({len(row) for row in expected}) > 1


def test_english_only_checkpoints_equal_generate(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "en", multilingual=False)
    checkpoint = manifest_of(folder, tmp_path / "en.json")
    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    states = states_of(model, 2)
    prompts = [prompt_tokens("en", "transcribe", model.generation_config)] * 2
    assert by_us(checkpoint, states, prompts, {}) == by_library(model, states, {}, 2)


def test_every_end_token_of_a_list_ends_the_sequence(checkpoint: Path, model) -> None:
    states = states_of(model, 2)
    prompts = [prompt_tokens("de", "transcribe", model.generation_config)] * 2
    whole = by_us(checkpoint, states, prompts, {})
    ends = [model.generation_config.eos_token_id, whole[0][6]]
    changes = {"eos_token_id": ends}
    for before, after in zip(whole, by_us(checkpoint, states, prompts, changes), strict=True):
        assert after == cut(before, 4, ends)


def test_a_clips_tokens_and_bytes_do_not_depend_on_its_batch(checkpoint: Path, model) -> None:
    """Neither on the row nor on the neighbours: batches may be cut anywhere."""
    decoder = float_decoder(graphs_of(checkpoint).parent)
    states = states_of(model, 8).numpy()
    prompt = prompt_tokens("de", "transcribe", model.generation_config)

    def logits(rows: list[int]) -> np.ndarray:
        decoder.start(states[rows])
        return decoder.step(np.array([prompt] * 4), 0)

    first = logits([0, 1, 2, 3])
    assert np.array_equal(logits([3, 2, 1, 0])[::-1], first)
    assert np.array_equal(logits([5, 1, 7, 0])[1], first[1])
    assert not np.array_equal(first[0], first[1])


def test_batches_hold_every_prompt_once_and_one_length_of_the_first_feed() -> None:
    lengths = [4, 3, 40, 4, 70, 33, 4, 4, 3]
    prompts = [[index % 2] * length for index, length in enumerate(lengths)]
    made = list(batches(prompts, 2))
    assert sorted(index for batch in made for index in batch) == list(range(len(prompts)))
    assert all(len({first_feed(prompts[index]) for index in batch}) == 1 for batch in made)
    assert sorted(map(len, made)) == [1, 2, 2, 2, 2]
