"""The page to listen with, without its page: what is heard, marked, explained and kept."""

import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from common.cli import UserError
from common.files import read_json, read_jsonl, write_json
from compilation.hand_off import alignment, sums
from data.clips import interleave, read_audio
from data.own_audio import read_index
from evaluation import page
from evaluation.page import cases, float_folder, reasons, recording, texts, timeline
from evaluation.page.__main__ import main
from evaluation.page.clips import worst_first
from evaluation.page.device import Device
from evaluation.page.explain import Parts, distances, moved, whole
from evaluation.page.genai import GenAI
from evaluation.page.heard import Heard, Moved, Settings, Timed, Why
from evaluation.page.listening import Listening
from evaluation.page.marks import Beside, marked, words_apart
from evaluation.page.models import Workers, models_of
from evaluation.page.texts import Column
from evaluation.page.worker import Stopped, Worker
from tests.test_npu_folder import device, running  # noqa: F401
from tests.test_npu_folder import folder as npu  # noqa: F401
from tests.test_word_times import HEADS

GRAPHS = "runtime/float/whisper-micro/manifest.json"
CPU = "compiled/whisper-micro/cpu"
ENGLISH = Settings("en")


def nothing(_: str) -> None:
    """Nobody listens."""


def heard(text: str = "one two", **others: Any) -> Heard:
    figures = {"seconds": 0.5, "first_token": 0.25, "tokens_per_second": 20.0}
    given = {"text": text, "segments": [], "words": [], "language": "en", **figures}
    return Heard(**given | {"real_time_factor": 0.25, "peak_bytes": 250_000_000} | others)


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (b"no audio" * 99, r"x\.wav cannot be read as audio: .* give a WAV, FLAC, OGG, MP3 or"),
        (np.zeros(16_000), r"x\.wav is silent: there is nothing to hear"),
        (np.ones(999), r"x\.wav is shorter than 0\.1 s"),
        (np.ones(24_000), r"x\.wav is longer than 0 hours; give a part"),
        (np.ones(99_999), r"x\.wav has 0 MB; give a file of at most 0 MB"),
    ],
)
def test_what_cannot_be_heard_is_refused_by_a_sentence(
    samples: bytes | np.ndarray, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LONGEST", 1.2)
    monkeypatch.setattr(recording, "LARGEST", 99_999)
    path = tmp_path / "x.wav"
    if isinstance(samples, bytes):
        path.write_bytes(samples)
    else:
        soundfile.write(path, samples, 16_000)
    with pytest.raises(UserError, match=sentence):
        recording.read(path)


def test_a_recording_of_any_format_and_rate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.flac"
    half = np.concatenate([np.zeros(22_050), np.full(22_050, 0.5)])
    soundfile.write(path, np.stack([half, half], 1), 44_100)
    found = recording.read(path)
    assert found.seconds == pytest.approx(1, abs=0.01)
    drawn = recording.peaks(found.audio)
    assert len(drawn) == 25 and drawn[:11].max() < 0.1 and drawn[14:].min() > 0.4


def test_what_a_telephone_writes_is_read_and_kept_as_flac(tmp_path: Path) -> None:
    tone = np.sin(np.arange(44_100) * 0.05).astype(np.float32)
    path = tmp_path / "memo.m4a"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[np.newaxis], "fltp", "mono")
        frame.sample_rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    found = recording.read(path)
    assert found.path == tmp_path / "memo.flac" and found.seconds == pytest.approx(1, abs=0.05)
    assert np.abs(found.audio).max() == pytest.approx(1, abs=0.1)
    path.write_bytes(path.read_bytes()[:999])
    with pytest.raises(UserError, match=r"^memo\.m4a is damaged or was cut off"):
        recording.read(path)


@pytest.mark.parametrize(
    ("text", "beside", "expected"),
    [
        ("one two", Beside("en"), "one two"),
        ("", Beside("en", "one"), '<em class="nothing">nothing</em>'),
        (
            "one <b> three",
            Beside("en", "One, two three four"),
            "one <mark>&lt;b&gt;</mark> three <del>four</del> ",
        ),
        (
            "A tow c d",
            Beside("en", other="a, two c"),
            'A <span class="apart">tow</span> c <span class="apart">d</span>',
        ),
        (
            "a tow c",
            Beside("en", "a two b c", "a two c"),
            'a <mark class="apart">tow</mark> <del>b</del> c',
        ),
        ("さしす", Beside("ja", other="さんす"), 'さ<span class="apart">し</span>す'),
    ],
)
def test_what_differs_is_marked(text: str, beside: Beside, expected: str) -> None:
    assert str(marked(text, beside)) == expected


def test_words_at_their_times_are_marked_where_they_differ() -> None:
    assert words_apart([" A", " tow", " c"], Beside("en", other="a two c")) == {1}
    words = [Timed(" A", 0.0, 0.5), Timed(" tow", 0.5, 1.5), Timed(" c", 1.5, 2.0)]
    columns = [
        Column("float", "", heard=heard("A two c")),
        Column("compiled", "", heard=heard("A tow c", words=words)),
    ]
    lane = str(timeline.lane(columns[1], columns, "en", 2.0))
    assert lane.count("<button") == 3
    assert 'class="row1 apart" style="left:25.000%;max-width:75.000%"' in lane
    assert 'data-from="0.50" data-to="1.50"' in lane
    assert timeline.lane(columns[0], columns, "en", 2.0) == ""  # neither words nor segments


def test_texts_stand_beside_each_other_with_their_figures() -> None:
    columns = [
        Column("float", "32 bits", heard=heard(), probability=0.983),
        Column("compiled", "8 bits", heard=heard("one too", seconds=0.125)),
    ]
    found = str(texts.panel(columns, Settings(), "one two", 2.0)).replace("\u202f", " ")
    assert 'one <mark class="apart">too</mark>' in found
    for row in (
        "language</th><td>English, 98 %</td><td>English</td>",
        "word errors</th><td>0.0 % (0 of 2)</td><td>50.0 % (1 of 2)</td>",
        "whole text after</th><td>0.5 s</td><td>0.125 s</td>",
        "peak memory</th><td>250 MB</td><td>250 MB</td>",
    ):
        assert row in found
    assert "word errors" not in texts.panel(columns, Settings(), "", 2.0)
    growing = [Column("float", "", said="one", pieces=1, state="hearing")]
    assert '<progress max="3" value="1">' in texts.panel(growing, Settings(), "", 70.0)
    assert "<progress" not in texts.panel(growing, Settings(), "", 7.0)


@pytest.fixture(scope="module")
def engines(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, GenAI]:
    """What hears by float and compiled parts; both know when words are said."""
    home = tmp_path_factory.mktemp("engines")
    shutil.copytree(demo / CPU, home / "cpu")
    generation = read_json(home / "cpu/generation_config.json")
    write_json(home / "cpu/generation_config.json", generation | {"alignment_heads": HEADS})
    given = ["--graphs", str(demo / GRAPHS), "--folder", str(home / "cpu")]
    float_folder.main([*given, "--out", str(home / "float")])
    return {"float": GenAI(home / "float", is_float=True), "compiled": GenAI(home / "cpu")}


def test_it_hears_what_the_evaluation_heard(demo: Path, engines: dict[str, GenAI]) -> None:
    rows = read_json(demo / "evaluation/results/whisper-micro/cpu/transcripts.json")["rows"]
    for row in rows[:4]:
        clip = recording.read(demo / row["clip"])
        for kind, engine in engines.items():
            said: list[str] = []
            asked = Settings(row["whisper_language"], row["task"])
            found = engine.hear(clip.audio, asked, said.append)
            assert found.text == "".join(said).strip() == row["texts"][f"{kind}+{kind}"]
            assert found.language == row["whisper_language"]
            assert "".join(word.text for word in found.words).split() == found.text.split()
            assert all(0 <= word.begin <= word.end <= clip.seconds + 1 for word in found.words)
            assert 0 < found.first_token <= found.seconds < 10
            assert found.real_time_factor == pytest.approx(found.seconds / clip.seconds)
            assert found.peak_bytes > 50e6


def test_segments_have_times_and_long_audio_is_heard_beyond_a_window(
    demo: Path, engines: dict[str, GenAI]
) -> None:
    clips = interleave([demo / "data/audio_files/evaluation/en_us.jsonl"])
    audio = np.concatenate([read_audio(clip) for clip in clips] * 4)
    said: list[str] = []
    found = engines["compiled"].hear(audio, ENGLISH, said.append)
    assert len(audio) > 31 * 16_000 and len(said) > 1
    assert 30 < found.segments[-1].end < len(audio) / 16_000 + 1
    short = engines["float"].hear(read_audio(clips[0]), ENGLISH._replace(timestamps=True), nothing)
    assert short.segments[0].begin == 0 and short.segments[-1].text.strip() in short.text


def test_it_says_why(demo: Path) -> None:
    parts = Parts(demo / GRAPHS, demo / CPU)
    rows = read_json(demo / "evaluation/results/whisper-micro/cpu/transcripts.json")["rows"]
    row = next(row for row in rows if row["language"] == "ko_kr" and row["task"] == "transcribe")
    clip = recording.read(demo / row["clip"])
    found = parts.languages(clip.audio, None)
    assert {language for language, _ in found.values()} == {"ko"}
    assert all(0.5 < share <= 1 for _, share in found.values())
    why = parts.why(clip.audio, 0.0, None, "transcribe", None)
    assert why.texts == row["texts"]
    assert len(why.distances) == np.ceil(int(clip.seconds / 0.02) / 5)
    assert 0 < max(why.distances) < 0.1
    later = parts.why(np.concatenate([clip.audio] * 2), clip.seconds, "ko", "transcribe", None)
    assert later.texts == why.texts and later.seconds == pytest.approx(clip.seconds)


def test_the_tokens_whose_probability_moved_most() -> None:
    names = ["a", "b", "", "\ufffd", "\ufffd"]

    def text(tokens: list[int]) -> str:
        return "ö" if tokens == [3, 4] else "".join(names[token] for token in tokens)

    before = np.log(np.array([[0.8, 0.05, 0.05, 0.05, 0.05], [0.1, 0.6, 0.1, 0.1, 0.1]]))
    after = np.log(np.array([[0.8, 0.05, 0.05, 0.05, 0.05], [0.1, 0.2, 0.5, 0.1, 0.1]]))
    (one,) = moved([0], before, after, text)
    assert one == Moved("a", "b", pytest.approx(0.6), pytest.approx(0.2), "end")
    assert whole([0, 3, 4], 1, text) == "ö" and whole([0, 3], 1, text) == "\ufffd"
    states = np.eye(8, dtype=np.float32)
    turned = states.copy()
    turned[5:] = np.roll(states[5:], 1, axis=1)
    assert distances(states, turned, 0.16) == pytest.approx([0, 1])
    why = Why(0.0, 2.0, {"float+float": "a b", **dict.fromkeys(OTHERS, "a <c>")}, [0, 1], [one])
    found = str(reasons.panel(why, np.ones(50), "en", ""))
    assert found.count("a <mark>&lt;c&gt;</mark>") == 3 and "what float hears by both" in found
    assert "60\u202f%" in found and "at most 1" in found


OTHERS = ("float+compiled", "compiled+float", "compiled+compiled")


def test_clips_of_the_evaluation_come_worst_first(tmp_path: Path) -> None:
    rows = []
    for number, (before, after) in enumerate(
        [("a b", "a b"), ("a b", "a c"), ("x y", "a b"), ("a b", ""), ("a y", "a z")]
    ):
        name = f"en_us_{number:04d}.wav"
        (tmp_path / name).touch()
        both = {"float+float": before, "compiled+compiled": after}
        facts = {"language": "en_us", "whisper_language": "en", "task": "transcribe"}
        limits = {"at_limit": dict.fromkeys(both, False)}
        rows.append({"clip": name, "reference": "a b", "texts": both, **facts, **limits})
    rows.append(rows[0] | {"clip": "gone.wav"})
    write_json(tmp_path / "transcripts.json", {"rows": rows})
    found = worst_first(tmp_path / "transcripts.json", tmp_path)
    assert [one.label.replace("\u202f", " ") for one in found] == [
        "en_us_0003, transcribe: float 0 %, compiled 100 %, empty",
        "en_us_0001, transcribe: float 0 %, compiled 50 %, worse",
        "en_us_0004, transcribe: float 50 %, compiled 50 %",
        "en_us_0000, transcribe: float 0 %, compiled 0 %, right",
        "en_us_0002, transcribe: float 100 %, compiled 0 %, better",
    ]
    assert worst_first(tmp_path / "none.json", tmp_path) == []


def test_a_case_is_speech_of_ones_own(tmp_path: Path) -> None:
    clip = tmp_path / "call.FLAC"
    soundfile.write(clip, np.full(16_000, 0.5), 16_000, format="FLAC")
    folder, said = tmp_path / "cases", {"transcribe": "Eins, zwei.", "translate": "One, two."}
    for text in ("eins", "Eins, zwei."):
        said |= {"transcribe": text}
        kept = cases.save(folder, clip, "de", said, Settings(task="translate"), {"float": "drei"})
    assert kept.suffix == ".flac" and kept.read_bytes() == clip.read_bytes()
    (entry,) = read_index(folder / "index.jsonl", "de_de")
    assert (entry.file, entry.text, entry.translation) == (kept.name, *said.values())
    (line,) = read_jsonl(folder / "index.jsonl")
    assert line["heard"] == {"float": "drei"} and line["settings"]["task"] == "translate"
    with pytest.raises(UserError, match="a case needs what is said"):
        cases.save(folder, clip, "de", {"transcribe": "?"}, Settings(), {})
    (folder / "index.jsonl").rename(folder / "own.csv")
    with pytest.raises(UserError, match=r"own\.csv is the index of that folder"):
        cases.save(folder, clip, "de", said, Settings(), {})


@pytest.fixture
def worker() -> Worker:
    made = Worker("tests.patient.Patient")
    yield made
    made.stop()


def test_a_worker_answers_refuses_and_is_stopped(worker: Worker) -> None:
    assert list(worker.ask("spell", "ab")) == ["a", "b", 2]
    with pytest.raises(UserError, match=r"^not this$"):
        worker.answer("refuse")
    assert worker.answer("spell", "abc") == 3  # by the same process
    asked = worker.ask("wait")
    assert next(asked) == "waiting"
    threading.Timer(0.1, worker.stop).start()
    with pytest.raises(Stopped):
        next(asked)
    half = worker.ask("spell", "abc")
    assert next(half) == "a"
    half.close()  # whoever asked is gone: what it would have said next is nobody's
    assert worker.answer("spell", "") == 0
    with pytest.raises(UserError, match="the process that was asked has ended"):
        worker.answer("end")


def test_what_cannot_be_made_is_refused_at_each_question() -> None:
    worker = Worker("tests.patient.Patient", "no such folder")
    for _ in range(2):
        with pytest.raises(UserError, match=r"^no such folder$"):
            worker.answer("spell", "a")
    worker.stop()


class Here:
    """What a worker does, in this process."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def ask(self, method: str, *arguments: Any) -> Any:
        said: list[Any] = []
        yield from [*said, getattr(self._model, method)(*arguments, said.append)]

    def answer(self, method: str, *arguments: Any) -> Any:
        return list(self.ask(method, *arguments))[-1]

    def stop(self) -> None:
        """There is nothing to end."""


@pytest.fixture
def listening(
    demo: Path, engines: dict[str, GenAI], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Listening:
    """The demo's model, heard in this process."""
    monkeypatch.setattr(Workers, "of", lambda _, kind: Here(engines[kind]))
    monkeypatch.setattr(Workers, "begin", lambda _: None)
    monkeypatch.setattr(Workers, "parts", lambda _: Here(Parts(demo / GRAPHS, demo / CPU)))
    with Listening(models_of([demo / CPU]), tmp_path / "cases") as made:
        yield made


def test_the_compiled_model_hears_first_and_languages_come_last(
    demo: Path, listening: Listening, tmp_path: Path
) -> None:
    clip = recording.read(demo / "data/audio_files/evaluation/en_us_0000.wav")
    (model,) = listening.models.values()
    assert (model.kinds, model.has_words) == (["float", "compiled"], False)
    assert len(model.clips) > 80 and len(model.languages) > 16
    steps = list(listening.hear("me", model.name, clip, Settings()))
    assert [one.state for one in steps[0]] == ["waiting", "hearing"]
    assert [bool(one.heard) for one in steps[-2]] == [True, True]
    assert [one.probability is None for one in steps[-2]] == [True, True]
    assert all(0.5 < one.probability <= 1 for one in steps[-1])
    listening.stop("me")
    (only,) = listening.hear("me", model.name, clip, Settings())
    assert [one.state for one in only] == ["stopped", "stopped"]
    listening.allow("me")
    steps = list(listening.hear("me", model.name, clip, ENGLISH))
    assert [one.probability for one in steps[-1]] == [None, None]


def test_a_device_hears_as_the_evaluation_does(
    device: Callable[..., None],  # noqa: F811
    demo: Path,
    npu: Path,  # noqa: F811
) -> None:
    device(running(demo))
    generation = read_json(npu / "generation_config.json")
    write_json(npu / "generation_config.json", generation | {"alignment_heads": HEADS})
    alignment.write(demo / GRAPHS, npu)
    sums.write(npu)
    (model,) = models_of([npu])
    assert (model.kinds, model.folders) == (["device"], {"device": npu})  # no float graphs there
    heard_by = Device(npu)
    rows = read_json(demo / "evaluation/results/whisper-micro/cpu/transcripts.json")["rows"]
    for row in [row for row in rows if row["language"] in ("en_us", "ko_kr")][:2]:
        clip = recording.read(demo / row["clip"])
        said: list[str] = []
        found = heard_by.hear(clip.audio, Settings(task=row["task"]), said.append)
        assert found.text == "".join(said).strip() == row["texts"]["compiled+compiled"]
        assert found.language == row["whisper_language"]
        assert [word.text.strip() for word in found.words] == found.text.split()
        assert 0 < found.first_token < found.seconds and found.tokens_per_second > 1
        timed = heard_by.hear(clip.audio, Settings(timestamps=True), nothing)
        assert timed.segments[0].begin == 0 and timed.segments[-1].end <= clip.seconds + 1
        assert timed.text == timed.segments[0].text.strip()


def test_a_damaged_folder_is_not_opened(tmp_path: Path) -> None:
    for name in ("config.json", "openvino_encoder_model.xml"):
        write_json(tmp_path / name, {})
    sums.write(tmp_path)
    write_json(tmp_path / "openvino_encoder_model.xml", [])
    with pytest.raises(UserError, match=r"openvino_encoder_model\.xml was changed; get the folder"):
        models_of([tmp_path])


def test_what_cannot_be_opened_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"is no hand-off folder"):
        main([str(tmp_path)])
    with pytest.raises(UserError, match=r"compiled/: there is no folder for the CPU"):
        main([])
    with pytest.raises(UserError, match=r"--open-to takes an IP address such as 0\.0\.0\.0"):
        main(["--open-to", "everybody"])
    with pytest.raises(UserError, match=r"127\.0\.0\.1:99999 cannot be had"):
        main(["--port", "99999"])
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "whoever reaches it can send recordings" in shown
    monkeypatch.setitem(sys.modules, "evaluation.page.serve", None)
    monkeypatch.delattr(page, "serve", raising=False)
    with pytest.raises(UserError, match="uv run --group page python -m evaluation"):
        main([])
