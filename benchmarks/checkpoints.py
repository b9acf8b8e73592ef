"""Time, memory and disk of both calibration sets, for checkpoints of real dimensions.

Example: python -m benchmarks.checkpoints --shapes tiny small --clips 8 --tokens 32

Random weights, clips of noise. Every stage is the command that the pipeline runs, in a process of
its own; its peak of resident memory is the kernel's count. Prints rows of a Markdown table.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.calibration import make_clips
from benchmarks.cost import Cost, cost_of
from benchmarks.random_checkpoint import SHAPES
from common.files import read_json

COLUMNS = (
    *("model", "weights f32", "layers", "encoder's sample", "decoder's sample", "set, MB a clip"),
    *("export", "encoder's set", "decoder's set"),
)


def per(cost: Cost, clips: int) -> str:
    """A cell of the table: seconds a clip, and the peak."""
    return f"{cost.seconds / clips:.2f} s a clip, {cost.peak / 1e9:.2f} GB"


def row(shape: str, clips: int, tokens: int, folder: Path) -> list[str]:
    """One checkpoint's row."""
    checkpoint, graphs = folder / "checkpoint.json", folder / "float/manifest.json"
    source = folder / "checkpoint"
    cost_of("benchmarks.random_checkpoint", "--shape", shape, "--out", source)
    cost_of("data.checkpoint", "--source", source, "--out", checkpoint)
    trim = {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    export = cost_of("runtime.graphs", "--checkpoint", checkpoint, "--out", graphs, **trim)
    manifests = make_clips(folder / "clips", clips)
    common = ["--checkpoint", checkpoint, "--clips", *manifests]
    features, out = folder / "sets/encoder/manifest.json", folder / "sets/decoder/manifest.json"
    encoder = cost_of("calibration.encoder", *common, "--out", features)
    mix = ["--mix", "transcribe=0.8", "translate=0.2", "--set-aside", "1"]
    inputs = ["--features", features, "--graphs", graphs, "--seed", "0"]
    limit = ["--max-new-tokens", tokens, "--out", out]
    decoder = cost_of("calibration.decoder", *common, *inputs, *mix, *limit, **trim)
    samples = read_json(features)["samples"]
    lists = read_json(out.with_name("whisper_decoder_calib.json"))
    taken = sum(path.stat().st_size for path in (folder / "sets").rglob("*.npy")) / 2  # two links
    weights = sum(path.stat().st_size for path in (folder / "float").glob("*.bin"))
    layers = SHAPES[shape][:2]
    return [
        shape,
        f"{weights / 1e9:.2f} GB",
        f"{layers[0]} + {layers[1]}",
        str(samples[0]["shape"]),
        " ".join(map(str, lists["info"]["input shapes"])).replace("-1", "L"),
        f"{taken / len(samples) / 1e6:.1f}",
        f"{export.seconds:.0f} s, {export.peak / 1e9:.1f} GB",
        per(encoder, len(samples)),
        per(decoder, len(samples)),
    ]


def main(argv: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["tiny", "small"])
    parser.add_argument("--clips", type=int, nargs="+", default=[8], help="multiples of four")
    parser.add_argument("--tokens", type=int, default=32, help="new tokens a clip")
    parser.add_argument("--folder", type=Path, help="for the files")
    given = parser.parse_args(argv)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for shape in given.shapes:
        for clips in given.clips:
            with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
                cells = row(shape, clips, given.tokens, Path(temporary))
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
