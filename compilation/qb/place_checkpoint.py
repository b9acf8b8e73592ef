"""Put a checkpoint's files into the project's folder, where a container sees them too.

Example:
    python -m compilation.qb.place_checkpoint --checkpoint data/checkpoints/whisper-small.json
        --out compilation/checkpoints/whisper-small/manifest.json

The files are hard links, or copies where the Hub's cache is on another disk.
"""

import argparse
import shutil
from pathlib import Path

from common.cli import run
from common.files import link_or_copy, read_json, write_json
from data.cache import local_folder


def place(checkpoint: Path, out: Path) -> None:
    """Place the files of a checkpoint's manifest beside `out`, which lists them."""
    home, files = local_folder(checkpoint), read_json(checkpoint)["files"]
    shutil.rmtree(out.parent, ignore_errors=True)
    for file in files:
        path = out.parent / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy((home / file["path"]).resolve(), path)
    write_json(out, {"files": files})


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="manifest of the placed files")
    args = parser.parse_args(argv)
    place(args.checkpoint, args.out)


if __name__ == "__main__":
    run(main)
