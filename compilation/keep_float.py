"""Find the fewest layers that must stay in float32 for a compiled model to pass its gate.

    python -m compilation.keep_float --layers evaluation/results/whisper-small/cpu/layers.json \
        --quality evaluation/results/whisper-small/cpu/quality.json --out keep_float.yaml -- \
        snakemake --cores 8 evaluation/results/whisper-small/cpu/quality.json \
        --configfile keep_float.yaml

For every try, the most damaged layers are written to --out as a configuration to lay over the
model's, and the command after `--`, which must name that file, compiles and scores. At first no
layer stays float, then 1, 2, 4, ... until the gate is passed, then what lies between the last two.
At the end the file holds the fewest with which it was. The damage must have been measured with
nothing kept float, and where some layers are enough, more of them are taken to be enough too.
"""

import argparse
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from common.cli import UserError, run
from common.files import read_json, write_text

PARTS = {"encoder": "encoder", "decoder": "decoder", "decoder_cross": "decoder"}  # of each graph
GROWTH = 3  # bytes that a weight grows by from int8 to float32
BUDGET = 8


class Layer(NamedTuple):
    """An int8 layer."""

    part: str
    name: str
    bytes: int  # of its int8 weights


class Found(NamedTuple):
    """How a search ended."""

    count: int | None  # the fewest that passed, if any did
    at_least: int  # it is known that fewer do not pass


def fewest(most: int, passes: Callable[[int], bool], budget: int) -> Found:
    """The smallest count, 0 to `most`, that passes: in at most `budget` calls, as far as they go.

    Few are likely to be enough, and many cost size: so counts grow from 0, doubling, before the gap
    between the last that did not pass and the first that did is halved.
    """
    failed, passed = -1, None
    for _ in range(budget):
        if passed is None:
            count = min(2 * failed, most) if failed > 0 else failed + 1
        else:
            count = (failed + passed) // 2
        if passes(count):
            passed = count
        else:
            failed = count
        if failed == most or passed == failed + 1:
            break
    return Found(passed, failed + 1)


def ranked(damage: dict[str, Any]) -> list[Layer]:
    """All layers of a layers.json, most damaged first."""
    rows = [(row, PARTS[name]) for name, rows in damage["parts"].items() for row in rows]
    rows.sort(key=lambda pair: -math.inf if pair[0]["sqnr_db"] is None else pair[0]["sqnr_db"])
    return [Layer(part, row["layer"], row["bytes"]) for row, part in rows]


def configuration(layers: list[Layer]) -> str:
    """YAML that keeps these layers float, and no others."""
    names = {
        part: {"keep_float": [layer.name for layer in layers if layer.part == part]}
        for part in dict.fromkeys(PARTS.values())
    }
    return yaml.safe_dump({"compilation": names}, sort_keys=False)


def attempt(layers: list[Layer], out: Path, command: list[str], quality: Path) -> bool:
    """Compile and score with these layers kept float; say what that gave and cost.

    Raises:
        UserError: The command failed, or has written no quality.
    """
    write_text(out, configuration(layers))
    status = subprocess.run(command, check=False).returncode
    if status or not quality.is_file():
        how = f"ended with status {status}" if status else f"has not written {quality}"
        raise UserError(f"`{' '.join(command)}` {how}; run it by itself to see why")
    result = read_json(quality)
    size, more = result["sizes"]["both"]["compiled"], growth(layers)
    print(
        f"{len(layers)} layers float: {size / 1e6:.1f} MB, of which {more / 1e6:.1f} MB for them;"
        f" {result['gate']['sentence']}",
        flush=True,
    )
    return result["gate"]["passed"]


def growth(layers: list[Layer]) -> int:
    """Bytes by which a model is larger with these layers kept float."""
    return GROWTH * sum(layer.bytes for layer in layers)


def said(found: Found, most: int, out: Path) -> str:
    """The end of a search in words."""
    if found.count is None:
        if found.at_least > most:
            return f"not even all {most} layers float are enough; look at the calibration clips"
        return f"at least {found.at_least} layers must stay float; give a larger --budget"
    doubt = "" if found.count == found.at_least else f", if not fewer ({found.at_least} or more)"
    return f"{found.count} layers must stay float{doubt}: {out} names them"


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=Path, required=True, help="layers.json of the model")
    parser.add_argument("--quality", type=Path, required=True, help="what the command writes")
    parser.add_argument("--out", type=Path, required=True, help="the configuration to write")
    parser.add_argument("--budget", type=int, default=BUDGET, help="most runs of the command")
    parser.add_argument("command", nargs="+", help="compiles and scores; after `--`")
    args = parser.parse_args(argv)
    if str(args.out) not in args.command:
        raise UserError(f"the command does not name {args.out}; add it to its --configfile")
    layers = ranked(read_json(args.layers))

    def passes(count: int) -> bool:
        return attempt(layers[:count], args.out, args.command, args.quality)

    found = fewest(len(layers), passes, args.budget)
    write_text(args.out, configuration(layers[: found.count or 0]))
    print(said(found, len(layers), args.out))


if __name__ == "__main__":
    run(main)
