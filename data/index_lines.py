"""The lines of an index of own speech, CSV or JSON, as they are written there."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.cli import UserError

REQUIRED = ("file", "language", "text")
OPTIONAL = ("translation", "gender", "id")


def read_lines(index: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and values of every line; what a line does not have is empty.

    Raises:
        UserError: a line cannot be read, or has not the values that it must have.
    """
    try:
        data = index.read_bytes()
    except OSError as error:
        raise UserError(
            f"{index} cannot be read ({error.strerror}): let this user read it"
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise UserError(f"line {number} of {index} is not UTF-8: save the file as UTF-8") from error
    for number, line in (_csv if index.suffix.lower() == ".csv" else _jsonl)(text, index):
        for name in REQUIRED:
            if name not in line:
                raise UserError(f"line {number} of {index} has no {name!r}: add it")
        yield number, {name: _value(line, name, number, index) for name in (*REQUIRED, *OPTIONAL)}


def _value(line: dict[str, Any], name: str, number: int, index: Path) -> str:
    value = line.get(name)
    if value is None:
        return ""
    if type(value) not in ((str, int) if name == "id" else (str,)):
        raise UserError(f'{name!r} in line {number} of {index} is not text: put it in ""')
    value = str(value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        # Half of a pair, as of an emoji that was cut in two; as a byte of a name, not UTF-8.
        wrong = f"\\u{ord(value[error.start]):04x}"
        advice = "rename the file in UTF-8" if name == "file" else "write the character anew"
        raise UserError(
            f"{name!r} in line {number} of {index} has {wrong}, which is no character: {advice}"
        ) from error
    return value


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
        for name in (*REQUIRED, *OPTIONAL):
            if names.count(name) > 1:
                raise UserError(f"{index} has {names.count(name)} columns {name!r}: leave one")
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
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"line {number} of {index} is not JSON ({error}): write one object a line"
            ) from error
        if not isinstance(value, dict):
            raise UserError(f"line {number} of {index} is not an object: write one object a line")
        yield number, value
