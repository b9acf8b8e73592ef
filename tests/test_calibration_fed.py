"""What is fed: prompts and texts of every stratum, given texts, faulty ones, variants of clips."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from calibration import decoder, decoder_texts, encoder, float_whisper, set_aside
from calibration.clips import audio_of, variants
from calibration.coverage import summary
from calibration.decoder_samples import previous_text
from calibration.given_texts import text_tokens
from calibration.set_aside import fault_of
from common import disk
from common.cli import UserError
from common.files import read_json, write_json
from compilation.hand_off.readme import languages_of
from data.cache import local_folder
from data.clips import interleave
from data.whisper import load_generation, load_model, load_tokenizer
from evaluation.hear_folder import clips_for
from runtime import float_sessions
from runtime.torch_sessions import TorchDecoder, TorchEncoder
from tests.conftest import graphs_of, make_clips
from tests.test_calibration import SETTINGS, WHOLE, bulk, make_sets

ALL = {"transcribe": 0.25, "timestamps": 0.25, "translate": 0.25, "previous_text": 0.25}
LENGTHS = {"fractions": [0.5, 1.0], "silence": True}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Manifests of four clips in German, English and Korean each, with texts of their own."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for language, code in {"de_de": "de", "en_us": "en", "ko_kr": "ko"}.items():
        made.append(make_clips(folder, language, code, 4))
    return made


def fed(folder: Path, checkpoint: Path) -> list[tuple[dict, list[str]]]:
    """Each sample of a set, and the names of its tokens; what lies in its file is checked."""
    tokenizer = load_tokenizer(checkpoint)
    tables = load_file(local_folder(checkpoint) / "model.safetensors")
    tokens = tables["model.decoder.embed_tokens.weight"]
    positions = tables["model.decoder.embed_positions.weight"]
    found = []
    for sample in read_json(folder / "decoder/manifest.json")["samples"]:
        ids = sample["token_ids"]
        array = np.load(folder / "decoder" / sample["decoder_hidden_states"]["file"])
        assert np.array_equal(array[0], tokens[ids] + positions[: len(ids)])
        found.append((sample, [tokenizer.id_to_token(token) for token in ids]))
    return found


def test_every_stratum_has_its_prompt(tmp_path: Path, checkpoint: Path, clips: list[Path]) -> None:
    _, manifest = make_sets(tmp_path, checkpoint, clips, mix=ALL)
    codes = {"de_de": "de", "en_us": "en", "ko_kr": "ko"}
    for sample, names in fed(tmp_path, checkpoint):
        task = "translate" if sample["stratum"] == "translate" else "transcribe"
        prompt = ["<|startoftranscript|>", f"<|{codes[sample['language']]}|>", f"<|{task}|>"]
        begin = names.index("<|startoftranscript|>")
        assert names[begin : begin + 3] == prompt and sample["task"] == task
        assert (names[begin + 3] == "<|notimestamps|>") == (sample["stratum"] != "timestamps")
        assert (begin > 0) == (sample["stratum"] == "previous_text")
        if sample["stratum"] == "timestamps":
            assert re.fullmatch(r"<\|\d+\.\d\d\|>", names[begin + 3])
        if begin:
            assert names[0] == "<|startofprev|>" and "<|endoftext|>" not in names
    whole = manifest["coverage"]["all"]
    assert whole["strata"] == {
        "previous_text": 3,
        "timestamps": 3,
        "transcribe": 4,
        "translate": 2,
    }
    assert manifest["expected"]["translate"] == 2 and "<|startofprev|>" in whole["special_tokens"]
    assert (
        whole["samples"]
        == 12
        == sum(c["samples"] for c in manifest["coverage"]["languages"].values())
    )


def test_coverage_counts_lengths_and_positions(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    _, manifest = make_sets(tmp_path, checkpoint, clips, max_new_tokens=60, set_aside=1.0)
    lengths = sorted(len(sample["token_ids"]) for sample in manifest["samples"])
    whole = manifest["coverage"]["all"]
    assert whole["tokens"]["max"] == lengths[-1]
    assert whole["beyond"] == {
        str(place): sum(length > place + 1 for length in lengths) for place in (32, 64, 128)
    }
    assert whole["different_tokens"] == len(
        {t for s in manifest["samples"] for t in s["token_ids"]}
    )


@pytest.mark.parametrize("source", ["reference", "labels"])
def test_given_texts_need_no_decoder(
    tmp_path: Path, checkpoint: Path, clips: list[Path], source: str, monkeypatch
) -> None:
    said = {"reference": "one two", "labels": "three four five"}[source]
    names = [str(clip["path"]) for clip in interleave(clips)]
    labels = [tmp_path / "transcriptions.json", tmp_path / "translations.json"]
    write_json(labels[0], dict.fromkeys(names, said))
    write_json(labels[1], {name: {"translation": said} for name in names})
    monkeypatch.setattr(decoder_texts, "greedy", None)
    make_sets(tmp_path, checkpoint, clips, text="reference")  # the encoder's set, and states
    decoder.calibrate_decoder(
        *(checkpoint, clips, tmp_path / "encoder/manifest.json", graphs_of(checkpoint)),
        SETTINGS | {"text": source, "mix": ALL},
        tmp_path / "decoder/manifest.json",
        labels if source == "labels" else None,
    )
    tokenizer, seconds = load_tokenizer(checkpoint), {}
    for clip in interleave(clips):
        seconds[str(clip["path"])] = clip["seconds"]
    expected = tokenizer.encode(f" {said}", add_special_tokens=False).tokens
    for sample, tokens in fed(tmp_path, checkpoint):
        begin = tokens.index("<|startoftranscript|>") + 4
        if sample["stratum"] == "timestamps":
            end = f"<|{round(seconds[sample['clip']] / 0.02) * 0.02:.2f}|>"
            assert tokens[begin - 1 :] == ["<|0.00|>", *expected, end]
        else:
            assert tokens[begin:] == expected
        assert sample["text"] == source


def test_a_clip_without_its_label_is_named(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    labels = [tmp_path / "transcriptions.json", tmp_path / "translations.json"]
    for path in labels:
        write_json(path, {})
    make_sets(tmp_path, checkpoint, clips, text="reference")
    with pytest.raises(
        UserError, match=r"lack the transcribe text of .*de_de_0000\.wav; make them"
    ):
        decoder.calibrate_decoder(
            *(checkpoint, clips, tmp_path / "encoder/manifest.json", graphs_of(checkpoint)),
            SETTINGS | {"text": "labels", "mix": {"transcribe": 1.0}},
            *(tmp_path / "decoder/manifest.json", labels),
        )


def test_texts_stand_after_a_space_where_the_language_has_spaces(checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    chinese = {"whisper_language": "zh"}
    with_space = tokenizer.encode(" one", add_special_tokens=False).ids
    without = tokenizer.encode("one", add_special_tokens=False).ids
    assert with_space != without
    assert text_tokens(" one ", chinese, "transcribe", tokenizer) == without
    assert text_tokens("one", chinese, "translate", tokenizer) == with_space
    assert text_tokens("", chinese, "translate", tokenizer) == []


def test_the_text_before_is_cut_to_half_of_the_positions(checkpoint: Path) -> None:
    clip = {"whisper_language": "en", "transcription": "one two " * 200}
    tokenizer = load_tokenizer(checkpoint)
    tokens = previous_text(clip, tokenizer, load_generation(checkpoint), 448)
    assert len(tokens) == 224 and tokenizer.id_to_token(tokens[0]) == "<|startofprev|>"
    text = " " + clip["transcription"].strip()
    assert tokens[1:] == tokenizer.encode(text, add_special_tokens=False).ids[-223:]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("one two three four five six seven eight nine zero", None),
        ("", "empty"),
        (" ", "empty"),
        ("one two three " * 30, "repeats itself ('one two three', 30 times)"),
    ],
)
def test_empty_and_looping_texts_are_faults(checkpoint: Path, text: str, fault: str | None) -> None:
    tokenizer, generation = load_tokenizer(checkpoint), load_generation(checkpoint)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    timed = [generation.no_timestamps_token_id + 1, *ids, generation.no_timestamps_token_id + 50]
    for tokens in (ids, timed):
        found = fault_of(tokens, tokenizer, generation)
        assert found == fault if fault in (None, "empty") else found.startswith(fault)


def test_faulty_texts_are_listed_and_replaced_by_human_ones(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    """Random weights repeat themselves when they may go on."""
    _, manifest = make_sets(tmp_path, checkpoint, clips, mix=ALL, max_new_tokens=200)
    aside = manifest["set_aside"]
    assert aside and all(one["reason"].startswith("repeats itself") for one in aside)
    replaced = [sample for sample in manifest["samples"] if sample["text"] == "reference"]
    assert [(s["clip"], s["stratum"]) for s in replaced] == [
        (one["clip"], one["stratum"]) for one in aside
    ]
    human = load_tokenizer(checkpoint).encode(" one two", add_special_tokens=False).tokens
    for sample, tokens in fed(tmp_path, checkpoint):
        if sample["text"] == "reference":
            timed = sample["stratum"] == "timestamps"
            assert (tokens[:-1] if timed else tokens)[-len(human) :] == human
            assert tokens.count("<|startofprev|>") == (sample["stratum"] == "previous_text")
    again, _ = bulk(tmp_path), make_sets(tmp_path, checkpoint, clips, mix=ALL, max_new_tokens=200)
    assert bulk(tmp_path) == again
    with pytest.raises(
        UserError, match=r"is of no use for \d+ of 12 samples: .*repeats itself.*0\.1"
    ):
        make_sets(tmp_path, checkpoint, clips, mix=ALL, max_new_tokens=200, set_aside=0.1)


def test_texts_that_do_not_end_by_themselves_are_counted_or_set_aside(
    tmp_path: Path, checkpoint: Path, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "fault_of", lambda *_: None)  # random weights also repeat
    _, manifest = make_sets(tmp_path, checkpoint, clips, max_new_tokens=3)
    tokens = [len(sample["token_ids"]) for sample in manifest["samples"]]
    assert manifest["cut_off"] == tokens.count(4 + 3) > 0 and not manifest["set_aside"]
    assert f"{manifest['cut_off']} cut off by max_new_tokens" in summary(manifest, tmp_path)
    _, manifest = make_sets(tmp_path, checkpoint, clips, max_new_tokens=444)
    assert {one["reason"] for one in manifest["set_aside"]} == {"was cut off at the last position"}
    assert all(len(one["token_ids"]) == 448 for one in manifest["set_aside"])
    assert manifest["cut_off"] == 0


def test_own_audio_without_translation_is_transcribed_instead(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    manifests = [tmp_path / clips[2].name]
    for path in clips[2].parent.glob("ko_kr_*.wav"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    lines = clips[2].read_text(encoding="utf-8")
    manifests[0].write_text(lines.replace('"translation": "one two"', '"translation": null'))
    only = {"transcribe": 0.0, "translate": 1.0}
    _, made = make_sets(tmp_path / "a", checkpoint, manifests, mix=only, max_new_tokens=200)
    assert {(s["text"], s["task"]) for s in made["samples"]} == {("reference", "transcribe")}
    with pytest.raises(UserError, match=r"ko_kr_0000\.wav has no English reference; set"):
        make_sets(tmp_path / "b", checkpoint, manifests, mix=only, text="reference")


def test_shortened_copies_and_silence_are_in_both_sets(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    encoder_set, decoder_set = make_sets(tmp_path, checkpoint, clips, LENGTHS)
    for made in (encoder_set, decoder_set):
        samples = [(sample["clip"], sample["fraction"]) for sample in made["samples"]]
        assert len(samples) == len(set(samples)) == 25 and samples[-1][0] == "silence"
        assert {fraction for _, fraction in samples[:4]} == {0.5, 1.0}
    assert decoder_set["samples"][-1]["token_ids"][:1] == decoder_set["samples"][0]["token_ids"][:1]
    silent = np.load(tmp_path / "encoder" / encoder_set["samples"][-1]["file"])
    assert np.ptp(silent) == 0
    lines = interleave(clips)
    assert len(audio_of(lines[0] | {"fraction": 0.5})) == round(
        len(audio_of(lines[0] | {"fraction": 1.0})) / 2
    )
    again, other = bulk(tmp_path), tmp_path / "other"
    make_sets(other, checkpoint, clips[::-1], LENGTHS)
    assert sorted(bulk(other).values()) == sorted(again.values())


def test_silence_is_of_no_language(tmp_path: Path, checkpoint: Path, clips: list[Path]) -> None:
    (korean,) = (path for path in clips if path.stem == "ko_kr")
    encoder_set, decoder_set = make_sets(tmp_path, checkpoint, [korean], LENGTHS)
    assert encoder_set["samples"][-1]["language"] == "en_us"  # the prompt over it is English
    manifest = {"calibration": {"encoder": encoder_set}}
    assert languages_of(manifest) == ["ko"]
    assert clips_for(manifest, korean.parent) == [korean]
    with pytest.raises(UserError, match=r"^--clips .*nowhere is no folder; give a folder such as"):
        clips_for(manifest, korean.parent / "nowhere")
    counts = decoder_set["coverage"]
    assert counts["languages"].keys() == {"ko_kr"}
    assert counts["languages"]["ko_kr"]["samples"] == counts["all"]["samples"] - 1


def test_variants_take_turns() -> None:
    made = variants([{"n": 0}, {"n": 1}, {"n": 2}], [0.2, 1.0], False)
    assert [(clip["n"], clip["fraction"]) for clip in made] == [
        *((0, 0.2), (1, 1.0), (2, 0.2)),
        *((0, 1.0), (1, 0.2), (2, 1.0)),
    ]


@pytest.mark.parametrize("count", [2, 3])
def test_shards_make_the_same_bytes(
    tmp_path: Path, checkpoint: Path, clips: list[Path], count: int, monkeypatch
) -> None:
    whole, shards = tmp_path / "whole", tmp_path / "shards"
    _, expected = make_sets(whole, checkpoint, clips, mix=ALL)
    arguments = [checkpoint, clips, shards / "encoder/manifest.json", graphs_of(checkpoint)]
    arguments.append(SETTINGS | {"mix": ALL})
    encoder.calibrate_encoder(checkpoint, clips, WHOLE, shards / "encoder/manifest.json")
    keys = []
    for number in range(1, count + 1):
        out = shards / f"decoder/shards/{number}_of_{count}.json"
        done = decoder.calibrate_decoder(*arguments, out, shard=(number, count))
        assert 12 // count - 1 <= len(done["keys"]) <= 12 // count + 1
        keys += done["keys"]
    assert len(set(keys)) == 12
    monkeypatch.setattr(decoder_texts, "greedy", None)  # nothing is left to do
    made = decoder.calibrate_decoder(*arguments, shards / "decoder/manifest.json")
    assert made == expected and bulk(shards) == bulk(whole)


def test_what_the_disk_cannot_hold_is_refused_before_any_work(
    tmp_path: Path, checkpoint: Path, clips: list[Path], monkeypatch
) -> None:
    make_sets(tmp_path, checkpoint, clips)
    files = [path for path in (tmp_path / "decoder/.clips").iterdir() if path.is_file()]
    taken = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink()
    free = {"bytes": 0}
    monkeypatch.setattr(disk, "free_bytes", lambda folder: free["bytes"])
    with pytest.raises(UserError, match=r"decoder's calibration set needs 0\.00 GB more, but"):
        make_sets(tmp_path, checkpoint, clips)
    assert not list((tmp_path / "decoder/.clips").iterdir())
    free["bytes"] = round(1.1 * taken)
    make_sets(tmp_path, checkpoint, clips)
    for path in (tmp_path / "decoder/.clips").iterdir():
        path.unlink()
    free["bytes"] = round(0.9 * taken)
    with pytest.raises(UserError, match="decoder's calibration set needs"):
        make_sets(tmp_path, checkpoint, clips)


def test_damaged_records_are_made_again_and_damaged_graphs_refused(
    tmp_path: Path, checkpoint: Path, clips: list[Path]
) -> None:
    make_sets(tmp_path, checkpoint, clips)
    whole = bulk(tmp_path)
    for path in sorted((tmp_path / "decoder/.clips").glob("*.json"))[:3]:
        path.write_text("{", encoding="utf-8")
    make_sets(tmp_path, checkpoint, clips)
    assert bulk(tmp_path) == whole
    graphs = tmp_path / "float"
    shutil.copytree(graphs_of(checkpoint).parent, graphs)
    weights = graphs / "decoder.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"decoder\.bin is missing or was changed; delete"):
        decoder.calibrate_decoder(
            *(checkpoint, clips, tmp_path / "encoder/manifest.json", graphs / "manifest.json"),
            *(SETTINGS | {"max_new_tokens": 9}, tmp_path / "decoder/manifest.json"),
        )


def test_torch_sessions_make_the_same_set_within_tolerance(
    tmp_path: Path, checkpoint: Path, clips: list[Path], monkeypatch
) -> None:
    """What a GPU runs, run on the CPU: several clips at once through the encoder."""
    _, expected = make_sets(tmp_path / "openvino", checkpoint, clips, mix=ALL)
    model = load_model(checkpoint)
    sessions = float_sessions.FloatSessions(
        encoder=lambda: TorchEncoder(model),
        decoder=lambda: TorchDecoder(model),
        encoded_at_once=5,
        decoder_bytes=4_000_000_000,
        device="torch",
    )
    monkeypatch.setattr(float_whisper, "float_sessions", lambda graphs, checkpoint: sessions)
    _, made = make_sets(tmp_path / "torch", checkpoint, clips, mix=ALL)
    assert made["device"] == "torch" and expected["device"].startswith("cpu")
    for one, other in zip(made["samples"], expected["samples"], strict=True):
        assert one["token_ids"] == other["token_ids"]
        paths = [
            tmp_path / name / "decoder" / one["encoder_hidden_states"]["file"]
            for name in ("torch", "openvino")
        ]
        np.testing.assert_allclose(*map(np.load, paths), atol=1e-4)
