"""data.prepare: which clips are chosen, how they are written, and that nothing is redone."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.parquet_memory import peak
from common.cli import UserError
from common.files import read_jsonl, sha256_of
from data.choose import Choice
from data.prepare import main as prepare
from tests.data_fleurs import encoded, fetched, row, tone, write_split

SENTENCES = range(100, 140)
KEYS = [
    "file", "sha256", "seconds", "sentence_id", "recording", "gender", "language",
    "whisper_language", "transcription", "translation", "rms_dbfs", "peak_dbfs",
]  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two languages; 40 sentences with two recordings each in Korean, one and two in English."""
    root = tmp_path_factory.mktemp("fleurs")
    write_split(root, "ko_kr", [row(s, n) for n in (0, 1) for s in SENTENCES])
    write_split(
        root,
        "en_us",
        [row(s, n, raw_transcription=f"English {s}") for s in SENTENCES if s % 4 for n in (0, 1)],
    )
    return root


def arguments(
    dataset: Path, out: Path, language="ko_kr", samples=8, pool="calibration", seed=0, silence=-55
):
    sources = out / "sources"
    return [
        *("--use", "evaluation" if pool == "evaluation" else "calibration"),
        *("--language", language, "--files", str(fetched(dataset, sources, language))),
        *("--english", str(fetched(dataset, sources, "en_us"))),
        *("--samples", str(samples), "--seed", str(seed), "--pool", pool),
        *("--silence", str(silence)),
        *("--out", str(out / "clips" / f"{language}.jsonl")),
    ]


def run(dataset: Path, out: Path, **choice) -> list[dict]:
    given = arguments(dataset, out, **choice)
    prepare(given)
    return read_jsonl(Path(given[-1]))


def files(out: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted((out / "clips").iterdir())}


def test_a_line_and_a_clip(dataset, tmp_path):
    lines = run(dataset, tmp_path, samples=12)
    assert [line["file"] for line in lines] == [f"ko_kr_{i:04d}.wav" for i in range(12)]
    for line in lines:
        assert list(line) == KEYS
        wav = tmp_path / "clips" / line["file"]
        info = soundfile.info(wav)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
        assert line["seconds"] == info.duration == 1.2
        assert line["sha256"] == sha256_of(wav)
        assert line["whisper_language"] == "ko"
        assert line["transcription"] == f"Sentence “{line['sentence_id']}”."
        partner = f"English {line['sentence_id']}" if line["sentence_id"] % 4 else None
        assert line["translation"] == partner
        assert line["gender"] == ["male", "female"][int(line["recording"][-5])]
        assert -24 < line["rms_dbfs"] < -22 and -20 < line["peak_dbfs"] < -15
    assert [line for line in lines if line["translation"] is None]
    genders = [line["gender"] for line in lines]
    assert genders.count("male") == genders.count("female") == 6
    assert set(files(tmp_path)) == {*(line["file"] for line in lines), "ko_kr.jsonl"}


def test_same_bytes_twice(dataset, tmp_path):
    run(dataset, tmp_path / "a")
    run(dataset, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_one_recording_of_each_sentence(dataset, tmp_path):
    lines = run(dataset, tmp_path, samples=len(SENTENCES), pool="all")
    assert sorted(line["sentence_id"] for line in lines) == list(SENTENCES)


def test_pools_share_no_sentence_in_any_language(dataset, tmp_path):
    chosen = {
        pool: {
            line["sentence_id"]
            for language in ("ko_kr", "en_us")
            for line in run(dataset, tmp_path / pool, language=language, pool=pool)
        }
        for pool in ("calibration", "evaluation")
    }
    assert not chosen["calibration"] & chosen["evaluation"]
    mine, other = Choice(1, 0, "calibration"), Choice(1, 0, "evaluation")
    assert all(mine.may_take(s) != other.may_take(s) for s in range(1000))
    assert 450 < sum(map(mine.may_take, range(1000))) < 550


def test_same_sentences_first_in_all_languages(dataset, tmp_path):
    korean = [line["sentence_id"] for line in run(dataset, tmp_path, samples=10)]
    english = [line["sentence_id"] for line in run(dataset, tmp_path, language="en_us", samples=5)]
    assert english == [sentence for sentence in korean if sentence % 4][: len(english)]


def test_more_samples_keep_the_earlier_ones_and_fewer_leave_no_clip_behind(dataset, tmp_path):
    few = run(dataset, tmp_path, samples=5)
    more = run(dataset, tmp_path, samples=9)
    assert more[:5] == few
    other = tmp_path / "clips" / "ko_kr_x_0000.wav"
    other.write_bytes(b"of another")
    assert run(dataset, tmp_path, samples=3) == few[:3]
    assert len(list((tmp_path / "clips").glob("*.wav"))) == 4
    assert other.exists()


def test_another_seed_chooses_other_sentences(dataset, tmp_path):
    first = [line["sentence_id"] for line in run(dataset, tmp_path, seed=0)]
    assert first != [line["sentence_id"] for line in run(dataset, tmp_path, seed=1)]


UNUSABLE = {
    "too short": row(1, 0, seconds=0.9),
    "too long": row(2, 0, seconds=30.1),
    "silent": row(3, 0, sound=encoded(tone(1.2, level=0.001))),
    "digital silence": row(4, 0, sound=encoded(np.zeros(20_000, np.float32))),
    "not a number": row(5, 0, sound=encoded(np.full(20_000, np.nan, np.float32))),
    "no audio file": row(6, 0, sound=b"RIFF but no more"),
    "no bytes": row(7, 0, audio={"bytes": None, "path": "x.wav"}),
    "no text": row(8, 0, raw_transcription=" "),
    "shorter than it says": row(9, 0, seconds=1.2, sound=encoded(tone(0.5))),
    "longer than it says": row(10, 0, seconds=1.2, sound=encoded(tone(31))),
}


def test_unusable_clips_are_passed_over(tmp_path):
    good = [row(s, n) for s in range(1, 14) for n in (1, 2)]
    write_split(tmp_path / "clean", "ko_kr", good)
    write_split(tmp_path / "mixed", "ko_kr", [*good, *UNUSABLE.values()])
    for name in ("clean", "mixed"):
        write_split(tmp_path / name, "en_us", good)
    clean = run(tmp_path / "clean", tmp_path / "a", samples=13, pool="all")
    assert run(tmp_path / "mixed", tmp_path / "b", samples=13, pool="all") == clean
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_too_few_says_how_many(tmp_path):
    rows = [row(s, 0) for s in range(20, 24)] + list(UNUSABLE.values())
    for language in ("ko_kr", "en_us"):
        write_split(tmp_path, language, rows)
    with pytest.raises(UserError) as error:
        run(tmp_path, tmp_path / "out", samples=5, pool="all")
    assert "has 4 usable of 14 sentences, but 5 are wanted" in str(error.value)
    for reason in ("2 silent", "2 not decodable", "1 without audio", "1 without text"):
        assert reason in str(error.value)
    assert "lower data.samples_per_language to 4" in str(error.value)
    assert not (tmp_path / "out" / "clips" / "ko_kr.jsonl").exists()


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_16_khz_source_passes_unchanged(tmp_path, subtype):
    original = tone(2.0)
    write_split(tmp_path, "en_us", [row(1, 0, 2.0, sound=encoded(original, subtype=subtype))])
    run(tmp_path, tmp_path, language="en_us", samples=1, pool="all")
    written, _ = soundfile.read(tmp_path / "clips" / "en_us_0000.wav", dtype="int16")
    assert np.abs(written - original[:, 0] * 32_768).max() <= (1 if subtype == "PCM_16" else 0.51)


def test_other_rates_and_channels_are_converted(tmp_path):
    loud = encoded(tone(2.0, rate=44_100, channels=2, level=1.5), 44_100, "FLOAT")
    stereo = encoded(tone(2.0, rate=44_100, channels=2), 44_100, "PCM_24")
    write_split(tmp_path, "en_us", [row(1, 0, 2.0, sound=stereo), row(2, 0, 2.0, sound=loud)])
    lines = run(tmp_path, tmp_path, language="en_us", samples=2, pool="all")
    original = tone(2.0)[:, 0]
    for line in lines:
        written, rate = soundfile.read(tmp_path / "clips" / line["file"])
        assert (rate, written.ndim, line["seconds"]) == (16_000, 1, 2.0)
        spectrum = np.abs(np.fft.rfft(written))
        assert spectrum.argmax() == np.abs(np.fft.rfft(original)).argmax()
        assert line["peak_dbfs"] == (0 if line["sentence_id"] == 2 else pytest.approx(-18, abs=2))


def test_kill_then_the_same_command_again(tmp_path):
    rows = [row(s, 0, seconds=4) for s in range(80)]
    write_split(tmp_path, "en_us", rows)
    given = arguments(tmp_path, tmp_path, "en_us", samples=80, pool="all")
    command = [sys.executable, "-m", "data.prepare", *given]
    clips, journal = tmp_path / "clips", tmp_path / "clips" / ".en_us.journal"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (clips / "en_us_0003.wav").exists() or journal.stat().st_size < 1000:
        assert process.poll() is None, "finished before it could be killed"
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (clips / "en_us.jsonl").exists()
    done = [line["file"] for line in journal_lines(journal) if "file" in line]
    assert 0 < len(done) < 80
    with journal.open("a") as file:
        file.write('{"at": [0, 7], "fi')  # a line cut short
    before = {name: (clips / name).stat().st_mtime_ns for name in done}
    prepare(given)
    assert {name: (clips / name).stat().st_mtime_ns for name in done} == before
    run(tmp_path, tmp_path / "straight", language="en_us", samples=80, pool="all")
    assert files(tmp_path) == files(tmp_path / "straight")


def journal_lines(journal: Path) -> list[dict]:
    whole = journal.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def test_the_journal_of_other_audio_is_forgotten(dataset, tmp_path):
    lines = run(dataset, tmp_path / "a")
    clips = tmp_path / "b" / "clips"
    clips.mkdir(parents=True)
    stale = {"at": [0, 0], "file": "ko_kr_0000.wav", "sha256": "0", "unusable": "of another file"}
    journal = [{"key": "0"}, *({**stale, "at": [0, row]} for row in range(80))]
    (clips / ".ko_kr.journal").write_text("".join(json.dumps(line) + "\n" for line in journal))
    assert run(dataset, tmp_path / "b") == lines


def test_the_threshold_of_silence(tmp_path):
    quiet = row(1, 0, sound=encoded(tone(1.2, level=0.001)))  # RMS -63 dBFS
    for language in ("ko_kr", "en_us"):
        write_split(tmp_path, language, [quiet, row(2, 0)])
    with pytest.raises(UserError, match="1 silent"):
        run(tmp_path, tmp_path, samples=2, pool="all")
    journal = tmp_path / "clips" / ".ko_kr.journal"
    assert "silent" in journal.read_text()  # which is forgotten with another threshold
    lines = run(tmp_path, tmp_path, samples=2, pool="all", silence=-70)
    assert {line["sentence_id"] for line in lines} == {1, 2}


def test_a_damaged_clip_of_a_killed_run_is_written_again(dataset, tmp_path, monkeypatch):
    lines = run(dataset, tmp_path / "a")
    from data import writing as module

    write_clip, count = module.write_clip, iter(range(4))

    def killed_at_the_fourth(*given):
        if next(count) == 3:
            raise KeyboardInterrupt
        write_clip(*given)

    monkeypatch.setattr(module, "write_clip", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "b")
    monkeypatch.undo()
    clips = tmp_path / "b" / "clips"
    done = sorted(clips.glob("*.wav"))
    done[0].write_bytes(done[0].read_bytes()[:-2])
    done[1].unlink()
    assert run(dataset, tmp_path / "b") == lines
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_wrong_input_is_one_sentence_and_no_manifest(dataset, tmp_path):
    given = arguments(dataset, tmp_path)
    english = str(tmp_path / "sources" / "validation" / "en_us.json")
    for option, value, part in [
        ("--language", "ko", "language 'ko' is not a FLEURS code: did you mean ko_kr"),
        ("--language", "ga_ie", "is not a language of Whisper"),
        ("--files", english, "is of en_us, not of ko_kr"),
        ("--samples", "41", "are wanted"),
    ]:
        changed = list(given)
        changed[given.index(option) + 1] = value
        with pytest.raises(UserError, match=part):
            prepare(changed)
        assert not Path(given[-1]).exists()


def test_exit_status_and_the_sentence(tmp_path):
    dataset = tmp_path / "data"
    for language in ("ko_kr", "en_us"):
        parquet = write_split(dataset, language, [row(1, 0)])
    given = arguments(dataset, tmp_path, "en_us", samples=1, pool="all")
    content = bytearray(parquet.read_bytes())
    content[-8:] = b"\xff" * 8  # the footer, at the same size
    parquet.write_bytes(content)
    done = subprocess.run([sys.executable, "-m", "data.prepare", *given], capture_output=True)
    message = done.stderr.decode()
    assert done.returncode == 1
    assert message.startswith("error: ") and "cannot be read as Parquet" in message
    assert len(message.splitlines()) == 1
    parquet.unlink()
    with pytest.raises(UserError, match="is gone: delete"):
        prepare(given)
    assert not Path(given[-1]).exists()


def test_importing_is_light():
    heavy = "{'torch', 'transformers', 'librosa', 'datasets', 'httpx', 'scipy'}"
    code = f"import sys, data.prepare; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_memory_for_a_split_in_one_page(tmp_path):
    path = str(tmp_path / "clips.parquet")
    peak("write", path, "default", "snappy")  # the worst that benchmarks/parquet_memory.py has
    assert 350e6 < Path(path).stat().st_size < peak("read", path, "data.parquet") < 1e9
    Path(path).unlink()
