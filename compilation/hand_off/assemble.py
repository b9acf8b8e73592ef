"""Assemble the hand-off folder: everything a device engineer needs to run the compiled model.

Example:
    python -m compilation.hand_off.assemble --model whisper-small --target cpu
        --checkpoint data/checkpoints/whisper-small.json
        --dataset data/sources/google--fleurs/dataset.json
        --graphs runtime/float/whisper-small/manifest.json
        --golden compilation/golden/whisper-small/golden.json
        --calibration calibration/sets/whisper-small/encoder/manifest.json
                      calibration/sets/whisper-small/decoder/manifest.json
        --parts compilation/parts/whisper-small/cpu/encoder.json
                compilation/parts/whisper-small/cpu/decoder.json
        --left-out data/audio_files/calibration/de_de.left_out.json
        --out compiled/whisper-small/cpu/manifest.json

Files, in the folder of the manifest, which is replaced as a whole:
    the compiled parts              see openvino_folder.py (target cpu) and npu_folder.py
    config.json                     the checkpoint's; for an NPU, as its vendor's runtime reads it
    generation_config.json, tokenizer and processor files             the checkpoint's own, for
                                    every version of transformers from 4.54 on
    golden/                         two short clips, and what they should give
    alignment.xml, .bin             for an NPU: a float graph for the times of words
    manifest.json                   what it is and how it was made
    README.md                       all this for a device engineer
    SHA256SUMS                      for sha256sum -c
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError, run
from common.files import listed, read_json, sha256_of, write_json
from common.listing import copy_listed
from compilation.hand_off import alignment, npu_folder, openvino_folder, readme, sums
from compilation.hand_off.expect import expectations, run_golden
from compilation.hand_off.portable import make_portable
from compilation.hand_off.provenance import check_manifest, left_out_counts, manifest_of
from data.cache import local_folder

MANIFEST = "manifest.json"


class Sources(NamedTuple):
    """What a folder is assembled from: manifests, each of which lists its files."""

    checkpoint: Path
    dataset: Path
    graphs: Path  # float, which come with the embedding tables
    golden: Path
    calibration: list[Path]
    parts: list[Path]
    left_out: Sequence[Path] = ()  # of the languages' recordings


def assemble(model: str, target: str, sources: Sources, license_id: str | None, out: Path) -> None:
    """Build the folder beside its place, then swap it in.

    Args:
        model: The model's name in the configuration; heads the parts' file names.
        target: What the parts are compiled for.
        sources: What of.
        license_id: The checkpoint's licence, as the Hub names it; None where it is not known.
        out: The folder's manifest.json.

    Raises:
        UserError: A file is not the one that its manifest lists.
    """
    folder = out.parent
    building = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        _build(building, model, target, sources, license_id)
        _swap(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _build(
    building: Path, model: str, target: str, sources: Sources, license_id: str | None
) -> None:
    """Fill an empty folder; see `assemble`."""
    _copy_checkpoint_files(sources.checkpoint, building)
    make_portable(building)
    records = {read_json(path)["part"]: path for path in sources.parts}
    for path in sources.parts:
        _check_target(read_json(path), target, path)
    own = read_json(building / "config.json")
    if target == "cpu":
        changes = openvino_folder.fill(building, sources.graphs, records)
    else:
        changes = npu_folder.fill(building, model, target, sources.graphs, records)
        alignment.write(sources.graphs, building)
    parts = {part: {**read_json(path), **changes[part]} for part, path in records.items()}
    golden = read_json(sources.golden)
    names = [file["path"] for file in golden["files"]]
    (building / "golden").mkdir()
    copy_listed(sources.golden, {name: building / "golden" / name for name in names})
    calibration = {read_json(path)["part"]: path for path in sources.calibration}
    manifest = manifest_of(
        model, target, sources.checkpoint, sources.dataset, parts, calibration, own
    )
    manifest["dataset"]["left_out"] = left_out_counts(sources.left_out)
    manifest["license"] = license_id
    heard = run_golden(building, golden) if target == "cpu" else None
    write_json(building / "golden/golden.json", expectations(golden, heard))
    manifest["files"] = listed(building, sums.files_of(building))
    check_manifest(manifest, building / MANIFEST)
    write_json(building / MANIFEST, manifest)
    readme.write(building)
    sums.write(building)


def _copy_checkpoint_files(checkpoint: Path, folder: Path) -> None:
    """Configuration, processor and tokenizer, as they are."""
    home = local_folder(checkpoint)
    for file in read_json(checkpoint)["files"]:
        path = home / file["path"]
        if path.suffix == ".safetensors" or path.name == "model.safetensors.index.json":
            continue
        shutil.copyfile(path, folder / path.name)
        if sha256_of(folder / path.name) != file["sha256"]:
            raise UserError(
                f"{path} was changed since {checkpoint} was written; delete {checkpoint} and run"
                " the same command again"
            )


def _check_target(record: dict[str, Any], target: str, path: Path) -> None:
    """Refuse a part that was compiled for something else."""
    if record["target"] != target:
        raise UserError(f"{path} is of a part compiled for {record['target']}, not for {target}")


def _swap(new: Path, folder: Path) -> None:
    """Replace `folder` by `new`; in between, the folder is absent, never half made."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and assemble the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help="the model's name")
    add("--target", required=True, help="what the parts are compiled for")
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--dataset", type=Path, required=True, help="what data.source was found to be")
    add("--graphs", type=Path, required=True, help="manifest of the checkpoint's float graphs")
    add("--golden", type=Path, required=True, help="golden.json of the checkpoint")
    add("--calibration", type=Path, nargs=2, required=True, help="manifests of both sets")
    add("--parts", type=Path, nargs=2, required=True, help="records of both parts")
    add("--left-out", type=Path, nargs="*", default=[], help="recordings that could not be used")
    add("--license", help="of the checkpoint, as the Hub names it, such as mit")
    add("--out", type=Path, required=True, help="the folder's manifest.json")
    args = parser.parse_args(argv)
    sources = Sources(**{name: getattr(args, name) for name in Sources._fields})
    assemble(args.model, args.target, sources, args.license, args.out)
    sizes: list[dict[str, Any]] = read_json(args.out)["files"]
    total = sum(file["bytes"] for file in sizes) / 1e6
    print(
        f"hand-off folder: {args.out.parent}, {len(sizes)} files, {total:.1f} MB", file=sys.stderr
    )


if __name__ == "__main__":
    run(main)
