"""Speech in every layout: the same clips come out, and what is wrong is one sentence."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from common.cli import UserError
from common.files import read_jsonl, sha256_of
from data import parquet
from data.local import local_layout, local_split
from data.own_audio import find_index, read_index
from data.prepare import main as prepare
from data.speech import read_audio, read_recordings, read_texts
from tests.data_fleurs import (
    encoded,
    listed,
    row,
    tone,
    write_converted,
    write_index,
    write_split,
    write_tar,
)

SENTENCES = range(200, 212)
LANGUAGES = ("ko_kr", "en_us")
TEXT = {"raw_transcription": "Er sagte: „Nein“, \"doch\", 'ja'."}  # quotes are text
ROWS = {
    "ko_kr": [row(s, n, **TEXT) for s in SENTENCES for n in (0, 1)],
    "en_us": [row(s, 0, raw_transcription=f"English {s}") for s in SENTENCES if s % 4],
}


def write_own(root: Path, kind: str) -> dict[str, list[Path]]:
    """Rows as own audio, Korean at the top, English in a folder; by language index and files."""
    lines, paths = [], {}
    for language, code, folder in (("ko_kr", "ko", ""), ("en_us", "en_us", "english/")):
        for one in ROWS[language]:
            name = folder + Path(one["path"]).name
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(one["audio"]["bytes"])
            paths.setdefault(language, []).append(root / name)
            gender = ["male", "Female"][one["gender"]]
            line = {"file": name, "language": code, "text": one["raw_transcription"]}
            lines.append({**line, "gender": gender, "id": one["id"]})
    index = write_index(root, lines, kind)
    return {language: [index, *found] for language, found in paths.items()}


def write(root: Path, layout: str) -> dict[str, list[Path]]:
    """The files of both languages in a layout."""
    if layout.startswith("files"):
        return write_own(root, layout.partition(".")[2])
    if layout == "tar":
        return {language: write_tar(root, language, ROWS[language]) for language in LANGUAGES}
    writer = {"parquet": write_split, "converted": write_converted}[layout]
    return {language: [writer(root, language, ROWS[language])] for language in LANGUAGES}


def run(korean: Path, english: Path | None, out: Path, samples: int = 5) -> list[dict]:
    manifest = out / "clips" / "ko_kr.jsonl"
    given = ["--use", "calibration", "--language", "ko_kr", "--files", str(korean)]
    given += ["--english", str(english)] if english else []
    given += ["--samples", str(samples), "--seed", "0", "--pool", "all", "--silence", "-55"]
    prepare([*given, "--out", str(manifest)])
    return read_jsonl(manifest)


def clips(out: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted((out / "clips").iterdir())}


def test_the_same_clips_from_every_layout(tmp_path):
    written = {}
    for layout in ("parquet", "converted", "tar", "files.csv", "files.jsonl"):
        root, out = tmp_path / layout, tmp_path / f"{layout}.out"
        kind = layout.partition(".")[0]
        paths = write(root, layout)
        korean, english = (listed(root, kind, one, paths[one], out) for one in LANGUAGES)
        lines = run(korean, english, out, samples=10)
        assert lines[0]["transcription"] == TEXT["raw_transcription"]
        for line in lines:
            partner = f"English {line['sentence_id']}" if line["sentence_id"] % 4 else None
            assert line["translation"] == partner
        assert {line["gender"] for line in lines} == {"male", "female"}
        written[layout] = clips(out)
    assert len(written["parquet"]) == 11
    assert all(one == written["parquet"] for one in written.values())


# --- tar


def in_tar(folder: Path, rows: list[dict]) -> tuple[list[Path], Path]:
    paths = write_tar(folder, "ko_kr", rows)
    return paths, listed(folder, "tar", "ko_kr", paths, folder)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("audio", b"RIFF", "binary"),
        ("audio", {"path": "a.wav"}, "struct<path: string>"),
        ("num_samples", "16000", "string"),
        ("raw_transcription", ["a", "text"], "list<"),
        ("id", 1.0, "double"),
    ],
)
def test_a_column_that_holds_another_kind_is_named(tmp_path, column, value, kind):
    table = pa.Table.from_pylist([row(1, 0) | {column: value}])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=f"has {kind}.* in the column '{column}', which must hold"):
        parquet.read_recordings([tmp_path / "a.parquet"])


def test_a_column_of_large_or_repeated_texts_is_one_of_texts(tmp_path):
    table = pa.Table.from_pylist([row(1, 0)])
    texts = table["raw_transcription"]
    for other in (texts.cast(pa.large_string()), texts.dictionary_encode(), pa.nulls(1)):
        place = table.column_names.index("raw_transcription")
        changed = table.set_column(place, "raw_transcription", other)
        pq.write_table(changed, tmp_path / "a.parquet")
        (found,) = parquet.read_recordings([tmp_path / "a.parquet"])
        assert found.text in ("Sentence “1”.", "")


@pytest.mark.parametrize("layout", ["parquet", "converted", "tar"])
def test_folders_may_be_links(tmp_path, layout):
    root = tmp_path / "root"
    write = {"parquet": write_split, "converted": write_converted, "tar": write_tar}[layout]
    write(tmp_path / "disk", "ko_kr", [row(1, 0)])
    plain = local_split(tmp_path / "disk", "ko_kr", "validation")
    root.mkdir()
    for folder in (tmp_path / "disk").iterdir():
        (root / folder.name).symlink_to(folder)
    (root / "round").symlink_to(root)
    assert local_layout(root) == layout
    assert local_split(root, "ko_kr", "validation") == plain


def test_a_clip_that_is_not_in_the_archive_is_passed_over(tmp_path):
    absent = row(2, 0, audio={"bytes": None, "path": "x.wav"})
    _, manifest = in_tar(tmp_path, [row(1, 0), absent])
    assert [one["sentence_id"] for one in run(manifest, None, tmp_path, samples=1)] == [1]
    with pytest.raises(UserError, match="1 without audio"):
        run(manifest, None, tmp_path, samples=2)


def test_the_archive_is_read_no_further_than_needed(tmp_path):
    (_, archive), manifest = in_tar(tmp_path, [row(s, 0) for s in range(20)])
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    recordings = read_recordings(manifest)
    assert [one.sentence_id for one, _ in read_audio(manifest, recordings[2:5])] == [2, 3, 4]
    archive.write_bytes(bytes(len(content)))
    with pytest.raises(UserError, match=r"dev\.tar\.gz cannot be read as tar\.gz"):
        list(read_audio(manifest, recordings))


def test_an_archive_cut_off_is_no_shorter_archive(tmp_path):
    paths, _ = in_tar(tmp_path, [row(s, 0) for s in range(20)])
    content = paths[1].read_bytes()
    for end in (1000, len(content) // 2, len(content) - 5000):
        paths[1].write_bytes(content[:end])
        manifest = listed(tmp_path, "tar", "ko_kr", paths, tmp_path)
        with pytest.raises(UserError, match=r"cannot be read as tar\.gz"):
            list(read_audio(manifest, read_recordings(manifest)))


@pytest.mark.parametrize("line", ["7\ta.wav\tonly", "x\ta.wav\ta\tb\tc\t9\tMALE", "7\t" * 7])
def test_a_line_that_is_not_of_fleurs(tmp_path, line):
    paths, _ = in_tar(tmp_path, [row(1, 0)])
    with paths[0].open("a") as file:
        file.write(line + "\n")
    manifest = listed(tmp_path, "tar", "ko_kr", paths, tmp_path)
    with pytest.raises(UserError, match=r"line 2 of .*dev\.tsv has other columns than google"):
        read_recordings(manifest)


# --- own audio


def own(folder: Path, lines: list[dict], kind: str = "csv") -> Path:
    """The manifest of the Korean lines; a file that is not there yet is made."""
    for number, line in enumerate(lines):
        path = folder / line["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(encoded(tone(1.5, seed=number)))
    index = write_index(folder, lines, kind)
    paths = [index, *(folder / entry.file for entry in read_index(index, "ko_kr"))]
    return listed(folder, "files", "ko_kr", paths, folder / "out")


def line(file: str, text: str = "", language: str = "ko", **more) -> dict:
    return {"file": file, "language": language, "text": text or f"text of {file}", **more}


def test_any_format_rate_and_number_of_channels(tmp_path):
    formats = [("a.wav", 16_000, 1), ("b.flac", 16_000, 2), ("c.ogg", 22_050, 1)]
    formats += [("d.mp3", 48_000, 2), ("e.wav", 8_000, 1)]
    for name, rate, channels in formats:
        soundfile.write(tmp_path / name, tone(2.0, rate=rate, channels=channels), rate)
    manifest = own(tmp_path, [line(name) for name, _, _ in formats])
    lines = run(manifest, None, tmp_path)
    assert {one["recording"] for one in lines} == {name for name, _, _ in formats}
    spectrum = np.abs(np.fft.rfft(tone(2.0)[:, 0])).argmax() / 2.0
    for one in lines:
        written, rate = soundfile.read(tmp_path / "clips" / one["file"])
        assert (rate, written.ndim) == (16_000, 1)
        assert one["seconds"] == pytest.approx(2.0, abs=0.1)
        peak = np.abs(np.fft.rfft(written)).argmax() / one["seconds"]
        assert peak == pytest.approx(spectrum, rel=0.01)
        assert one["rms_dbfs"] == pytest.approx(-23, abs=1)


def test_what_cannot_be_used_is_passed_over_and_counted(tmp_path):
    (tmp_path / "short.wav").write_bytes(encoded(tone(0.5)))
    (tmp_path / "long.flac").write_bytes(encoded(tone(31)))
    names = ["short.wav", "long.flac", "good.wav", "better.wav"]
    lines = [line(name) for name in names] + [{**line("mute.wav"), "text": " "}]
    manifest = own(tmp_path, lines)
    used = run(manifest, None, tmp_path, samples=2)
    assert {one["recording"] for one in used} == {"good.wav", "better.wav"}
    with pytest.raises(UserError) as error:
        run(manifest, None, tmp_path, samples=3)
    assert "has 2 usable of 5 sentences" in str(error.value)
    for reason in ("1 shorter", "1 longer", "1 without text"):
        assert reason in str(error.value)
    assert "lower data.samples_per_language to 2 or less, or add recordings" in str(error.value)
    assert " of the split" not in str(error.value)


@pytest.mark.parametrize("content", [b"RIFF but no more", b""])
def test_a_file_that_is_no_audio_is_named(tmp_path, content):
    (tmp_path / "noise.wav").write_bytes(content)
    manifest = own(tmp_path, [line("noise.wav"), line("good.wav")])
    with pytest.raises(UserError, match=r"noise\.wav, which .*index\.csv lists, cannot be read"):
        run(manifest, None, tmp_path, samples=1)


def test_a_sentence_is_its_id_or_else_its_text(tmp_path):
    lines = [
        line("a.wav", "같은 글", id="", gender="", translation="The same text"),
        line("deep/b.wav", " 같은  글 ", id="", gender="FEMALE"),
        line("c.wav", "다른 글", id="12", translation=""),
        line("d.wav", "글", id="s-12"),
    ]
    manifest = own(tmp_path, lines)
    a, b, c, d = read_recordings(manifest)
    assert a.sentence_id == b.sentence_id == 0xC550DA31BB69  # stable: halves depend on it
    assert c.sentence_id == 12
    assert 12 != d.sentence_id < 2**48
    assert [one.gender for one in (a, b)] == ["other", "female"]
    assert (a.name, b.name) == ("a.wav", "deep/b.wav")
    assert read_texts(manifest)[12] == "다른 글"
    translations = {
        one["sentence_id"]: one["translation"] for one in run(manifest, None, tmp_path, 3)
    }
    assert translations[12] is None
    integer = own(tmp_path / "jsonl", [line("c.wav", id=12), line("e.wav", id=None)], "jsonl")
    assert read_recordings(integer)[0].sentence_id == 12


def test_a_translation_of_its_own_comes_before_that_of_the_sentence(tmp_path):
    lines = [line("a.wav", id=1, translation="Mine"), line("b.wav", id=2, translation="")]
    lines += [line(f"en{n}.wav", f"English {n}", "en", id=n, translation="") for n in (1, 2)]
    manifest = own(tmp_path, lines)
    english = [tmp_path / name for name in ("index.csv", "en1.wav", "en2.wav")]
    english = listed(tmp_path, "files", "en_us", english, tmp_path / "out")
    used = run(manifest, english, tmp_path, samples=2)
    assert {one["sentence_id"]: one["translation"] for one in used} == {1: "Mine", 2: "English 2"}


def test_a_whisper_code_stands_for_its_fleurs_languages(tmp_path):
    index = own(tmp_path, [line("a.wav"), line("b.wav", language="zh"), line("c.wav")]).parent
    index = index.parent / "index.csv"
    assert [entry.file for entry in read_index(index, "ko_kr")] == ["a.wav", "c.wav"]
    assert [entry.file for entry in read_index(index, "cmn_hans_cn")] == ["b.wav"]


def test_the_index_of_a_folder(tmp_path):
    assert find_index(tmp_path) is None
    for name in ("index.csv", "._index.csv", "notes.txt"):
        (tmp_path / name).touch()
    assert find_index(tmp_path) == tmp_path / "index.csv"
    (tmp_path / "other.jsonl").touch()
    with pytest.raises(UserError, match=r"has 2 indexes \(index\.csv, other\.jsonl\): leave"):
        find_index(tmp_path)


HEAD = "file,language,text\n"
WRONG = {
    "file;language;text\n": "has no column 'file': its first line must name the columns file,",
    "file,language\na.wav,ko\n": "has no column 'text'",
    "": "has no column 'file'",
    HEAD: "has no line of the language 'ko_kr': it lists no file",
    HEAD + "a.wav,en,x\nb.wav,ky,x\n": "no line of the language 'ko_kr': it has ky, en",
    HEAD + "a.wav,ko,one, two\n": "line 2 of .* does not have the 3 columns",
    HEAD + "a.wav,ko\n": "line 2 of .* does not have the 3 columns",
    HEAD + 'a.wav,en,x\na.wav,ko,"x\n\n': "line 3 of .* cannot be read as CSV",
    HEAD + "b.wav,ko,x\n": "line 2 of .* names b.wav, which is not in",
    HEAD + "a.wav,ko,x\n\n./a.wav,ko,y\n": "line 4 of .* lists a.wav, as line 2 does",
    HEAD + ",ko,x\n": "line 2 of .* names no file",
    HEAD + "../a.wav,ko,x\n": "line 2 of .* names ../a.wav, which is outside of the folder",
    HEAD + "/a.wav,ko,x\n": "line 2 of .* names /a.wav, which is outside of the folder",
    HEAD + "a.wav,ko,\udcff\n": "line 2 of .* is not UTF-8",
}
WRONG_JSON = {
    '{"file": "a.wav", "language": "ko"}\n': "line 1 of .* has no 'text'",
    '\n{"file": "a.wav", \n': "line 2 of .* is not JSON",
    '["a.wav"]\n': "line 1 of .* is not an object",
    '{"file": "a.wav", "language": "ko", "text": 5}\n': "'text' in line 1 of .* is not text",
    '{"file": "a.wav", "language": "ko", "text": "x", "id": 1.5}\n': "'id' in line 1 of",
}


@pytest.mark.parametrize(("content", "sentence"), [*WRONG.items(), *WRONG_JSON.items()])
def test_a_wrong_index_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "a.wav").touch()
    index = tmp_path / f"index.{'jsonl' if content in WRONG_JSON else 'csv'}"
    index.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=sentence) as error:
        read_index(index, "ko_kr")
    assert "\n" not in str(error.value)


def test_an_index_that_lists_other_files_than_were_fetched(tmp_path):
    manifest = own(tmp_path, [line("a.wav"), line("b.wav")], "jsonl")
    index = tmp_path / "index.jsonl"
    first, second = index.read_text().splitlines(keepends=True)
    index.write_text(second + first)
    with pytest.raises(UserError, match="no longer lists the ko_kr files that it listed"):
        read_recordings(manifest)


def test_a_language_of_which_there_is_no_line(tmp_path):
    root = tmp_path / "own"
    own(root, [line("a.wav")])
    english = listed(root, "files", "en_us", [root / "index.csv"], tmp_path)
    assert read_texts(english) == {}


def test_tar_members_are_what_fleurs_has(tmp_path):
    with tarfile.open(in_tar(tmp_path, [row(1, 0)])[0][1]) as tar:
        assert tar.getnames() == ["dev/000010.wav"]
    assert json.loads((tmp_path / "ko_kr.json").read_text())["layout"] == "tar"
