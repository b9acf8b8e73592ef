"""Read FLEURS' older tree: a TSV file of texts, and a tar.gz of WAV files.

The archive is read from its start to the last wanted file, one clip in memory at a time.
"""

import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.cli import UserError
from data.choose import GENDERS, Recording

# Of a line of the TSV file, which has no header.
COLUMNS = ("id", "file name", "raw text", "text", "characters", "samples", "gender")


def read_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Every line of the TSV file, in order; `paths` are that file and the archive.

    Raises:
        UserError: a line is not one of FLEURS.
    """
    tsv, _ = paths
    recordings = []
    try:
        # Not the csv module: quotes are text, and nothing is escaped.
        for row, line in enumerate(tsv.read_text(encoding="utf-8").split("\n")):
            if not line.strip():
                continue
            number, name, text, _, _, samples, gender = line.rstrip("\r").split("\t")
            recordings.append(
                Recording(
                    file=0,
                    row=row,
                    name=name,
                    sentence_id=int(number),
                    gender=gender.lower() if gender.lower() in GENDERS else "other",
                    samples=int(samples),
                    text=text.strip(),
                )
            )
    except UnicodeDecodeError as error:
        raise UserError(f"{tsv} is not UTF-8 ({error}): fetch it again") from error
    except ValueError as error:
        raise UserError(
            f"line {row + 1} of {tsv} has other columns than google/fleurs, whose are"
            f" {', '.join(COLUMNS)}: fetch it again"
        ) from error
    return recordings


def read_audio(
    paths: Sequence[Path], wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes | None]]:
    """The wanted recordings with the bytes of their audio files, in the order of the archive.

    Those that are not in it come last, with None.

    Raises:
        UserError: the archive cannot be read.
    """
    _, archive = paths
    left = list(wanted)
    try:
        with tarfile.open(archive, mode="r|gz") as tar:
            for member in tar:
                name = posixpath.basename(member.name)
                found = [one for one in left if one.name == name]
                file = tar.extractfile(member) if found else None
                if file is not None:
                    data = file.read()
                    yield from ((one, data) for one in found)
                    left = [one for one in left if one not in found]
                if not left:
                    break
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"{archive} cannot be read as tar.gz ({error}): fetch it again") from error
    yield from ((one, None) for one in left)
