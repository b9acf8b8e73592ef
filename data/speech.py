"""Read the speech that a manifest of data.fetch lists, whatever its layout.

Usage: choose among `read_recordings(manifest)`, then take the audio of the chosen ones from
`read_audio(manifest, chosen)`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from common.cli import UserError
from common.files import read_json
from data import own_reader, parquet, tar
from data.cache import local_paths
from data.choose import Recording, even_halves

READERS = {"parquet": parquet, "converted": parquet, "tar": tar, "files": own_reader}  # by layout


def read_recordings(manifest: Path) -> list[Recording]:
    """Every recording of a manifest, without its audio, in order.

    Raises:
        UserError: a file is gone or is not what its layout says.
    """
    record, paths = read_json(manifest), local_paths(manifest)
    if record["layout"] == "files":
        return own_reader.read_recordings(paths, record["language"])
    return READERS[record["layout"]].read_recordings(paths)


def read_audio(
    manifest: Path, wanted: Sequence[Recording]
) -> Iterator[tuple[Recording, bytes | None]]:
    """The wanted recordings of a manifest with the bytes of their audio files, in any order.

    None stands for audio that the data set does not have.

    Raises:
        UserError: a file is gone or cannot be read.
    """
    return READERS[read_json(manifest)["layout"]].read_audio(local_paths(manifest), wanted)


def read_halves(manifest: Path, seed: int) -> dict[int, str]:
    """Sentence id -> half of those that are not halved by their hash alone (see data.choose)."""
    if read_json(manifest)["layout"] != "files":
        return {}
    sentences = own_reader.sentences(local_paths(manifest))
    halves = even_halves(seed, {ids[0]: languages for ids, languages in sentences.items()})
    return {one: halves[ids[0]] for ids in sentences for one in ids}


def broken(manifest: Path, recording: Recording, reason: str) -> UserError | None:
    """What to tell the user of audio that cannot be decoded; None where it is passed over.

    A data set is taken as it is, but a file of one's own can be replaced.
    """
    if read_json(manifest)["layout"] != "files":
        return None
    return own_reader.broken(local_paths(manifest), recording, reason)


def read_texts(manifest: Path) -> dict[int, str]:
    """Sentence id -> raw transcription, of all sentences that have one."""
    texts: dict[int, str] = {}
    for recording in read_recordings(manifest):
        if recording.text:
            texts.setdefault(recording.sentence_id, recording.text)
    return texts
