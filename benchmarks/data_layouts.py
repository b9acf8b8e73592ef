"""What one language costs in each layout on the Hub: requests, bytes fetched, peak memory, seconds.

Example: python -m benchmarks.data_layouts --clips 300

Serves noise, which no compression makes smaller, from this machine, 11.6 s a clip as FLEURS has on
average, in each layout in turn; then finds, fetches and prepares 20 clips of it, each step in a
process of its own.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.cost import cost_of
from tests.data_fleurs import encoded, row, write_converted, write_split, write_tar
from tests.hub import Hub

NAME, LANGUAGE = "owner/fleurs", "ko_kr"
SECONDS = 11.6


def measure(folder: Path, write: Callable[[Path], object], samples: int) -> str:
    """Serve what `write` writes into a repository, prepare samples of it, and say what it cost."""
    with Hub(folder / "hub") as hub:
        (hub.root / "datasets" / NAME).mkdir(parents=True)
        write(hub.root)
        environment = hub.environment(folder / "cache")
        dataset, files = str(folder / "dataset.json"), str(folder / "files.json")
        out = str(folder / "clips" / f"{LANGUAGE}.jsonl")
        given = ["--language", LANGUAGE]
        begin = time.monotonic()
        cost_of("data.source", "--source", NAME, "--out", dataset, **environment)
        fetch = ["--dataset", dataset, *given, "--split", "validation", "--out", files]
        fetching = cost_of("data.fetch", *fetch, **environment).peak / 1e6
        fetched = time.monotonic() - begin
        choice = ["--samples", str(samples), "--seed", "0", "--pool", "calibration"]
        prepare = ["--use", "calibration", *given, "--files", files, "--silence", "-55"]
        arguments = [*prepare, *choice, "--out", out]
        preparing = cost_of("data.prepare", *arguments, **environment).peak / 1e6
        seconds = time.monotonic() - begin - fetched
        blobs = (folder / "cache").rglob("blobs/*")
        size = sum(path.stat().st_size for path in blobs) / 1e6
        return (
            f"{len(hub.requests):8} {size:10.1f} {fetched:8.1f} {seconds:8.1f}"
            f" {fetching:10.0f} {preparing:10.0f}"
        )


def main(argv: list[str] | None = None) -> None:
    """Print a line a layout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=300, help="in the split")
    parser.add_argument("--samples", type=int, default=20, help="to prepare")
    given = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    rows = []
    for sentence in range(given.clips):
        noise = 0.1 * rng.standard_normal((round(SECONDS * 16_000), 1), dtype=np.float32)
        rows.append(row(sentence, 0, SECONDS, sound=encoded(noise)))
    layouts = {
        "parquet": lambda root: write_split(root / "datasets" / NAME, LANGUAGE, rows),
        "converted": lambda root: write_converted(root / "converted" / NAME, LANGUAGE, rows),
        "tar": lambda root: write_tar(root / "datasets" / NAME, LANGUAGE, rows),
    }
    print(f"{'layout':10}requests  MB fetched  fetch s  write s  fetch MB  prepare MB")
    for name, write in layouts.items():
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name:10}{measure(Path(folder), write, given.samples)}", flush=True)


if __name__ == "__main__":
    main()
