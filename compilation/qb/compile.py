r"""Compile one part for the NPU, in the interpreter that has the vendor's compiler.

Example, in two steps:
    python -m compilation.qb.compile parse --part encoder --target aries-rb \
        --checkpoint compilation/checkpoints/whisper-small/manifest.json \
        --out compilation/graphs/whisper-small/aries-rb/encoder.mblt
    python -m compilation.qb.compile quantise --part encoder --target aries-rb \
        --checkpoint compilation/checkpoints/whisper-small/manifest.json \
        --graph compilation/graphs/whisper-small/aries-rb/encoder.mblt \
        --calibration calibration/sets/whisper-small/encoder/whisper_encoder_cali.txt \
        --recipe validated --scheme all --out compilation/parts/whisper-small/aries-rb/encoder.mxq

The call itself is made in a process of its own, which may fail, abort or hang: then there is no
file, and a sentence. Beside the file stands a record (.mxq.json, .mblt.json): versions, arguments,
time and memory. Only the standard library is used here.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.disk import require_space
from common.files import read_json, sha256_of, write_json
from common.listing import check_file, check_listed
from compilation.qb.arguments_by_version import generation_of
from compilation.qb.limits import (
    NPU_TARGETS,
    SCHEMES,
    Refused,
    check_target,
    scheme_for,
    warnings_on,
)
from compilation.qb.recipes import RECIPES, VALIDATED
from compilation.qb.samples import check_samples, frames_of
from compilation.qb.watch_child import call

PACKAGES = ("qbcompiler", "torch", "transformers", "numpy")


def installed(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Versions of packages in this interpreter; None for one that it has not."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def prepare(args: argparse.Namespace) -> tuple[dict[str, Any], int]:
    """Check all that can be checked before the call; its request, and the number of samples.

    Raises:
        Refused: it cannot work; why, and what to do.
    """
    versions = installed()
    version = versions["qbcompiler"]
    if version is None:
        raise Refused(
            f"{sys.executable} has no qbcompiler, the NPU vendor's compiler; install the vendor's"
            " wheel there, or name the interpreter that has it in compilation.qbcompiler.python"
        )
    notes = [generation_of(version)[1], *warnings_on(versions)]
    check_target(args.target, version)
    checkpoint = args.checkpoint.parent
    check_listed(args.checkpoint)
    files = read_json(args.checkpoint)["files"]
    # No part in float32 is larger than its whole checkpoint in float16, twice.
    require_space(args.out.parent, 2 * sum(file["bytes"] for file in files), str(args.out))
    if args.graph:
        record = args.graph.with_name(f"{args.graph.name}.json")
        check_file(args.graph, read_json(record)["sha256"], record)
    config = read_json(checkpoint / "config.json")
    samples = check_samples(args.calibration, args.part, config) if args.calibration else 0
    for note in filter(None, notes):
        print(f"warning: {note}", file=sys.stderr)
    wish = {
        "part": args.part,
        "target": args.target,
        "mels": config["num_mel_bins"],
        "frames": frames_of(config),
        "recipe": args.recipe,
        "scheme": args.scheme,
        "activation_16bits": args.activation_16bits,
    }
    if args.step == "quantise":
        wish["scheme"] = scheme_for(args.part, args.scheme, args.target, version)
    request = {"step": args.step, "version": version, "versions": versions, "wish": wish}
    request |= {"overrides": args.overrides, "checkpoint": str(checkpoint)}
    return request, samples


def compile_part(args: argparse.Namespace) -> dict[str, Any]:
    """One step for one part; the record as written beside the file."""
    record = args.out.with_name(f"{args.out.name}.json")
    for stale in (args.out, record):
        stale.unlink(missing_ok=True)
    work = args.out.with_name(f".{args.out.name}.work")
    try:
        request, samples = prepare(args)
        if args.step == "quantise":
            request |= {"graph": str(args.graph), "calibration": str(args.calibration)}
        result = call(request, work, args.out.suffix, args.timeout_hours)
    except Refused as error:
        raise UserError(str(error)) from None
    file = result.pop("file")
    with file.open("rb") as written:
        os.fsync(written.fileno())
    facts = {
        "part": args.part,
        "target": args.target,
        "file": args.out.name,
        "bytes": file.stat().st_size,
        "sha256": sha256_of(file),
        "versions": request["versions"],
        "wish": request["wish"],
        "overrides": args.overrides,
        "samples": samples,
        **result,
    }
    file.replace(args.out)
    write_json(record, facts)
    shutil.rmtree(work)
    return facts


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("step", choices=["parse", "quantise"])
    add("--part", choices=["encoder", "decoder"], required=True)
    add("--target", choices=NPU_TARGETS, required=True)
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint's files")
    add("--graph", type=Path, help="the .mblt, to quantise")
    add("--calibration", type=Path, help="list of the calibration set, to quantise")
    add("--recipe", choices=RECIPES, default=VALIDATED)
    add("--scheme", choices=SCHEMES, default="all")
    add("--activation-16bits", nargs="*", default=[], metavar="LAYER", help="names in the graph")
    add("--overrides", type=json.loads, default={}, help="keyword arguments, as JSON")
    add("--timeout-hours", type=float, default=24)
    add("--out", type=Path, required=True, help="the .mblt or .mxq to write")
    args = parser.parse_args(argv)
    if args.step == "quantise" and not (args.graph and args.calibration):
        raise UserError("quantise needs --graph and --calibration")
    # As an interruption, so that the compiler's process is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: ended by SIGTERM"))
    made = compile_part(args)
    print(f"{args.out}: {made['bytes'] / 1e6:.1f} MB in {made['seconds']} s", file=sys.stderr)


if __name__ == "__main__":
    run(main)
