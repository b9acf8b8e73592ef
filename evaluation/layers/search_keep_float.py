"""Find the fewest layers that must stay in float32 for a compiled model to pass its gate.

    python -m evaluation.layers.search_keep_float --search encoder decoder --tries 8 \
        --gate '{...}' \
        --checkpoint data/checkpoints/whisper-small.json \
        --graphs runtime/float/whisper-small/manifest.json \
        --calibration calibration/sets/whisper-small/{encoder,decoder}/manifest.json \
        --clips data/audio_files/calibration/*.jsonl \
        --out compilation/parts/whisper-small/cpu/keep_float.json

For target cpu, where the configuration says `keep_float: auto`. A try compiles both parts with the
most damaged layers left float, and hears the calibration clips with them: on the evaluation clips,
which are to prove the model, it would be chosen by what proves it. At first no layer stays float,
and the damage of each is measured (by rank.py); then all do; then 1, 2, 4, ... layers until
the gate is passed, then what lies between the last two: where some are enough, more of them are
taken to be enough too. What was heard in each try is kept beside --out, so a killed search goes on,
one that found nothing can be given more tries, and other bounds cost no compile that was done.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError, run
from common.files import read_json, write_json
from evaluation.layers.float_trials import Search, Try
from evaluation.layers.smallest_count import Found, fewest
from evaluation.scoring.gate_option import HELP, bounds

GROWTH = 3  # bytes that a weight grows by from int8 to float32
USED_UP = (
    "the tries are used up; give a larger compilation.keep_float_tries, and the search goes on"
)


class Layer(NamedTuple):
    """An int8 layer."""

    part: str
    name: str
    bytes: int  # of its int8 weights


def ranked(damage: dict[str, Any]) -> list[Layer]:
    """All layers of a layers.json, most damaged first."""
    rows = [(row, part) for part, rows in damage["parts"].items() for row in rows]
    rows.sort(key=lambda pair: -math.inf if pair[0]["sqnr_db"] is None else pair[0]["sqnr_db"])
    return [Layer(part, row["layer"], row["bytes"]) for row, part in rows]


def growth(layers: list[Layer]) -> int:
    """Bytes by which a model is larger with these layers kept float."""
    return GROWTH * sum(layer.bytes for layer in layers)


def names_of(layers: list[Layer], search: Search) -> dict[str, list[str]]:
    """Names of the layers of each part that is searched."""
    return {
        part: [layer.name for layer in layers if layer.part == part] for part in search.searched
    }


def cost(layers: list[Layer], tried: Try, before: float) -> dict[str, Any]:
    """A try's row in keep_float.json."""
    return {
        "layers": len(layers),
        "bytes": tried.bytes,
        "bytes_for_layers": growth(layers),
        "real_time_factor": tried.real_time_factor,
        "float_real_time_factor": before,
        "passed": tried.passed,
        "sentence": tried.sentence,
    }


def counted(layers: int) -> str:
    """A number of layers in words."""
    return "1 layer" if layers == 1 else f"{layers} layers"


def said(row: dict[str, Any]) -> str:
    """A try in words."""
    more = row["bytes_for_layers"] / 1e6
    return (
        f"{counted(row['layers'])} float: {row['bytes'] / 1e6:.1f} MB, of which {more:.1f} MB for"
        f" them; {row['real_time_factor']:.3f} s for a second of speech"
        f" (float {row['float_real_time_factor']:.3f}); {row['sentence']}"
    )


def search_layers(search: Search, tries: int) -> dict[str, Any]:
    """The content of keep_float.json; says every try on stdout as it ends.

    Args:
        search: What is searched.
        tries: Compiles at most.

    Raises:
        UserError: Within so many tries, no number of layers was enough.
    """
    rows: list[dict[str, Any]] = []

    def passes(count: int) -> bool:
        layers = all_layers[:count]
        tried = search.attempt(names_of(layers, search))
        rows.append(cost(layers, tried, search.heard_float().real_time_factor))
        print(said(rows[-1]), flush=True)
        return tried.passed

    all_layers: list[Layer] = []
    if passes(0):
        return {"sentence": "no layer must stay float", **names_of([], search), "tries": rows}
    if tries == 1:
        raise UserError(f"with no layer in float the gate is not passed, and {USED_UP}")
    all_layers = [layer for layer in ranked(search.damage()) if layer.part in search.searched]
    most = len(all_layers)
    # In vain, where not even all of them are enough.
    found = Found(None, most + 1)
    if most and passes(most):
        found = fewest(most - 1, passes, tries - 2)
    if found.count is None:
        raise UserError(failure(found, most, search.searched))
    doubt = "" if found.count == found.at_least else f", if not fewer ({found.at_least} or more)"
    kept = names_of(all_layers[: found.count], search)
    sentence = f"{found.count} of {counted(most)} must stay float{doubt}"
    return {"sentence": sentence, **kept, "tries": rows}


def failure(found: Found, most: int, searched: list[str]) -> str:
    """Why no layers were found, and what to do."""
    where = " and ".join(searched)
    if found.at_least > most:
        return (
            f"not even with all {most} layers of the {where} in float is the gate passed; look at"
            " the calibration clips, search the other part too, or take keep_float: [] and see the"
            " report"
        )
    if found.at_least == most:
        return (
            f"only with all {most} layers of the {where} in float is the gate passed, and so with"
            " nothing compiled; look at the calibration clips, or take keep_float: [] and see the"
            " report"
        )
    return (
        f"with {found.at_least - 1} of the {counted(most)} of the {where} in float the gate is not"
        f" passed, with all it is, and {USED_UP}"
    )


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    parts = ["encoder", "decoder"]
    add("--search", nargs="+", choices=parts, required=True, help="whose layers may stay float")
    add("--tries", type=int, required=True, help="compiles at most")
    add("--gate", type=bounds, required=True, help=HELP)
    add("--kept", type=json.loads, default={}, help="JSON: layers of the other part that are float")
    add("--recipes", type=json.loads, default={}, help="JSON: of each part, scheme and so on")
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="manifest of its float graphs")
    add("--calibration", type=Path, nargs=2, required=True, help="manifests of both parts' sets")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--tasks", nargs="+", default=["transcribe", "translate"], help="what the model can do")
    add("--out", type=Path, required=True, help="keep_float.json")
    args = parser.parse_args(argv)
    search = Search(
        args.checkpoint,
        args.graphs,
        {read_json(path)["part"]: path for path in args.calibration},
        args.clips,
        args.tasks,
        args.gate,
        args.search,
        args.kept,
        args.recipes,
        args.out.with_name(".keep_float"),
    )
    search.begin()
    result = search_layers(search, args.tries)
    print(f"{result['sentence']}: {args.out} names them", flush=True)
    write_json(args.out, result)
    search.end()


if __name__ == "__main__":
    run(main)
