"""Print the table that ends a run: each part's size and error rates, float and compiled.

Example:
    python -m evaluation.report.table evaluation/results/whisper-small/cpu/quality.json
"""

import argparse
from pathlib import Path
from typing import Any

from common.cli import run
from evaluation.report.format import counted
from evaluation.scoring.pairs import FLOAT
from evaluation.scoring.result_files import read_result

PAIRINGS = {"encoder": "compiled+float", "decoder": "float+compiled", "both": "compiled+compiled"}


def table_of(quality: dict[str, Any]) -> str:
    """The table of one hand-off folder.

    A part's row shows the error rate with that part compiled and the other one float.
    """
    tasks = {task: cells["all"]["pairings"] for task, cells in quality["tasks"].items()}
    rows = [["part", "size float -> int8", *(f"{task} WER float -> int8" for task in tasks)]]
    for part, pairing in PAIRINGS.items():
        before, after = quality["sizes"][part]["float"], quality["sizes"][part]["compiled"]
        share = f" ({after / before:.0%})" if before else ""
        size = f"{figure(before, 1e-6)} -> {figure(after, 1e-6)} MB{share}"
        errors = [
            f"{figure(rates[FLOAT]['rate'], 100)} -> {figure(rates[pairing]['rate'], 100)} %"
            for rates in tasks.values()
        ]
        rows.append([part, size, *errors])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    heard = counted(quality["clips"], "held-out clip")
    head = f"{quality['model']}, target {quality['target']}, {heard}"
    tail = (
        "sizes: weights, float in float32; WER: word error rate, characters where a language does"
        f" not space words\nhand-off folder: {quality['folder']}"
    )
    return "\n".join([head, *(line.rstrip() for line in lines), tail, quality["gate"]["sentence"]])


def figure(value: float | None, factor: float) -> str:
    """A number times a factor; a dash for what was not measured."""
    return "-" if value is None else f"{factor * value:.1f}"


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, print a table for each result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("quality", type=Path, nargs="+", help="quality.json of hand-off folders")
    args = parser.parse_args(argv)
    for path in args.quality:
        print(f"\n{table_of(read_result(path))}")


if __name__ == "__main__":
    run(main)
