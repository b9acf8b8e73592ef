"""The index of own speech: *.csv or *.jsonl at the top of a folder of audio files.

An index line has `file` (relative to the folder), `language` (a FLEURS code, or a Whisper code such
as `ko`, which stands for every FLEURS code of that language) and `text` (may be empty); optional
are `translation` (in English), `gender` and `id` (integer or text; the text itself where it has
none). The files may be whatever soundfile reads, at any rate.

Texts and ids are taken in one Unicode form (NFC): what looks the same is the same. Names of files
are taken as they are written.
"""

import difflib
import hashlib
import posixpath
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError
from data.index_lines import read_lines
from data.languages import FLEURS_TO_WHISPER

SUFFIXES = (".csv", ".jsonl")
INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")  # an id that is taken as it is
ID_DIGITS = 12  # hexadecimal digits of a hash that serve as any other id: 48 bits
SHOWN = 60  # characters of a name in a message


class Entry(NamedTuple):
    """One line of an index."""

    file: str  # relative to the folder, with forward slashes
    text: str
    translation: str | None
    gender: str  # as it is written there, in lower case
    sentence_id: int


def find_index(folder: Path) -> Path | None:
    """The index at the top of a folder; None if there is none.

    Raises:
        UserError: there are several, or the folder cannot be read.
    """
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    except OSError as error:
        raise UserError(
            f"{folder} cannot be read ({error.strerror}): let this user read it"
        ) from error
    if len(found) > 1:
        raise UserError(
            f"{folder} has {len(found)} indexes ({', '.join(path.name for path in found)}): leave"
            " the one that lists the audio files, and move the others elsewhere"
        )
    return found[0] if found else None


def read_index(index: Path, language: str) -> list[Entry]:
    """The lines of a FLEURS language, in order; the files that they name are there.

    Raises:
        UserError: a line cannot be read, names no file of the folder or a file twice, or no line
            is of this language.
    """
    entries: list[Entry] = []
    languages: set[str] = set()
    lines: dict[str, int] = {}
    for number, line in read_lines(index):
        where = f"line {number} of {index}"
        file = _inside(line["file"], where)
        code = _code(line)
        mine = code in (language, FLEURS_TO_WHISPER.get(language))
        if mine:
            file = _found(index.parent, file, where)
        if file in lines:
            raise UserError(f"{where} lists {file}, as line {lines[file]} does: remove one of them")
        lines[file] = number
        languages.add(code)
        if mine:
            entries.append(
                Entry(
                    file=file,
                    text=_text(line["text"]),
                    translation=_text(line["translation"]) or None,
                    gender=line["gender"].strip().lower(),
                    sentence_id=_sentence_id(line),
                )
            )
    if not entries:
        near = sorted(languages, key=lambda one: (-_likeness(one, language), one))
        there = f"it has {', '.join(near[:10])}" if near else "it lists no file"
        raise UserError(f"{index} has no line of the language {language!r}: {there}")
    return entries


def read_sentences(index: Path) -> dict[tuple[int, ...], set[str]]:
    """Of every sentence that has words, the languages in which it is there (Whisper codes).

    Sentences that share a text in a language, as where every recording has an id of its own, stand
    together under all their ids: they must not be parted.

    Raises:
        UserError: a line cannot be read.
    """
    languages: dict[int, set[str]] = {}
    together: dict[int, list[int]] = {}  # the ids that an id stands with, one list for all of them
    first: dict[tuple[str, str], int] = {}  # the id that a language's text came with
    for _, line in read_lines(index):
        if not has_words(line["text"]):
            continue
        code, sentence = _code(line), _sentence_id(line)
        language = FLEURS_TO_WHISPER.get(code, code)
        languages.setdefault(sentence, set()).add(language)
        mine = together.setdefault(sentence, [sentence])
        others = together[first.setdefault((language, _words(line)), sentence)]
        if others is not mine:
            others += mine
            together |= dict.fromkeys(mine, others)
    groups = {id(group): group for group in together.values()}.values()
    return {tuple(sorted(one)): set().union(*map(languages.__getitem__, one)) for one in groups}


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit in a text: something that can be said."""
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def _text(value: str) -> str:
    return unicodedata.normalize("NFC", value.strip())


def _code(line: dict[str, str]) -> str:
    return line["language"].strip().lower()


def _sentence_id(line: dict[str, str]) -> int:
    """Two recordings of one text are one sentence."""
    return _number(_text(line["id"]) or _words(line) or _text(line["file"]))


def _words(line: dict[str, str]) -> str:
    """The text of a line, however it is spaced."""
    return " ".join(_text(line["text"]).split())


def _inside(file: str, where: str) -> str:
    """A relative path without detours."""
    if not file.strip():
        raise UserError(f"{where} names no file: add it, or remove the line")
    path = posixpath.normpath(file)
    if path.strip().startswith(("/", "../")) or path.strip() == "..":
        raise UserError(f"{where} names {file}, which is outside of the folder: move it inside")
    return path


def _found(folder: Path, file: str, where: str) -> str:
    """The name of a file as it is on the disk.

    Systems and archives write accented letters in either of two forms, and tables often have
    spaces around their values; a name that is there as it is written comes first.
    """
    forms = ("NFC", "NFD")
    names = [file, *(unicodedata.normalize(form, file) for form in forms)]
    try:
        for name in dict.fromkeys([*names, *(posixpath.normpath(one.strip()) for one in names)]):
            if (folder / name).is_file():
                return name
    except OSError as error:  # longer than a name can be, as where two columns were mixed up
        raise UserError(
            f"{where} names {file[:SHOWN]!r}..., which cannot be opened ({error.strerror}): is it"
            " the name of a file?"
        ) from error
    raise UserError(
        f"{where} names {file.strip()}, which is not in {folder}: add the file, or remove the line"
    )


def _number(name: str) -> int:
    """An integer as it is; of any other name one that is the same in every run."""
    if INTEGER.fullmatch(name):
        return int(name)
    return int(hashlib.sha256(name.encode()).hexdigest()[:ID_DIGITS], 16)


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
