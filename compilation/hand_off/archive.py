"""Pack a hand-off folder into one file: equal folders give equal bytes.

Example:
    python -m compilation.hand_off.archive compiled/whisper-small/cpu
        --out compiled/whisper-small-cpu.tar.zst

Beside it stands its SHA-256, for `sha256sum -c`. Unpack it with `tar --zstd -xf`.
"""

import argparse
import sys
import tarfile
from pathlib import Path

import zstandard

from common.cli import UserError, run
from common.files import replacing, sha256_of, write_text
from compilation.hand_off import sums
from compilation.verify import checked_manifest

LEVEL = 10  # quantised weights hardly get smaller with more
SUFFIX = ".tar.zst"


def archive(folder: Path, out: Path) -> None:
    """Write the archive; its one folder has the archive's name.

    Args:
        folder: The hand-off folder.
        out: NAME.tar.zst.

    Raises:
        UserError: the folder is not what its sums say, or the archive would be in it.
    """
    if out.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"--out {out} is in the folder that it is of; give a place outside {folder}"
        )
    digest = out.with_name(f"{out.name}.sha256")
    digest.unlink(missing_ok=True)
    sums.check(folder)
    checked_manifest(folder)
    top = out.name.removesuffix(SUFFIX)
    with (
        replacing(out) as temporary,
        temporary.open("wb") as file,
        zstandard.ZstdCompressor(LEVEL).stream_writer(file) as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in [*sums.read(folder), sums.NAME]:
            path = folder / name
            # Nothing of this machine or moment: no owner, no time, one mode.
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    write_text(digest, f"{sha256_of(out)}  {out.name}\n")


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="hand-off folder")
    parser.add_argument("--out", type=Path, required=True, help=f"NAME{SUFFIX}")
    args = parser.parse_args(argv)
    if not args.out.name.endswith(SUFFIX) or not args.out.name.removesuffix(SUFFIX).strip("."):
        raise UserError(f"--out is {args.out}; give a name, and {SUFFIX} at its end")
    archive(args.folder, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    run(main)
