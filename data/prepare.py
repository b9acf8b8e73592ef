r"""Choose the samples of one language and write them as 16 kHz mono WAV with their texts.

Example:
    python -m data.prepare --use calibration --language ko_kr \
        --files data/sources/validation/ko_kr.json --english data/sources/validation/en_us.json \
        --samples 20 --seed 0 --pool calibration --out data/audio_files/calibration/ko_kr.jsonl

Writes {language}_{index:04d}.wav beside --out, and last --out itself: a line a sample with file,
sha256, seconds, sentence_id, recording, gender, language, whisper_language, transcription,
translation, rms_dbfs and peak_dbfs. A killed run goes on after its last finished clip.
"""

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import read_json, sha256_of, write_jsonl
from data.audio import RATE, Unusable, check_length, decode, levels, write_wav
from data.choose import POOLS, Choice, Recording, choose, in_pool
from data.fetch import local_paths
from data.journal import Journal
from data.languages import whisper_language
from data.parquet import read_audio, read_recordings, read_texts

# What to lower when a language has too few sentences.
SETTINGS = {
    "calibration": "data.samples_per_language",
    "evaluation": "evaluation.samples_per_language",
}


def parquet_digest(manifest: Path) -> str:
    """One digest for the content of all Parquet files of a manifest."""
    digests = [file["sha256"] for file in read_json(manifest)["files"]]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def write_clips(
    recordings: Sequence[Recording],
    parquet: Sequence[Path],
    wavs: Path,
    choice: Choice,
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
        for recording, data in read_audio(parquet, missing):
            write_clip(recording, data, names[recording], journal)


def write_clip(recording: Recording, data: bytes | None, wav: Path, journal: Journal) -> None:
    """Write one recording, or note why it cannot be used."""
    try:
        pcm = decode(data)
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
    """Note the recordings that cannot be used for what the text columns say of them."""
    for recording in recordings:
        if not recording.text:
            journal.unusable[recording.file, recording.row] = "without text"
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


def prepare(
    use: str,
    language: str,
    files: Path,
    english: Path | None,
    choice: Choice,
    out: Path,
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
    parquet = local_paths(files)
    translations = read_texts(local_paths(english)) if english else {}
    recordings = read_recordings(parquet)
    out.unlink(missing_ok=True)  # it would not describe the clips while they are being written
    journal = Journal(out.with_name(f".{language}.journal"), parquet_digest(files))
    note_metadata(recordings, journal)
    chosen = write_clips(recordings, parquet, out.with_name(language), choice, journal)
    if len(chosen) < choice.samples:
        where = f"{language} {source['split']} of {source['source']}"
        shortage = _shortage(recordings, choice, journal, len(chosen))
        raise UserError(
            f"{where} has {shortage}: lower {SETTINGS[use]} to {len(chosen)} or less, or choose"
            " another split"
        )
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
            "translation": translations.get(recording.sentence_id),
            "rms_dbfs": clip["rms_dbfs"],
            "peak_dbfs": clip["peak_dbfs"],
        }
        for recording, clip in chosen
    ]
    remove_stale(out, language, {line["file"] for line in lines})
    write_jsonl(out, lines)
    journal.path.unlink()
    return lines


def _shortage(recordings: Sequence[Recording], choice: Choice, journal: Journal, found: int) -> str:
    """How many sentences there are, and why not more, for the middle of a sentence."""
    pool = [one for one in recordings if in_pool(choice.seed, choice.pool, one.sentence_id)]
    reasons = Counter(
        journal.unusable[one.file, one.row] for one in pool if not journal.is_usable(one)
    )
    skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    half = "" if choice.pool == "all" else f" in the half for {choice.pool}"
    return (
        f"{found} usable of {len({one.sentence_id for one in pool})} sentences{half}, but"
        f" {choice.samples} are wanted (recordings not usable: {skipped or 'none'})"
    )


def main(argv: list[str] | None = None) -> None:
    """Prepare the samples of one language for one use."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--use", required=True, choices=sorted(SETTINGS))
    parser.add_argument("--language", required=True, help="FLEURS code, such as ko_kr")
    parser.add_argument("--files", required=True, type=Path, help="written by data.fetch")
    parser.add_argument("--english", type=Path, help="the same of en_us, for the translations")
    parser.add_argument("--samples", required=True, type=int, help="how many sentences")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--pool", required=True, choices=POOLS, help="which half of the sentences")
    parser.add_argument("--out", required=True, type=Path, help="the manifest, a .jsonl")
    given = parser.parse_args(argv)
    choice = Choice(given.samples, given.seed, given.pool)
    lines = prepare(given.use, given.language, given.files, given.english, choice, given.out)
    genders = Counter(line["gender"] for line in lines)
    print(
        f"{len(lines)} clips, {sum(line['seconds'] for line in lines):.1f} s,"
        f" {', '.join(f'{count} {gender}' for gender, count in sorted(genders.items()))}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
