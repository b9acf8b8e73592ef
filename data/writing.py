"""Write chosen recordings as WAV files, each once, and note those that cannot be used."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.files import read_json, sha256_of
from common.source_files import code_hash
from data.audio import RATE, Unusable, check_length, decode, levels, write_wav
from data.choose import Choice, Recording, choose
from data.journal import Journal
from data.own_audio import has_words
from data.sound_header import Broken
from data.speech import broken, read_audio


def clips_key(files: Path, silence: float) -> str:
    """One digest of what a clip depends on: the files it is read from, the settings, the code."""
    digests = [file["sha256"] for file in read_json(files)["files"]]
    facts = [*digests, str(silence), code_hash("data.audio")]
    return hashlib.sha256(" ".join(facts).encode()).hexdigest()


def write_clips(
    recordings: Sequence[Recording],
    files: Path,
    wavs: Path,
    choice: Choice,
    silence: float,
    journal: Journal,
) -> list[tuple[Recording, dict[str, Any]]]:
    """Write the chosen recordings as `{wavs}_{index:04d}.wav`; pairs of recording and clip.

    Whether a recording is usable is known for certain only from its audio. So choose as if all
    those not yet heard were, hear the chosen, and choose again until nothing new is known.
    """
    while True:
        chosen = choose(recordings, choice, journal.is_usable)
        names = {
            recording: wavs.with_name(f"{wavs.name}_{index:04d}.wav")
            for index, recording in enumerate(chosen)
        }
        clips = [journal.clip(recording, names[recording]) for recording in chosen]
        missing = [one for one, clip in zip(chosen, clips, strict=True) if clip is None]
        if not missing:
            return [(one, clip) for one, clip in zip(chosen, clips, strict=True) if clip]
        for recording, data in read_audio(files, missing):
            try:
                write_clip(recording, data, names[recording], silence, journal)
            except Broken as reason:
                print(f"{recording.name} {reason}", file=sys.stderr)
                if error := broken(files, recording, str(reason)):
                    raise error from reason
                journal.add(recording, unusable="not decodable")


def write_clip(
    recording: Recording, data: bytes | None, wav: Path, silence: float, journal: Journal
) -> None:
    """Write one recording, or note why it cannot be used.

    Raises:
        Broken: it cannot be decoded.
    """
    try:
        pcm = decode(data, silence)
    except Unusable as reason:
        journal.add(recording, unusable=str(reason))
        return
    write_wav(wav, pcm)
    rms, peak = levels(pcm)
    journal.add(
        recording,
        file=wav.name,
        sha256=sha256_of(wav),
        seconds=round(len(pcm) / RATE, 3),
        rms_dbfs=round(rms, 2),
        peak_dbfs=round(peak, 2),
    )


def note_metadata(recordings: Sequence[Recording], journal: Journal) -> None:
    """Note the recordings that cannot be used for what is known without their audio of them."""
    for recording in recordings:
        if not recording.text:
            journal.unusable[recording.file, recording.row] = "without text"
            continue
        if not has_words(recording.text):
            journal.unusable[recording.file, recording.row] = "without words in their text"
            continue
        if recording.samples is None:
            continue
        try:
            check_length(recording.samples)
        except Unusable as reason:
            journal.unusable[recording.file, recording.row] = str(reason)


def remove_stale(out: Path, language: str, keep: set[str]) -> None:
    """Remove clips of this language that an earlier, different choice or a kill has left."""
    clip = re.compile(rf"\.?{re.escape(language)}_\d{{4,}}(\.part\d*)?\.wav")
    for path in sorted(out.parent.iterdir()):
        if clip.fullmatch(path.name) and path.name not in keep:
            path.unlink()
