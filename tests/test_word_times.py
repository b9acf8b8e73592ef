"""Times of words on an NPU's folder: those that transformers gives of the float model."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from common.cli import UserError
from common.files import read_json, write_json
from compilation.hand_off import alignment, readme, sums
from data.cache import local_folder
from data.clips import interleave, read_audio
from evaluation import transcribe
from runtime.word_times import WordTimes
from tests.test_npu_folder import device, running  # noqa: F401
from tests.test_npu_folder import folder as npu  # noqa: F401

HEADS = [[0, 2], [0, 3], [1, 0], [1, 1], [1, 2]]


def test_words_have_the_times_that_transformers_gives_them(
    device: Any,  # noqa: F811
    demo: Path,
    npu: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UserError, match=r"has no alignment\.xml: .* no alignment_heads"):
        WordTimes(npu)
    generation = read_json(npu / "generation_config.json")
    write_json(npu / "generation_config.json", generation | {"alignment_heads": HEADS})
    alignment.write(demo / "runtime/float/whisper-micro/manifest.json", npu)
    sums.write(npu)
    times = WordTimes(npu)
    home = str(local_folder(demo / "data/checkpoints/whisper-micro.json"))
    whisper = WhisperForConditionalGeneration.from_pretrained(home, attn_implementation="eager")
    whisper.eval().generation_config.alignment_heads = HEADS
    processor = WhisperProcessor.from_pretrained(home)
    device(running(demo))
    differences = []
    for clip in interleave([demo / "data/audio_files/evaluation/en_us.jsonl"])[:3]:
        audio = read_audio(clip)
        given = processor(
            audio, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
        )
        with torch.inference_mode():
            made = whisper.generate(
                **given,
                language="en",
                return_token_timestamps=True,
                force_unique_generate_call=True,
            )
            states = whisper.get_encoder()(given.input_features).last_hidden_state.numpy()
        tokens = made["sequences"][0, :-1].tolist()  # without the end
        own = times.of_tokens(states, tokens, 4, len(audio) / 16_000)
        expected = made["token_timestamps"][0, : len(tokens)].numpy()
        differences += [*np.abs(own[: len(tokens)] - expected)]
        transcribe.main([str(npu), str(clip["path"]), "--language", "en", "--words"])
        printed = [line.split() for line in capsys.readouterr().out.splitlines()]
        text = processor.decode(tokens, skip_special_tokens=True)
        assert [word for *_, word in printed] == text.split()
        given = (states, tokens, 4, len(audio) / 16_000, processor.tokenizer, "en")
        found = times.of_words(*given)
        heard = {"tokens": made["sequences"][:, :-1].numpy()}
        heard["token_timestamps"] = made["token_timestamps"][:, : len(tokens)].numpy()
        options = {"return_timestamps": "word", "return_language": False}
        _, theirs = processor.tokenizer._decode_asr([heard], time_precision=0.02, **options)
        assert [(one.text, (one.begin, one.end)) for one in found] == [
            (one["text"], one["timestamp"]) for one in theirs["chunks"]
        ]
        ends = np.abs(np.array([float(end) for _, end, _ in printed]) - [one.end for one in found])
        assert np.median(ends) <= 0.1  # 8 bits in the encoder and in what is heard
    assert np.median(differences) == 0 and max(differences) <= 0.02
    with pytest.raises(UserError, match="language `english` is unknown to this model"):
        transcribe.main([str(npu), str(clip["path"]), "--language", "english", "--words"])
    path = npu / "README.md"
    assert "alignment.xml" not in path.read_text(encoding="utf-8")  # the checkpoint has no heads
    readme.write(npu)
    assert "evaluation.transcribe FOLDER speech.wav --words" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("config", "width"), [({"median_filter_width": 5}, 5), ({}, 7)])
def test_a_configuration_without_the_filter_has_the_librarys(
    config: dict[str, int], width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = SimpleNamespace(create_infer_request=lambda: None)
    monkeypatch.setattr("runtime.word_times.compile_model", lambda path: graph)
    monkeypatch.setattr("runtime.word_times.load_tables", lambda path: None)
    (tmp_path / "alignment.xml").touch()
    write_json(tmp_path / "generation_config.json", {"no_timestamps_token_id": 9})
    write_json(tmp_path / "config.json", config)
    assert WordTimes(tmp_path)._filter == width
