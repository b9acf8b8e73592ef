"""The index of own speech: *.csv or *.jsonl at the top of a folder of audio files.

An index line has `file` (relative to the folder), `language` (a FLEURS code, or a Whisper code such
as `ko`, which stands for every FLEURS code of that language) and `text` (may be empty); optional
are `translation` (in English), `gender` and `id` (integer or text; the text itself where it has
none). The files may be whatever soundfile reads, at any rate.
"""

import csv
import difflib
import hashlib
import io
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError
from data.languages import FLEURS_TO_WHISPER

SUFFIXES = (".csv", ".jsonl")
REQUIRED = ("file", "language", "text")
OPTIONAL = ("translation", "gender", "id")
INTEGER = re.compile(r"0|[1-9][0-9]{0,17}")  # an id that is taken as it is
ID_DIGITS = 12  # hexadecimal digits of a hash that serve as any other id: 48 bits


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
        UserError: there are several.
    """
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
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
    for number, line in _lines(index):
        where = f"line {number} of {index}"
        file = _inside(line["file"], where)
        if file in lines:
            raise UserError(f"{where} lists {file}, as line {lines[file]} does: remove one of them")
        lines[file] = number
        code = line["language"].lower()
        languages.add(code)
        if code not in (language, FLEURS_TO_WHISPER.get(language)):
            continue
        if not (index.parent / file).is_file():
            raise UserError(
                f"{where} names {file}, which is not in {index.parent}: add the file, or remove"
                " the line"
            )
        entries.append(
            Entry(
                file=file,
                text=line["text"],
                translation=line["translation"] or None,
                gender=line["gender"].lower(),
                # Two recordings of one text are one sentence.
                sentence_id=_number(line["id"] or " ".join(line["text"].split()) or file),
            )
        )
    if not entries:
        near = sorted(languages, key=lambda one: (-_likeness(one, language), one))
        there = f"it has {', '.join(near[:10])}" if near else "it lists no file"
        raise UserError(f"{index} has no line of the language {language!r}: {there}")
    return entries


def _lines(index: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and stripped values of every line; what a line does not have is empty."""
    data = index.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise UserError(f"line {number} of {index} is not UTF-8: save the file as UTF-8") from error
    for number, line in (_csv if index.suffix.lower() == ".csv" else _jsonl)(text, index):
        for name in REQUIRED:
            if name not in line:
                raise UserError(f"line {number} of {index} has no {name!r}: add it")
        values = {name: line.get(name) for name in (*REQUIRED, *OPTIONAL)}
        for name, value in values.items():
            if value is not None and type(value) not in ((str, int) if name == "id" else (str,)):
                raise UserError(f'{name!r} in line {number} of {index} is not text: put it in ""')
        yield (
            number,
            {name: "" if value is None else str(value).strip() for name, value in values.items()},
        )


def _csv(text: str, index: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        names = rows.fieldnames or []
        for name in REQUIRED:
            if name not in names:
                raise UserError(
                    f"{index} has no column {name!r}: its first line must name the columns"
                    f" {', '.join(REQUIRED)}, separated by commas, but is {','.join(names)!r}"
                )
        for line in rows:
            if None in line or None in line.values():
                raise UserError(
                    f"line {rows.line_num} of {index} does not have the {len(names)} columns of the"
                    " first line: put a text that contains a comma in double quotes"
                )
            yield rows.line_num, line
    except csv.Error as error:
        # An open quote would name the last line of the file: it counts from the last good line.
        raise UserError(
            f"line {rows.line_num + 1} of {index} cannot be read as CSV ({error}): correct it"
        ) from error


def _jsonl(text: str, index: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"line {number} of {index} is not JSON ({error}): write one object a line"
            ) from error
        if not isinstance(value, dict):
            raise UserError(f"line {number} of {index} is not an object: write one object a line")
        yield number, value


def _inside(file: str, where: str) -> str:
    """A relative path without detours."""
    if not file:
        raise UserError(f"{where} names no file: add it, or remove the line")
    path = posixpath.normpath(file)
    if path.startswith(("/", "../")) or path == "..":
        raise UserError(f"{where} names {file}, which is outside of the folder: move it inside")
    return path


def _number(name: str) -> int:
    """An integer as it is; of any other name one that is the same in every run."""
    if INTEGER.fullmatch(name):
        return int(name)
    return int(hashlib.sha256(name.encode()).hexdigest()[:ID_DIGITS], 16)


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
