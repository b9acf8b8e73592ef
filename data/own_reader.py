"""Read own speech: audio files of any format that soundfile reads, listed in an index."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import soundfile

from common.cli import UserError
from data.audio import RATE
from data.choose import GENDERS, Recording
from data.own_audio import read_index


def read_recordings(paths: Sequence[Path], language: str) -> list[Recording]:
    """The recordings of one language; `paths` are the index and the audio files that it lists.

    The row of a recording is its position among the audio files.

    Raises:
        UserError: the index cannot be read, or lists other files, or one that is not audio.
    """
    index, *audio = paths
    if not audio:  # so it is with English, for the translations, where there is none of it
        return []
    entries = read_index(index, language)
    if [index.parent / entry.file for entry in entries] != audio:
        raise UserError(
            f"{index} no longer lists the {language} files that it listed when they were fetched:"
            " fetch them again"
        )
    return [
        Recording(
            file=0,
            row=row,
            name=entry.file,
            sentence_id=entry.sentence_id,
            gender=entry.gender if entry.gender in GENDERS else "other",
            samples=_samples(audio[row], index),
            text=entry.text,
            translation=entry.translation,
        )
        for row, entry in enumerate(entries)
    ]


def read_audio(
    paths: Sequence[Path], wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes]]:
    """The wanted recordings with the bytes of their audio files."""
    for recording in wanted:
        yield recording, paths[1 + recording.row].read_bytes()


def _samples(path: Path, index: Path) -> int:
    """Length at 16 kHz, from the file's header."""
    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError as error:
        raise UserError(
            f"{path}, which {index} lists, cannot be read as audio ({error}): replace it, or remove"
            " its line"
        ) from error
    return round(info.frames * RATE / info.samplerate)
