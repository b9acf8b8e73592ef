r"""Choose the samples of one language and write them as 16 kHz mono WAV with their texts.

Example:
    python -m data.prepare --use calibration --language ko_kr \
        --files data/sources/validation/ko_kr.json --english data/sources/validation/en_us.json \
        --samples 20 --seed 0 --pool calibration --silence -55 \
        --left-out data/audio_files/calibration/ko_kr.left_out.json \
        --out data/audio_files/calibration/ko_kr.jsonl

Writes {language}_{index:04d}.wav beside --out, and last --out itself: a line a sample with file,
sha256, seconds, sentence_id, recording, gender, language, whisper_language, transcription,
translation, rms_dbfs and peak_dbfs; to --left-out, {reason: [recording]} of what cannot be used. A
killed run goes on after its last finished clip.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import read_json, write_json, write_jsonl
from data.choose import POOLS, Choice, Recording
from data.journal import Journal
from data.languages import whisper_language
from data.speech import read_halves, read_recordings, read_texts
from data.writing import clips_key, note_metadata, remove_stale, write_clips

# What to lower when a language has too few sentences.
SETTINGS = {
    "calibration": "data.samples_per_language",
    "evaluation": "evaluation.samples_per_language",
}


def prepare(
    use: str,
    language: str,
    files: Path,
    english: Path | None,
    choice: Choice,
    silence: float,
    out: Path,
    left_out: Path | None = None,
) -> list[dict[str, Any]]:
    """Write the WAV files and the manifest of one language; the manifest's lines.

    Raises:
        UserError: unknown language, files of another language, or too few usable sentences.
    """
    code = whisper_language(language)
    source = read_json(files)
    if source["language"] != language:
        raise UserError(
            f"{files} is of {source['language']}, not of {language}: name the right one"
        )
    translations = read_texts(english) if english else {}
    recordings = read_recordings(files)
    choice = choice._replace(halves=read_halves(files, choice.seed))
    out.unlink(missing_ok=True)  # it would not describe the clips while they are being written
    journal = Journal(out.with_name(f".{language}.journal"), clips_key(files, silence))
    note_metadata(recordings, journal)
    chosen = write_clips(recordings, files, out.with_name(language), choice, silence, journal)
    if len(chosen) < choice.samples:
        own = source["layout"] == "files"
        where = f"{language}{'' if own else ' ' + source['split']} of {source['source']}"
        shortage = _shortage(recordings, choice, journal, len(chosen))
        more = "add recordings of other sentences" if own else "choose another split"
        fewer = f"lower {SETTINGS[use]} to {len(chosen)} or less, or " if chosen else ""
        raise UserError(f"{where} has {shortage}: {fewer}{more}")
    lines = [
        {
            "file": clip["file"],
            "sha256": clip["sha256"],
            "seconds": clip["seconds"],
            "sentence_id": recording.sentence_id,
            "recording": recording.name,
            "gender": recording.gender,
            "language": language,
            "whisper_language": code,
            "transcription": recording.text,
            "translation": recording.translation or translations.get(recording.sentence_id),
            "rms_dbfs": clip["rms_dbfs"],
            "peak_dbfs": clip["peak_dbfs"],
        }
        for recording, clip in chosen
    ]
    remove_stale(out, language, {line["file"] for line in lines})
    unusable = _left_out(recordings, choice, journal)
    if unusable:
        print(f"{language}: left out {_counted(unusable)}", file=sys.stderr)
    if left_out:
        write_json(left_out, unusable)
    write_jsonl(out, lines)
    journal.path.unlink()
    return lines


def _shortage(recordings: Sequence[Recording], choice: Choice, journal: Journal, found: int) -> str:
    """How many sentences there are, and why not more, for the middle of a sentence."""
    sentences = {one.sentence_id for one in recordings if choice.may_take(one.sentence_id)}
    skipped = _counted(_left_out(recordings, choice, journal))
    half = "" if choice.pool == "all" else f" in the half for {choice.pool}"
    return (
        f"{found} usable of {len(sentences)} sentences{half}, but"
        f" {choice.samples} are wanted (recordings not usable: {skipped or 'none'})"
    )


def _left_out(
    recordings: Sequence[Recording], choice: Choice, journal: Journal
) -> dict[str, list[str]]:
    """The recordings that this choice could have taken, but that cannot be used, by the reason."""
    found: dict[str, list[str]] = {}
    for one in recordings:
        if choice.may_take(one.sentence_id) and not journal.is_usable(one):
            found.setdefault(journal.unusable[one.file, one.row], []).append(one.name)
    return {reason: sorted(found[reason]) for reason in sorted(found)}


def _counted(left_out: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {reason}" for reason, names in left_out.items())


def main(argv: list[str] | None = None) -> None:
    """Prepare the samples of one language for one use."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--use", required=True, choices=sorted(SETTINGS))
    parser.add_argument("--language", required=True, help="FLEURS code, such as ko_kr")
    parser.add_argument("--files", required=True, type=Path, help="written by data.fetch")
    parser.add_argument("--english", type=Path, nargs="?", help="the same of en_us: translations")
    parser.add_argument("--samples", required=True, type=int, help="how many sentences")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--pool", required=True, choices=POOLS, help="which half of the sentences")
    parser.add_argument("--silence", required=True, type=float, help="dBFS; see data.audio.decode")
    parser.add_argument("--left-out", type=Path, help="a .json to write: what cannot be used")
    parser.add_argument("--out", required=True, type=Path, help="the manifest, a .jsonl")
    given = parser.parse_args(argv)
    choice = Choice(given.samples, given.seed, given.pool)
    lines = prepare(
        given.use,
        given.language,
        given.files,
        given.english,
        choice,
        given.silence,
        given.out,
        given.left_out,
    )
    genders = Counter(line["gender"] for line in lines)
    print(
        f"{given.language}: {len(lines)} clips, {sum(line['seconds'] for line in lines):.1f} s,"
        f" {', '.join(f'{count} {gender}' for gender, count in sorted(genders.items()))}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
