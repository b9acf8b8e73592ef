"""Read FLEURS' Parquet files: texts first, audio only of the rows that are wanted.

A FLEURS split is one row group of up to 360 MB, and a page of it may hold all its audio. How much
memory that takes is measured by benchmarks/parquet_memory.py: least when the file is read through a
small buffer, neither mapped nor ahead of need, one row at a time.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet

from common.cli import UserError
from data.choose import GENDERS, Recording

COLUMNS = ("id", "num_samples", "path", "raw_transcription", "gender")
BUFFER = 1 << 20  # bytes read at a time


def read_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Every row of the files, without its audio, in order.

    Raises:
        UserError: a file is no Parquet file, or lacks a column of FLEURS.
    """
    recordings = []
    for number, path in enumerate(paths):
        with _opened(path, (*COLUMNS, "audio")) as file:
            for row, values in enumerate(file.read(columns=list(COLUMNS)).to_pylist()):
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
def _opened(path: Path, columns: Sequence[str]) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise UserError(
                    f"{path} has no column {missing[0]!r}: it must have those of google/fleurs"
                )
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}): fetch it again") from error
