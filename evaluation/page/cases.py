"""Keep a recording that went wrong, as speech of one's own that can be calibrated and evaluated.

A folder of cases is in the layout of own audio (docs/data.md): `index.jsonl` and the recordings, as
they were brought. A line has more than that layout asks for: `settings`, and what was `heard`.
"""

import shutil
from pathlib import Path

from common.cli import UserError
from common.files import read_jsonl, replacing, sha256_of, write_jsonl
from data.own_audio import find_index, has_words
from evaluation.page.heard import Settings

INDEX = "index.jsonl"
DIGITS = 12  # of a recording's hash, in its name


def save(
    folder: Path,
    recording: Path,
    language: str,
    texts: dict[str, str],
    settings: Settings,
    heard: dict[str, str],
) -> Path:
    """Write a case; one of the same recording is replaced. The recording's new place.

    Args:
        folder: Of cases; made where there is none.
        recording: A sound file.
        language: Whisper or FLEURS code of what is spoken.
        texts: What is said, by task: to `transcribe`, and where it is known to `translate`.
        settings: What was asked for.
        heard: Texts, by the folder that has heard them.

    Raises:
        UserError: The text has no words, or the folder has another index.
    """
    if not has_words(texts["transcribe"]):
        raise UserError("a case needs what is said: write it under “What is said”, then save again")
    index = folder / INDEX
    other = find_index(folder) if folder.is_dir() else None
    if other not in (None, index):
        raise UserError(f"{other} is the index of that folder; give another folder for cases")
    kept = folder / f"{sha256_of(recording)[:DIGITS]}{recording.suffix.lower()}"
    line = {"file": kept.name, "language": language, "text": texts["transcribe"]}
    line |= {"translation": texts["translate"]} if texts.get("translate") else {}
    line |= {"settings": settings._asdict(), "heard": heard}
    before = read_jsonl(index) if index.is_file() else []
    lines = [one for one in before if one["file"] != kept.name]
    with replacing(kept) as temporary:
        shutil.copyfile(recording, temporary)
    write_jsonl(index, [*lines, line])
    return kept
