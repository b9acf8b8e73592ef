"""Read FLEURS' Parquet files: texts first, audio only of the rows that are wanted.

A FLEURS split is one row group of up to 360 MB. The files are memory-mapped and read a few rows at
a time, so that their pages are in the system's cache and not in this process.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet

from common.cli import UserError
from data.choose import Recording

GENDERS = ("male", "female", "other")  # FLEURS' class labels, in their order
COLUMNS = ("id", "num_samples", "path", "raw_transcription", "gender")
BATCH = 16  # rows of audio in memory at a time: 30 s of float32 each are 2 MB


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
                        samples=values["num_samples"] or 0,
                        text=(values["raw_transcription"] or "").strip(),
                    )
                )
    return recordings


def read_texts(paths: Sequence[Path]) -> dict[int, str]:
    """Sentence id -> raw transcription, of all sentences that have one."""
    texts: dict[int, str] = {}
    for path in paths:
        with _opened(path, ("id", "raw_transcription")) as file:
            for values in file.read(columns=["id", "raw_transcription"]).to_pylist():
                text = (values["raw_transcription"] or "").strip()
                if text:
                    texts.setdefault(values["id"], text)
    return texts


def read_audio(
    paths: Sequence[Path], wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes | None]]:
    """The wanted recordings with the bytes of their audio files, in the order of the rows."""
    for number, path in enumerate(paths):
        rows = {recording.row: recording for recording in wanted if recording.file == number}
        if not rows:
            continue
        with _opened(path, ("audio",)) as file:
            start = 0
            for batch in file.iter_batches(BATCH, columns=["audio.bytes"], use_threads=False):
                clips = batch.column("audio").field("bytes")
                for row in range(start, start + batch.num_rows):
                    if row in rows:
                        yield rows[row], clips[row - start].as_py()
                start += batch.num_rows
                if start > max(rows):
                    break


@contextmanager
def _opened(path: Path, columns: Sequence[str]) -> Iterator[pyarrow.parquet.ParquetFile]:
    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=True) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise UserError(
                    f"{path} has no column {missing[0]!r}: it must have those of google/fleurs"
                )
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet ({error}): fetch it again") from error
