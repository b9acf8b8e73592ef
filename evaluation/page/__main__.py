"""Open a page to listen with: float, compiled and device side by side.

Example:
    uv run --group page python -m evaluation.page compiled/whisper-small/cpu

Only this machine can open the page, unless --open-to says otherwise. Recordings that are brought to
it are deleted when it ends.
"""

import argparse
from pathlib import Path

from common.cli import UserError, run

ROOT = Path("compiled")
LOOPBACK = "127.0.0.1"


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folders", type=Path, nargs="*", help="hand-off folders; all of compiled/ if none is given")
    add("--port", type=int, default=7860, help="of the page's address; 7860 if not given")
    add("--cases", type=Path, default=Path("cases"), help="where “Save as a case” writes: cases/")
    add(
        "--open-to",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="an address of this machine at which others may open the page, without a password:"
        " whoever reaches it can send recordings, use this machine's time, read the evaluation's"
        " clips and save cases; 0.0.0.0 means everybody in all its networks",
    )
    args = parser.parse_args(argv)
    try:
        from evaluation.page import serve
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error}; the page's packages are an optional group:"
            " `uv run --group page python -m evaluation.page`"
        ) from error
    folders = args.folders or sorted(path.parent for path in ROOT.glob("*/*/manifest.json"))
    serve.serve(folders, args.cases, args.open_to, args.port)


if __name__ == "__main__":
    run(main)
