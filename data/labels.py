r"""Write down what is said in the calibration clips, and what that is in English.

Example:
    python -m data.labels --checkpoint data/labels/checkpoint.json \
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/ko_kr.jsonl \
        --transcriptions data/transcriptions.json --translations data/translations.json

Writes {clip: text} and {clip: {source_language_fleurs, source_language_whisper, target_language,
translation}}, sorted by clip, a path relative to the folder where this runs. A Whisper model hears
each clip, its language given; --reference takes the human texts of the clips' manifests instead.
The translation of an English clip is its transcription. A killed run goes on after its last
finished batch: labels are kept beside the checkpoint's manifest, in clips.jsonl.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import read_jsonl, write_json
from data.label_store import Label, LabelStore

Clip = dict[str, Any]  # a line of data/audio_files/calibration/{language}.jsonl, and its "path"


def read_clips(manifests: list[Path]) -> list[Clip]:
    """The clips of all manifests, sorted by path.

    Raises:
        UserError: A manifest is missing.
    """
    _require(manifests)
    clips = [
        {**line, "path": manifest.parent / line["file"]}
        for manifest in manifests
        for line in read_jsonl(manifest)
    ]
    return sorted(clips, key=lambda clip: clip["path"].as_posix())


def _require(manifests: list[Path]) -> None:
    """Raise a `UserError` that names the first missing manifest."""
    for manifest in manifests:
        if not manifest.is_file():
            raise UserError(f"{manifest} is missing; make it with `snakemake --cores all labels`")


def reference_labels(clips: list[Clip]) -> list[Label]:
    """The human texts of the clips; a translation is None where its English sentence is missing."""
    return [
        Label(
            clip["transcription"],
            clip["transcription"] if clip["whisper_language"] == "en" else clip["translation"],
        )
        for clip in clips
    ]


def untranslated(clips: list[Clip], labels: list[Label]) -> str:
    """A line on the clips without a translation: how many, of which languages. Empty if none."""
    found = Counter(
        clip["language"]
        for clip, label in zip(clips, labels, strict=True)
        if label.translation is None
    )
    languages = ", ".join(f"{count} {language}" for language, count in sorted(found.items()))
    return f"{found.total()} clips have no English reference: {languages}" if found else ""


def write_labels(
    clips: list[Clip], labels: list[Label], transcriptions: Path, translations: Path
) -> None:
    """Write both files: whole, and at no time of different runs."""
    names = [clip["path"].as_posix() for clip in clips]
    translated = {
        name: {
            "source_language_fleurs": clip["language"],
            "source_language_whisper": clip["whisper_language"],
            "target_language": "en",
            "translation": label.translation,
        }
        for name, clip, label in zip(names, clips, labels, strict=True)
        if label.translation is not None
    }
    texts = {name: label.transcription for name, label in zip(names, labels, strict=True)}
    translations.unlink(missing_ok=True)
    write_json(transcriptions, texts)
    write_json(translations, translated)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and write the labels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    maker = parser.add_mutually_exclusive_group(required=True)
    maker.add_argument("--checkpoint", type=Path, help="manifest of the model that hears the clips")
    maker.add_argument("--reference", action="store_true", help="take the human texts")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--batch", type=int, help="clips at once (default: 8, on a GPU 16)")
    parser.add_argument("--transcriptions", type=Path, required=True, help="a .json to write")
    parser.add_argument("--translations", type=Path, required=True, help="a .json to write")
    args = parser.parse_args(argv)
    if args.batch is not None and args.batch < 1:
        raise UserError(f"--batch is {args.batch}, and must be at least 1")
    clips = read_clips(args.clips)
    if args.reference:
        labels = reference_labels(clips)
    else:
        _require([args.checkpoint])
        # Takes seconds to import, and the human texts need none of it.
        from data.label_model import labels_of

        store = LabelStore(args.checkpoint.parent / "clips.jsonl")
        labels = labels_of(args.checkpoint, clips, store, args.batch)
    write_labels(clips, labels, args.transcriptions, args.translations)
    if line := untranslated(clips, labels):
        print(f"{line}; {args.translations} is without them", file=sys.stderr)
    print(f"labels: {len(clips)} clips in {args.transcriptions}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
