"""Does the calibration set cover what the parts will see? Needs no compiler.

Values beyond a quantiser's range are cut off. So each input of the parts, computed for held-out
clips by the float model, is compared with the range of its values in the calibration set.

Example:
    python -m evaluation.layers.coverage --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --calibration calibration/sets/whisper-small/encoder/manifest.json
                      calibration/sets/whisper-small/decoder/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --out evaluation/results/whisper-small/coverage.json
"""

import argparse
import sys
from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import run
from common.files import read_json, write_json
from evaluation.layers.part_inputs import INPUTS, first_of_each, inputs_of

PER_LANGUAGE = 2  # held-out clips: two show a range that is too narrow
# From where on it is worth a word: share of values outside, and how far, as a share of the range.
MUCH, FAR = 0.001, 0.05
Range = tuple[float, float]


def range_of(paths: list[Path]) -> Range:
    """Least and greatest value of arrays on disk."""
    ends = [(float(a.min()), float(a.max())) for a in (np.load(p, mmap_mode="r") for p in paths)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def calibrated(encoder: Path, decoder: Path) -> dict[str, Range]:
    """The range of each input in the calibration sets of both manifests."""
    mel = [encoder.parent / sample["file"] for sample in read_json(encoder)["samples"]]
    samples = read_json(decoder)["samples"]

    def of(name: str) -> list[Path]:
        return [decoder.parent / sample[name]["file"] for sample in samples]

    states, embeddings = of("encoder_hidden_states"), of("decoder_hidden_states")
    return dict(zip(INPUTS, map(range_of, (mel, states, embeddings)), strict=True))


def outside(array: np.ndarray, known: Range) -> float:
    """Share of an array's values that lie beyond a range."""
    return float(np.mean((array < known[0]) | (array > known[1])))


def cover(
    checkpoint: Path, graphs: Path, calibration: list[Path], clip_manifests: list[Path]
) -> dict[str, Any]:
    """coverage.json.

    Args:
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs.
        calibration: Manifests of the encoder's and the decoder's set.
        clip_manifests: Manifests of held-out clips, one a language.
    """
    known = calibrated(*calibration)
    clips = first_of_each(checkpoint, clip_manifests, PER_LANGUAGE)
    found: dict[str, dict[str, list[tuple[float, Range]]]] = defaultdict(lambda: defaultdict(list))
    for clip, arrays in inputs_of(checkpoint, graphs, clips, "coverage"):
        for name, array in arrays.items():
            seen = float(array.min()), float(array.max())
            found[name][clip["language"]].append((outside(array, known[name]), seen))
    return {
        "clips": len(clips),
        "inputs": {
            name: {
                "all": {**_summary(list(chain(*of.values())), known[name]), "range": known[name]},
                "languages": {
                    language: _summary(ones, known[name]) for language, ones in sorted(of.items())
                },
            }
            for name, of in found.items()
        },
    }


def _summary(ones: list[tuple[float, Range]], known: Range) -> dict[str, Any]:
    """Mean share outside, the range seen, and how far it reaches beyond, as a share of `known`."""
    lows, highs = zip(*(seen for _, seen in ones), strict=True)
    low, high = min(lows), max(highs)
    excess = max(known[0] - low, high - known[1], 0) / (known[1] - known[0])
    mean = float(np.mean([share for share, _ in ones]))
    return {"outside": mean, "excess": excess, "seen": (low, high)}


def warning(coverage: dict[str, Any]) -> str:
    """A sentence where a language's values are not covered, or nothing."""
    far = [
        (of["outside"], of["excess"], name, language)
        for name, one in coverage["inputs"].items()
        for language, of in one["languages"].items()
        if of["outside"] > MUCH and of["excess"] > FAR
    ]
    if not far:
        return ""
    share, excess, name, language = max(far)
    return (
        f"{100 * share:.1f} % of the {name} of held-out {language} clips lie outside the"
        f" calibration set's range, by up to {100 * excess:.0f} % of it; take more clips"
        " (data.samples_per_language) or languages"
    )


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="manifest of its float graphs")
    add("--calibration", type=Path, nargs=2, required=True, help="encoder's and decoder's set")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of held-out clips")
    add("--out", type=Path, required=True, help="coverage.json")
    args = parser.parse_args(argv)
    coverage = cover(args.checkpoint, args.graphs, args.calibration, args.clips)
    said = warning(coverage)
    write_json(args.out, {**coverage, "warning": said})
    shares = {name: of["all"]["outside"] for name, of in coverage["inputs"].items()}
    listed = ", ".join(f"{name} {100 * share:.3f} %" for name, share in shares.items())
    print(f"held-out values outside the calibration set's range: {listed}", file=sys.stderr)
    if said:
        print(
            f"warning: {said}", flush=True
        )  # where the run is watched; what else is said goes to its log


if __name__ == "__main__":
    run(main)
