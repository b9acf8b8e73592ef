"""Evaluate a hand-off folder by itself, on the device that it is for.

Needs the folder, and recordings with their manifests, and writes what the pipeline writes:
transcripts.json and quality.json, to be compared line by line.

Example, at the board:
    python -m evaluation.run whisper-small-aries-rb --clips evaluation --out results
    python -m evaluation.run whisper-small-aries-rb --clips evaluation --out results
        --float evaluation/results/whisper-small/cpu/transcripts.json

Where the vendor's library mbltml (package mobilint-ml) is installed, the result has the NPU's mean
power and energy for each clip, its temperature, memory and clock, and always the machine's power
mode. On an NPU, a first clip is heard once before, for nothing: there, the first generation of a
process may differ from all others. --beams 5 measures beam search, which may make Whisper worse.

--clips is a folder of recordings with their manifests, as data/audio_files/evaluation. With
--float, the pipeline's transcripts of the same clips, the texts are compared with the float
model's; without, there are error rates and failures only.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import make_folder, write_json
from common.model_names import split
from evaluation.hear_folder import evaluate_folder
from evaluation.quality.score import score
from evaluation.scoring.gate_option import HELP, bounds
from evaluation.scoring.pairs import COMPILED, FLOAT
from evaluation.scoring.result_files import read_result
from runtime.folder import CPU, NPU, device_of

COLUMNS = ("texts", "tokens", "at_limit")


def heard_by_float(path: Path) -> dict[str, Any]:
    """The pipeline's transcripts.json.

    Raises:
        UserError: It is that of a device alone, without the float model's texts.
    """
    pipeline = read_result(path, "transcripts")
    if not all(FLOAT in row["texts"] for row in pipeline["rows"]):
        raise UserError(
            f"{path} has no texts of the float model; give --float transcripts.json as the"
            " pipeline has written it, in evaluation/results"
        )
    return pipeline


def with_float(heard: dict[str, Any], pipeline: dict[str, Any]) -> dict[str, Any]:
    """The same, with the float model's texts for the same clips beside.

    Raises:
        UserError: the pipeline has heard other clips, or compared another model.
    """
    if split(pipeline["model"])[0] != split(heard["model"])[0]:
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
    add("--device", choices=[CPU, NPU], help="that the folder must be for")
    add("--float", type=Path, dest="pipeline", help="transcripts.json of the pipeline")
    add("--gate", type=bounds, help=HELP)
    add("--beams", type=int, default=1, help="of the search for a text; 1, the default, is greedy")
    add("--out", type=Path, required=True, help="folder for transcripts.json and quality.json")
    args = parser.parse_args(argv)
    device = device_of(args.folder)
    if args.device not in (None, device):
        raise UserError(f"{args.folder} is compiled for the {device}, not for the {args.device}")
    if args.out.resolve().is_relative_to(args.folder.resolve()):
        raise UserError(
            f"--out {args.out} is in the folder that is heard, which would no longer be what its"
            f" sums say; give a place outside {args.folder}"
        )
    if args.gate and not args.pipeline:
        raise UserError("--gate compares with the float model; give --float too")
    if args.beams < 1:
        raise UserError(f"--beams is {args.beams}, and must be at least 1, which is greedy")
    pipeline = heard_by_float(args.pipeline) if args.pipeline else None
    make_folder(args.out)  # before the clips are heard
    heard = evaluate_folder(args.folder, args.clips, args.beams)
    if pipeline:
        heard = with_float(heard, pipeline)
    quality = score(heard, args.gate)
    write_json(args.out / "transcripts.json", heard)
    write_json(args.out / "quality.json", quality)
    for task, cells in quality["tasks"].items():
        rate = cells["all"]["pairings"][COMPILED]["rate"]
        print(f"{task}: error rate {100 * rate:.1f} %, {cells['all']['clips']} clips")
    for name, value in quality.get("power", {}).items():
        print(f"NPU {name}: {value}")
    print(f"{quality['gate']['sentence']}; {args.out / 'quality.json'}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
