"""Evaluate a hand-off folder by itself, on the device that it is for.

Needs the folder, and recordings with their manifests, and writes what the pipeline writes:
transcripts.json and quality.json, to be compared line by line.

Example, at the board:
    python -m evaluation.run whisper-small-aries-rb --clips evaluation --out results
    python -m evaluation.run whisper-small-aries-rb --clips evaluation --out results
        --float evaluation/results/whisper-small/cpu/transcripts.json

--clips is a folder of recordings with their manifests, as data/audio_files/evaluation. With
--float, the pipeline's transcripts of the same clips, the texts are compared with the float
model's; without, there are error rates and failures only.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from transformers import WhisperProcessor

from common.cli import UserError, run
from common.files import is_unchanged, read_json, sha256_of, write_json
from compilation.hand_off import sums
from data.clips import Clip, interleave, understood
from evaluation.quality.evaluate import sizes_of
from evaluation.quality.score import score
from evaluation.scoring.gate_option import bounds
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.transcription.generate import detect
from evaluation.transcription.models import with_sessions
from evaluation.transcription.pairings import Pairings
from evaluation.transcription.transcribe_clips import transcribe_clips
from runtime.folder import sessions_of

DEVICES = {".xml": "cpu", ".mxq": "npu"}
KEPT = ("language", "whisper_language", "seconds")
COLUMNS = ("texts", "tokens", "at_limit")


def device_of(folder: Path) -> str:
    """What a folder's parts run on.

    Raises:
        UserError: it is no hand-off folder.
    """
    config = read_json(folder / "config.json")
    suffix = Path(config.get("encoder_mxq_path", "")).suffix
    if suffix not in DEVICES:
        raise UserError(f"{folder} is no hand-off folder: its config.json names no parts")
    return DEVICES[suffix]


def clips_for(manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Manifests of the clips in the languages that a hand-off folder was calibrated with.

    Raises:
        UserError: there are none.
    """
    samples = manifest["calibration"]["encoder"]["samples"]
    languages = sorted({sample["language"] for sample in samples})
    found = [path for path in sorted(folder.glob("*.jsonl")) if path.stem in languages]
    if not found:
        raise UserError(
            f"{folder} has no manifest of clips (*.jsonl) in {', '.join(languages)}; give a folder"
            " such as data/audio_files/evaluation"
        )
    return found


def check_recordings(clips: list[Clip]) -> None:
    """Refuse recordings that are not those of their manifests, before any is heard.

    Raises:
        UserError: One is missing or another.
    """
    for clip in clips:
        if not is_unchanged(clip["path"], clip["sha256"]):
            raise UserError(
                f"{clip['path']} is missing, or is not the recording that its manifest lists; copy"
                " the folder of --clips again, whole"
            )


def evaluate_folder(folder: Path, clips: Path) -> dict[str, Any]:
    """transcripts.json of a folder: what its parts hear of the clips.

    Raises:
        UserError: there are no clips, or none with a text.
    """
    manifest = read_json(folder / "manifest.json")
    if found := sums.differences(folder):
        raise UserError(f"{folder}: {found[0]}; get the folder again, whole")
    manifests = clips_for(manifest, clips)
    tasks = manifest["calibration"]["decoder"]["settings"]["tasks"]
    encoder, decoder = sessions_of(folder)
    whisper = with_sessions(folder, encoder, decoder)
    processor = WhisperProcessor.from_pretrained(str(folder))
    pairings = Pairings({"compiled": encoder}, {"compiled": whisper}, processor)
    chosen = understood(interleave(manifests), whisper.generation_config)
    check_recordings(chosen)
    facts, rows = [], []
    for heard in transcribe_clips(pairings, chosen, tasks, "device"):
        name, found = heard.clip["path"].name, detect(whisper, heard.states["compiled"])
        own = {"clip": name, **{key: heard.clip[key] for key in KEPT}, "states": None}
        facts.append(own | {"detected": {"compiled": found} if found else None})
        rows += [{**row, "clip": name} for row in heard.rows]
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "folder": str(folder),
        "manifest_sha256": sha256_of(folder / "manifest.json"),
        "sizes": sizes_of(manifest["parts"]),
        "clips": facts,
        "rows": rows,
    }


def with_float(heard: dict[str, Any], pipeline: dict[str, Any]) -> dict[str, Any]:
    """The same, with the float model's texts for the same clips beside.

    Raises:
        UserError: the pipeline has heard other clips, or compared another model.
    """
    if pipeline["model"] != heard["model"]:
        raise UserError(f"--float is of {pipeline['model']}, and the folder of {heard['model']}")
    known = {_key(row): row for row in pipeline["rows"]}
    rows = []
    for row in heard["rows"]:
        other = known.get(_key(row))
        if other is None:
            raise UserError(
                f"--float has no text of {row['clip']} ({row['task']}); give --clips the folder"
                " that it was heard of"
            )
        both = {name: {FLOAT: other[name][FLOAT], **row[name]} for name in COLUMNS}
        rows.append({**row, **both})
    return {**heard, "rows": rows}


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return Path(row["clip"]).name, row["task"], row["reference"]


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, help="hand-off folder")
    add(
        "--clips",
        type=Path,
        required=True,
        help="folder of recordings and their manifests (*.jsonl)",
    )
    add("--device", choices=["cpu", "npu"], help="that the folder must be for")
    add("--float", type=Path, dest="pipeline", help="transcripts.json of the pipeline")
    add("--gate", type=bounds, help="bounds, as evaluation.gate of config.yaml, as JSON")
    add("--out", type=Path, required=True, help="folder for transcripts.json and quality.json")
    args = parser.parse_args(argv)
    device = device_of(args.folder)
    if args.device not in (None, device):
        raise UserError(f"{args.folder} is compiled for the {device}, not for the {args.device}")
    if args.gate and not args.pipeline:
        raise UserError("--gate compares with the float model; give --float too")
    heard = evaluate_folder(args.folder, args.clips)
    if args.pipeline:
        heard = with_float(heard, read_json(args.pipeline))
    quality = score(heard, args.gate)
    write_json(args.out / "transcripts.json", heard)
    write_json(args.out / "quality.json", quality)
    for task, cells in quality["tasks"].items():
        rate = cells["all"]["pairings"][COMPILED]["rate"]
        print(f"{task}: error rate {100 * rate:.1f} %, {cells['all']['clips']} clips")
    print(f"{quality['gate']['sentence']}; {args.out / 'quality.json'}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
