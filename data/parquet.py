"""Read FLEURS' Parquet files: texts first, audio only of the rows that are wanted.

A FLEURS split is one row group of up to 360 MB, and a page of it may hold all its audio. How much
memory that takes is measured by benchmarks/parquet_memory.py: least when the file is read through a
small buffer, neither mapped nor ahead of need, one row at a time.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet
from pyarrow import types

from common.cli import UserError
from data.choose import GENDERS, Recording

COLUMNS = {  # of FLEURS that are read, and what each must hold
    "id": "integers",
    "num_samples": "numbers",
    "path": "texts",
    "raw_transcription": "texts",
    "gender": "",  # what is neither 0 nor 1 is another one
    "audio": "files' bytes",
}
BYTES = (pyarrow.binary(), pyarrow.large_binary(), pyarrow.null())
TEXTS = (pyarrow.string(), pyarrow.large_string(), pyarrow.null())
BUFFER = 1 << 20  # bytes read at a time


def read_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Every row of the files, without its audio, in order.

    Raises:
        UserError: a file is no Parquet file, or lacks a column of FLEURS as it is there.
    """
    columns = [name for name in COLUMNS if name != "audio"]
    recordings = []
    for number, path in enumerate(paths):
        with _opened(path, COLUMNS) as file:
            for row, values in enumerate(file.read(columns=columns).to_pylist()):
                gender = values["gender"]
                recordings.append(
                    Recording(
                        file=number,
                        row=row,
                        name=re.split(r"[/\\]", values["path"] or "")[-1],
                        sentence_id=values["id"],
                        gender=GENDERS[gender] if gender in (0, 1) else "other",
                        samples=values["num_samples"],
                        text=(values["raw_transcription"] or "").strip(),
                    )
                )
    return recordings


def read_audio(
    paths: Sequence[Path], wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes | None]]:
    """The wanted recordings with the bytes of their audio files, in the order of the rows."""
    for number, path in enumerate(paths):
        rows = {recording.row: recording for recording in wanted if recording.file == number}
        if not rows:
            continue
        with _opened(path, ("audio",)) as file:
            batches = file.iter_batches(1, columns=["audio.bytes"], use_threads=False)
            for row, batch in zip(range(max(rows) + 1), batches, strict=False):
                if row in rows:
                    yield rows[row], batch.column("audio").field("bytes")[0].as_py()


@contextmanager
def _opened(path: Path, columns: Collection[str]) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            for name in columns:
                _check_column(path, file.schema_arrow, name)
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}): fetch it again") from error


def _check_column(path: Path, schema: pyarrow.Schema, name: str) -> None:
    """Refuse a column that is not there, or holds what FLEURS' does not."""
    if name not in schema.names:
        raise UserError(f"{path} has no column {name!r}: it must have those of google/fleurs")
    kind, wanted = schema.field(name).type, COLUMNS[name]
    if not _holds(kind, wanted):
        raise UserError(
            f"{path} has {kind} in the column {name!r}, which must hold {wanted}, as that of"
            " google/fleurs does"
        )


def _holds(kind: pyarrow.DataType, wanted: str) -> bool:
    """Whether a column of this type holds what is wanted; one that is empty throughout may."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    match wanted:
        case "integers":
            return types.is_integer(kind)
        case "numbers":
            return types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
        case "texts":
            return kind in TEXTS
        case "files' bytes":
            fields = {field.name: field.type for field in kind} if types.is_struct(kind) else {}
            return fields.get("bytes") in BYTES
    return True
