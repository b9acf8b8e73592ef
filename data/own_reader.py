"""Read own speech: audio files of any format that soundfile reads, listed in an index."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.cli import UserError
from data.audio import LONGEST, RATE
from data.choose import GENDERS, Recording
from data.own_audio import read_index, read_sentences
from data.sound_file import check_header
from data.sound_header import Broken

LARGEST = 1 << 31  # bytes: 30 s take less in any format, so larger files need not be read
NAMED = 3  # broken files that a message names


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
    _refuse_broken(audio, index)
    return [
        Recording(
            file=0,
            row=row,
            name=entry.file,
            sentence_id=entry.sentence_id,
            gender=entry.gender if entry.gender in GENDERS else "other",
            samples=round(LONGEST * RATE) + 1 if path.stat().st_size > LARGEST else None,
            text=entry.text,
            translation=entry.translation,
        )
        for row, (entry, path) in enumerate(zip(entries, audio, strict=True))
    ]


def read_audio(
    paths: Sequence[Path], wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes]]:
    """The wanted recordings with the bytes of their audio files."""
    for recording in wanted:
        yield recording, paths[1 + recording.row].read_bytes()


def sentences(paths: Sequence[Path]) -> dict[tuple[int, ...], set[str]]:
    """Of every sentence of the index, in whatever language, the languages in which it is there.

    Under its id, or under all ids of those that share a text.
    """
    return read_sentences(paths[0])


def broken(paths: Sequence[Path], recording: Recording, reason: str) -> UserError:
    """What to tell the user of an audio file that cannot be decoded."""
    return _listed_but(paths[1 + recording.row], paths[0], reason)


def _refuse_broken(audio: Sequence[Path], index: Path) -> None:
    """Raise a `UserError` that names the files whose headers show that they cannot be used."""
    found: list[tuple[Path, str]] = []
    for path in audio:
        try:
            check_header(path)
        except Broken as reason:
            found.append((path, str(reason)))
        except OSError as error:
            found.append((path, f"cannot be read ({error.strerror})"))
    if found:
        for path, reason in found[1:]:
            print(f"{path} {reason}", file=sys.stderr)
        others = ", ".join(path.name for path, _ in found[1:NAMED])
        more = f" (and {len(found) - 1} more, such as {others})" if others else ""
        raise _listed_but(found[0][0], index, found[0][1] + more)


def _listed_but(path: Path, index: Path, reason: str) -> UserError:
    return UserError(f"{path}, which {index} lists, {reason}: replace it, or remove its line")
