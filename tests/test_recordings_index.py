"""The index of own recordings as people write it: names are data, texts are in one Unicode form."""

import json
import unicodedata
from pathlib import Path

import pytest

from common.cli import UserError
from data.own_audio import read_index
from data.prepare import main as prepare
from data.speech import read_recordings
from tests.data_fleurs import encoded, listed, tone, write_index

NAMES = [
    "{call}.wav", "[1-3].wav", "a*b?.wav", "'q' \"d\".wav", "$HOME `x`.wav", "a;b|c&d.wav", "%s%(x)s.wav",
    "-rf.wav", "~.wav", "#1.wav", "a\\b.wav", "tab\there.wav", "two\nlines.wav", "é 한국어 😀.wav",
    "no ending", ".hidden.wav", "CON.wav", " before.wav", "x.tar.gz", "deep/{a}/[b]/c.wav",
]  # fmt: skip


def line(file: str, text: str | None = None, **more: str) -> dict[str, str]:
    return {"file": file, "language": "ko", "text": text or f"text of {file}", **more}


def own(folder: Path, lines: list[dict[str, str]], kind: str = "jsonl") -> Path:
    """The listing of own recordings; a file that is not there is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(lines):
        path = folder / one["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(encoded(tone(1.5, seed=number)))
    index = write_index(folder, lines, kind)
    paths = [index, *(folder / entry.file for entry in read_index(index, "ko_kr"))]
    return listed(folder, "files", "ko_kr", paths, folder / "out")


def run(files: Path, use: str, samples: int) -> list[dict]:
    out = files.parent / use / "ko_kr.jsonl"
    given = ["--use", use, "--language", "ko_kr", "--files", str(files), "--seed", "0"]
    given += ["--samples", str(samples), "--pool", use, "--silence", "-55", "--out", str(out)]
    prepare(given)
    return [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_whatever_the_file_system_allows_is_a_name(tmp_path: Path, kind: str) -> None:
    # The letters of a CSV's value may not begin with a space, as `a, b` is two values.
    names = [name for name in NAMES if kind == "jsonl" or not name.startswith(" ")]
    files = own(tmp_path, [line(name) for name in names], kind)
    assert [one.name for one in read_recordings(files)] == names
    half = len(names) // 2
    used = run(files, "calibration", half) + run(files, "evaluation", half)
    assert {one["recording"] for one in used} <= set(names)


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_in_another_unicode_form_is_that_of_the_file(
    tmp_path: Path, written: str, stored: str
) -> None:
    """Archives and disks change the form of a name, and an index is written by hand."""
    name = unicodedata.normalize(stored, "Gespräch 한국.wav")
    (tmp_path / name).write_bytes(encoded(tone(1.5)))
    index = write_index(tmp_path, [line(unicodedata.normalize(written, name))])
    assert [entry.file for entry in read_index(index, "ko_kr")] == [name]
    twice = [line(unicodedata.normalize(form, name)) for form in (written, stored)]
    with pytest.raises(UserError, match=r"line 3 of .* lists Gespr.*, as line 2 does"):
        read_index(write_index(tmp_path, twice), "ko_kr")


def test_spaces_around_a_name_are_of_the_table_unless_they_are_of_the_file(tmp_path: Path) -> None:
    lines = [line(" a.wav "), line("b.wav ")]
    (tmp_path / "a.wav").write_bytes(encoded(tone(1.5)))
    (tmp_path / "b.wav ").write_bytes(encoded(tone(1.5)))
    index = write_index(tmp_path, lines, "jsonl")
    assert [entry.file for entry in read_index(index, "ko_kr")] == ["a.wav", "b.wav "]


def test_text_and_file_in_each_others_place(tmp_path: Path) -> None:
    swapped = [{"file": 100 * "아주 긴 글 ", "language": "ko", "text": "a.wav"}]
    index = write_index(tmp_path, swapped)
    with pytest.raises(
        UserError, match=r"line 2 of .*index\.csv names '아주 긴 .*is it the name of"
    ):
        read_index(index, "ko_kr")


@pytest.mark.parametrize("name", ["text", "translation", "id", "gender", "file"])
def test_half_a_character_is_named(tmp_path: Path, name: str) -> None:
    own(tmp_path, [line("a.wav")])
    with (tmp_path / "index.jsonl").open("a") as index:
        index.write(json.dumps(line("b.wav") | {name: "x \ud83d"}) + "\n")
    with pytest.raises(UserError, match=rf"'{name}' in line 2 of .* has \\ud83d, which is no char"):
        read_index(tmp_path / "index.jsonl", "ko_kr")


@pytest.mark.parametrize(
    "content", ['{"id": ' + 5000 * "9" + "}", 100_000 * "[", '{"file": "a.wav", "file": "b.wav"}']
)
def test_json_that_is_none_of_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.jsonl").write_text(content)
    with pytest.raises(UserError, match=r"line 1 of .*index\.jsonl"):
        read_index(tmp_path / "index.jsonl", "ko_kr")


def test_a_column_twice(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,language,text,text\na.wav,ko,x,y\n")
    with pytest.raises(UserError, match=r"index\.csv has 2 columns 'text': leave one"):
        read_index(tmp_path / "index.csv", "ko_kr")


def test_a_text_in_two_unicode_forms_is_one_sentence(tmp_path: Path) -> None:
    texts = [f"Réponse à la {n}ᵉ question, élève" for n in range(12)]
    lines = [
        line(f"{form}{number}.wav", unicodedata.normalize(form, text))
        for number, text in enumerate(texts)
        for form in ("NFC", "NFD")
    ]
    files = own(tmp_path, lines)
    used = {use: run(files, use, 6) for use in ("calibration", "evaluation")}
    ids = {use: [one["sentence_id"] for one in found] for use, found in used.items()}
    assert len(set(ids["calibration"] + ids["evaluation"])) == 12
    spoken = [one["transcription"] for found in used.values() for one in found]
    assert sorted(spoken) == sorted(unicodedata.normalize("NFC", text) for text in texts)


def test_ids_are_in_one_unicode_form_too(tmp_path: Path) -> None:
    lines = [
        line(f"{form}.wav", form, id=unicodedata.normalize(form, "é")) for form in ("NFC", "NFD")
    ]
    first, second = read_recordings(own(tmp_path, lines))
    assert first.sentence_id == second.sentence_id


def test_texts_without_a_word_are_left_out_at_once(tmp_path: Path) -> None:
    lines = [line("a.wav", "…"), line("b.wav", "?!"), line("c.wav", "😀 ♪"), line("d.wav", "9")]
    run(own(tmp_path, [*lines, line("e.wav")]), "evaluation", 1)
    files = own(tmp_path / "none", lines[:3])
    for use in ("calibration", "evaluation"):
        with pytest.raises(UserError, match=r"0 usable of \d .* \d without words in their text"):
            run(files, use, 1)


# --- halves


def test_a_text_under_several_ids_is_in_one_half(tmp_path: Path) -> None:
    """As where an id is a recording's; the other languages of an id go with it."""
    texts = [f"text {n // 3}" for n in range(24)]
    lines = [line(f"{n}.wav", text, id=n) for n, text in enumerate(texts)]
    more = [line("a.wav", "Text", id=0, language="de"), line("b.wav", "Text", id=9, language="de")]
    files = own(tmp_path, lines + more)
    used = {use: run(files, use, 9) for use in ("calibration", "evaluation")}
    heard = {use: {one["transcription"] for one in found} for use, found in used.items()}
    assert not heard["calibration"] & heard["evaluation"]
    assert any({"text 0", "text 3"} <= one for one in heard.values())


@pytest.mark.parametrize("count", [2, 3, 8, 9, 40])
def test_a_small_set_is_halved_evenly(tmp_path: Path, count: int) -> None:
    files = own(tmp_path, [line(f"{n}.wav") for n in range(count)])
    used = {use: run(files, use, count // 2) for use in ("calibration", "evaluation")}
    ids = [one["sentence_id"] for found in used.values() for one in found]
    assert len(set(ids)) == len(ids) == 2 * (count // 2)
    few = run(files, "calibration", 1)
    assert few == used["calibration"][:1]  # more samples keep those that fewer had
    assert run(files, "evaluation", count // 2) == used["evaluation"]
