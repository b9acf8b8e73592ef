"""Read a compiled NPU part with the vendor's runtime, which needs no NPU for it; write its record.

Example:
    python -m compilation.qb.check --made compilation/parts/whisper-small/aries-rb/encoder.mxq.json
        --graph compilation/graphs/whisper-small/aries-rb/encoder.mblt.json
        --checkpoint data/checkpoints/whisper-small.json
        --out compilation/parts/whisper-small/aries-rb/encoder.json

Without the runtime (the package mobilint-qb-runtime, which exists for Linux on x86-64), the record
says that the file was not read.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import read_json, write_json
from common.listing import check_file
from compilation.hand_off.vendor import core_mode, cores
from compilation.qb.samples import frames_of
from data.cache import local_folder
from runtime.npu_sessions import model_config


def read_part(
    path: Path, expected: list[set[int]], mode: str, places: list[str], advice: str
) -> dict[str, Any]:
    """What the vendor's runtime says of a part.

    Args:
        path: The .mxq.
        expected: For each input, the sizes that its shape must have.
        mode: The core mode that it is to run in: left to itself, the runtime refuses a part that
            can be run in several.
        places: Cores or clusters, as in config.json of a hand-off folder.
        advice: What to do about a part that cannot be read.

    Raises:
        UserError: the runtime cannot read the file, or the part takes other inputs.
    """
    try:
        import qbruntime
    except ImportError:
        return {"read": False, "reason": "the vendor's runtime (mobilint-qb-runtime) is not here"}
    try:
        model = qbruntime.Model(str(path), model_config(qbruntime, mode, places))
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise UserError(
            f"{path} is no part that the vendor's runtime {qbruntime.__version__} can read as one"
            f" for core mode `{mode}` ({first}); {advice}, or update the runtime"
            " (mobilint-qb-runtime)"
        ) from None
    inputs = [list(map(int, shape)) for shape in model.get_model_input_shape()]
    outputs = [list(map(int, shape)) for shape in model.get_model_output_shape()]
    fits = len(inputs) == len(expected) and all(
        sizes <= set(shape) for sizes, shape in zip(expected, inputs, strict=True)
    )
    if not fits:
        raise UserError(
            f"{path} takes inputs of the shapes {inputs}, where the checkpoint's part takes sizes"
            f" {[sorted(sizes) for sizes in expected]}; it was compiled from another checkpoint"
        )
    return {
        "read": True,
        "runtime": qbruntime.__version__,
        "inputs": inputs,
        "outputs": outputs,
        "core_mode": str(model.get_core_mode()),
    }


def expected_sizes(part: str, config: dict[str, Any]) -> list[set[int]]:
    """The sizes that must be in the shapes of a part's inputs."""
    width, positions = config["d_model"], config["max_source_positions"]
    return {
        "encoder": [{frames_of(config), config["num_mel_bins"]}],
        "decoder": [{width}, {positions, width}],
    }[part]


def check(made: Path, graph: Path, checkpoint: Path, out: Path) -> dict[str, Any]:
    """Write the part's record, as other targets have it."""
    out.unlink(missing_ok=True)
    facts, parsed = read_json(made), read_json(graph)
    path = made.with_name(facts["file"])
    check_file(path, facts["sha256"], made)
    config = read_json(local_folder(checkpoint) / "config.json")
    mode = core_mode(facts["wish"]["scheme"])
    (places,) = cores(facts["part"], facts["target"], mode).values()
    advice = f"delete {made} and run the same command again"
    record = {
        "part": facts["part"],
        "target": facts["target"],
        "files": [{"path": path.name, "bytes": facts["bytes"], "sha256": facts["sha256"]}],
        "compiler": {"parse": parsed["versions"], "quantise": facts["versions"]},
        "settings": {
            "wish": facts["wish"],
            "device": facts["device"],
            "mblt_compile": parsed["arguments"],
            "mxq_compile": facts["arguments"],
            "resolved": facts.get("resolved"),
            **{key: facts[key] for key in ("numerics", "named_layers") if key in facts},
        },
        "cost": {
            step: {"seconds": one["seconds"], "peak_bytes": one["peak"]}
            for step, one in (("parse", parsed), ("quantise", facts))
        },
        "samples": facts["samples"],
        "runtime": read_part(path, expected_sizes(facts["part"], config), mode, places, advice),
    }
    write_json(out, record)
    return record


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--made", type=Path, required=True, help="what the second step wrote of the .mxq")
    add("--graph", type=Path, required=True, help="what the first step wrote of the .mblt")
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--out", type=Path, required=True, help="the part's record to write")
    args = parser.parse_args(argv)
    record = check(args.made, args.graph, args.checkpoint, args.out)
    runtime = record["runtime"]
    said = f"inputs {runtime['inputs']}" if runtime["read"] else f"not read: {runtime['reason']}"
    print(f"{args.out}: {said}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
