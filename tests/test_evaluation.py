"""Metrics against cases worked out by hand, and `CompiledWhisper` against the library's own Whisper."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from common.cli import UserError
from compilation.hand_off.expect import cosine
from data.cache import local_folder
from data.clips import interleave, read_audio
from evaluation import transcribe
from evaluation.scoring.text_errors import Errors, count_errors, normalise
from evaluation.transcription import long_audio
from evaluation.transcription.models import load_compiled
from evaluation.transcription.silence import is_silent
from runtime.compiled_whisper import CompiledWhisper
from runtime.folder import sessions_of
from runtime.torch_sessions import TorchDecoder, TorchEncoder


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Hello,  World!", "en", "hello world"),
        ("L'été à l’Île-de-France.", "fr", "l été à l île de france"),
        ("Straße", "de", "strasse"),
        ("敏捷的 狐狸 。", "zh", "敏捷的狐狸"),
        ("サン、 ゼロ", "ja", "サンゼロ"),
        ("หนึ่ง สอง", "th", "หนึ่งสอง"),  # tone marks stay
        ("பூஜ்யம் ஒன்று", "ta", "பூஜ்யம் ஒன்று"),  # combining vowels and the virama stay
        ("مُحَمَّد", "ar", "محمد"),  # vowel signs are optional in Arabic writing
        ("한국어, 말!", "ko", "한국어 말"),
        ("５ ﬁve", "en", "5 five"),  # compatibility forms
        ("?!", "en", ""),
        ("หนึ่ง\u200bสอง so\u00adft", "th", "หนึ่งสองsoft"),  # what is not seen is not there
        ("می\u200cروم", "fa", "میروم"),
    ],
)
def test_normalise(text: str, language: str, expected: str) -> None:
    assert normalise(text, language) == expected


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "expected"),
    [
        ("one two three", "One, two three.", "en", Errors(0, 0, 0, 3)),
        ("one two three", "one too", "en", Errors(1, 1, 0, 3)),
        ("one two", "one two two two", "en", Errors(0, 0, 2, 2)),
        ("one two", "", "en", Errors(0, 2, 0, 2)),
        ("敏 捷 的 狐 狸", "敏捷得狐狸", "zh", Errors(1, 0, 0, 5)),
        ("பூஜ்யம் ஒன்று", "பூஜ்யம் இரண்டு", "ta", Errors(1, 0, 0, 2)),
        ("영 일 이", "영 이", "ko", Errors(0, 1, 0, 3)),
    ],
)
def test_count_errors(reference: str, hypothesis: str, language: str, expected: Errors) -> None:
    assert count_errors(reference, hypothesis, language) == expected


def test_errors_add_up_to_a_corpus_rate() -> None:
    total = Errors(1, 0, 0, 4) + Errors(0, 1, 1, 6)
    assert total == Errors(1, 1, 1, 10) and total.rate == 0.3


def test_cosine() -> None:
    a = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    assert cosine(a, a * 3) == pytest.approx(1)
    assert cosine(a, -a) == pytest.approx(-1)
    assert cosine(a, np.array([[1.0, 1.0], [0.0, 0.0]])) == pytest.approx(0.5)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> WhisperForConditionalGeneration:
    """The library's own Whisper."""
    return WhisperForConditionalGeneration.from_pretrained(local_folder(checkpoint)).eval()


class CountingDecoder(TorchDecoder):
    """A session that counts the tokens fed and the utterances begun."""

    fed = begun = 0

    def start(self, states: np.ndarray) -> None:
        self.begun += 1
        super().start(states)

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        self.fed += token_ids.shape[1]
        return super().step(token_ids, cached)


@pytest.fixture
def session(model: WhisperForConditionalGeneration) -> CountingDecoder:
    return CountingDecoder(model)


@pytest.fixture
def whisper(model: WhisperForConditionalGeneration, session: CountingDecoder) -> CompiledWhisper:
    """The same checkpoint, run by sessions."""
    return whisper_of(model, session)


def whisper_of(model: WhisperForConditionalGeneration, session: CountingDecoder) -> CompiledWhisper:
    return CompiledWhisper(model.config, model.generation_config, TorchEncoder(model), session)


def features(count: int, frames: int = 3000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(count, 80, frames, generator=generator)


@pytest.mark.parametrize(
    "options",
    [
        {"language": "ko", "task": "transcribe"},
        {"language": "de", "task": "translate", "return_timestamps": True},
        {"language": "de", "num_beams": 3},
        {},  # the language is detected
        {"language": "en", "force_unique_generate_call": True},
        {"language": "en", "prompt_ids": torch.tensor([2700, 5, 6])},
    ],
    ids=lambda options: "-".join(options) or "detect",
)
def test_generate_is_the_librarys(
    model: WhisperForConditionalGeneration, whisper: CompiledWhisper, options: dict
) -> None:
    options = options | {"max_new_tokens": 16}
    if "prompt_ids" in options:
        start = model.generation_config.prev_sot_token_id
        options["prompt_ids"] = torch.tensor([start, 5, 6])
    expected = model.generate(features(1), **options)
    assert torch.equal(whisper.generate(features(1), **options), expected)


def test_a_batch_and_long_audio_are_the_librarys_too(
    model: WhisperForConditionalGeneration, whisper: CompiledWhisper
) -> None:
    options = {"language": "en", "max_new_tokens": 8}
    batch = features(2)
    assert torch.equal(whisper.generate(batch, **options), model.generate(batch, **options))
    long = features(1, frames=5000)
    options |= {"return_timestamps": True, "attention_mask": torch.ones(1, 5000)}
    assert torch.equal(whisper.generate(long, **options), model.generate(long, **options))


def test_every_token_is_fed_once(whisper: CompiledWhisper, session: CountingDecoder) -> None:
    ids = whisper.generate(
        features(1), language="ko", max_new_tokens=16, force_unique_generate_call=True
    )
    assert session.begun == 1
    assert session.fed == ids.shape[1] - 1  # the last token is made and never fed


def test_tokens_taken_back_are_forgotten(
    model: WhisperForConditionalGeneration, whisper: CompiledWhisper
) -> None:
    """A sequence that shares a beginning with the last one, longer or shorter, is scored right."""
    states = model.model.encoder(features(1)).last_hidden_state
    outputs = BaseModelOutput(last_hidden_state=states)
    sequences = [[9, 8, 7, 6, 5], [9, 8, 1, 2], [9, 8], [9, 8, 1, 2, 3, 4]]
    for ids in sequences:
        inputs = torch.tensor([ids])
        with torch.no_grad():
            expected = model(decoder_input_ids=inputs, encoder_outputs=outputs).logits
            logits = whisper(decoder_input_ids=inputs, encoder_outputs=outputs).logits
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


class LastAlone(CountingDecoder):
    """A session that gives the last token's logits alone, as some NPU parts do."""

    def step(self, token_ids: np.ndarray, cached: int) -> np.ndarray:
        return super().step(token_ids, cached)[:, -1:]


@pytest.mark.parametrize("session_class", [CountingDecoder, LastAlone])
@pytest.mark.parametrize("detected", [True, False])
def test_whether_somebody_speaks_is_asked_of_the_first_token(
    model: WhisperForConditionalGeneration, session_class: type[CountingDecoder], detected: bool
) -> None:
    outputs = BaseModelOutput(last_hidden_state=model.model.encoder(features(1)).last_hidden_state)
    hears = whisper_of(model, session_class(model))
    prompt = torch.tensor([[model.generation_config.decoder_start_token_id, 5, 6, 7]])
    if detected:
        hears.detect_language(encoder_outputs=outputs)
    with torch.no_grad():
        expected = model(decoder_input_ids=prompt, encoder_outputs=outputs).logits
        logits = hears(decoder_input_ids=prompt, encoder_outputs=outputs).logits
    for place in (0, -1):
        torch.testing.assert_close(logits[0, place], expected[0, place], atol=1e-4, rtol=1e-4)


def test_a_session_that_gives_the_last_logits_alone_is_asked_twice_but_once(
    model: WhisperForConditionalGeneration,
) -> None:
    """Its first prompt shows it; of each later one, the first token is fed, and then the others."""
    session = LastAlone(model)
    hears, prompt, fed = whisper_of(model, session), torch.tensor([[3, 5, 6, 7]]), []
    for loudness in (1, 2):
        states = model.model.encoder(loudness * features(1)).last_hidden_state
        with torch.no_grad():
            hears(decoder_input_ids=prompt, encoder_outputs=BaseModelOutput(states))
        fed.append(session.fed)
    assert fed == [4 + 4, 4 + 4 + 4]


def test_padded_decoder_inputs_are_refused(whisper: CompiledWhisper) -> None:
    with pytest.raises(ValueError, match="padded"):
        whisper.model.decoder(
            torch.tensor([[1, 2]]), torch.zeros(1, 1500, 32), torch.tensor([[0, 1]])
        )


def test_a_folder_that_is_no_hand_off_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no hand-off folder \(it has no compiled parts\)"):
        sessions_of(tmp_path)


def test_a_file_that_is_no_audio_is_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not audio")
    with pytest.raises(UserError, match=r"noise\.wav cannot be read as audio"):
        transcribe.read_mono(noise)
    with pytest.raises(UserError, match=r"there is no file .*missing\.wav; give the path"):
        transcribe.read_mono(tmp_path / "missing.wav")


def test_a_file_that_was_cut_off_or_holds_too_little_or_no_numbers_is_refused(
    tmp_path: Path,
) -> None:
    path, audio = tmp_path / "speech.wav", np.full(16_000, 0.5, np.float32)
    soundfile.write(path, audio, 16_000, subtype="FLOAT")
    assert np.array_equal(transcribe.read_mono(path), audio)
    soundfile.write(path, audio[:201], 16_000)
    assert len(transcribe.read_mono(path)) == 201
    soundfile.write(path, audio[:200], 16_000)
    with pytest.raises(UserError, match=r"speech\.wav is shorter than 201 samples at 16 kHz"):
        transcribe.read_mono(path)
    soundfile.write(path, audio, 16_000, subtype="FLOAT")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UserError, match=r"speech\.wav was cut off: .*; give a whole WAV"):
        transcribe.read_mono(path)
    audio[99] = np.nan
    soundfile.write(path, audio, 16_000, subtype="FLOAT")
    with pytest.raises(UserError, match=r"speech\.wav holds values that are not finite"):
        transcribe.read_mono(path)


@pytest.mark.parametrize("level", [0.0, 0.001])
def test_silence_has_no_text_whatever_a_model_would_write(level: float) -> None:
    noise = level * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    assert long_audio.transcribe(None, None, noise, {}) == ""  # no model is asked
    with pytest.raises(AttributeError):  # what is louder is heard
        long_audio.transcribe(None, None, noise + 0.01, {})


def test_a_sentence_in_much_silence_is_heard() -> None:
    audio = np.zeros(600 * 16_000, np.float32)
    audio[5_000_000:5_016_000] = 10 ** (-30 / 20)  # a second
    assert not is_silent(audio)
    audio[5_000_080:5_016_000] = 0  # a click of 5 ms
    assert is_silent(audio) and is_silent(audio[:0])


def test_times_of_segments_do_not_depend_on_what_a_tokenizer_calls_special(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = load_compiled(demo / "compiled/whisper-micro/cpu")
    (clip, *_) = interleave([demo / "data/audio_files/evaluation/en_us.jsonl"])
    given = model, processor, read_audio(clip), {"language": "en", "task": "transcribe"}, True
    text = long_audio.transcribe(*given)
    (end,) = re.fullmatch(r"<\|0\.00\|>[^<]+<\|(\d+\.\d\d)\|>", text).groups()
    assert float(end) == pytest.approx(clip["seconds"], abs=1)
    special = property(lambda tokenizer: [tokenizer.eos_token_id])
    monkeypatch.setattr(type(processor.tokenizer), "all_special_ids", special)
    assert long_audio.transcribe(*given) == text
