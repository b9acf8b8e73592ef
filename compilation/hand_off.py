"""Assemble the hand-off folder: everything a device engineer needs to run the compiled model.

Example:
    python -m compilation.hand_off --model whisper-small --target cpu
        --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --parts compilation/parts/whisper-small/cpu/encoder.json
                compilation/parts/whisper-small/cpu/decoder.json
        --out compiled/whisper-small/cpu/manifest.json

Files, in the folder of the manifest, which is replaced as a whole:
    whisper-small_encoder.xml, .bin, whisper-small_decoder.xml, ...   the compiled parts
    config.json, generation_config.json                               the checkpoint's own
    tokenizer and processor files                                     for AutoProcessor
    model.safetensors                                                 the two embedding tables
    manifest.json                                                     what it is and how it was made
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from common.cli import UserError, run
from common.files import is_unchanged, link_or_copy, listed, read_json, sha256_of, write_json
from data.cache import local_folder
from data.whisper import facts_of
from runtime.tables import TABLES


def assemble(
    model: str, target: str, checkpoint: Path, graphs: Path, parts: list[Path], out: Path
) -> None:
    """Build the folder beside its place, then swap it in.

    Args:
        model: The model's name in the configuration; heads the parts' file names.
        target: What the parts are compiled for.
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs, which come with the embedding tables.
        parts: Records of the compiled parts.
        out: The folder's manifest.json.
    """
    folder = out.parent
    building = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    _copy_checkpoint_files(checkpoint, building)
    _link_tables(graphs, building / "model.safetensors")
    records = {}
    for path in parts:
        record = read_json(path)
        names = {file["path"]: f"{model}_{file['path']}" for file in record["files"]}
        for file in record["files"]:
            _link_checked(
                path.parent / file["path"], file["sha256"], building / names[file["path"]]
            )
        files = [{**file, "path": names[file["path"]]} for file in record["files"]]
        records[record["part"]] = {**record, "files": files}
    files = listed(building, sorted(path.name for path in building.iterdir()))
    manifest = {
        "model": model,
        "target": target,
        "checkpoint": facts_of(checkpoint),
        "parts": records,
        "files": files,
    }
    write_json(building / out.name, manifest)
    _swap(building, folder)


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


def _link_tables(graphs: Path, destination: Path) -> None:
    """The embedding tables of a checkpoint, from the manifest of its float graphs."""
    (record,) = (file for file in read_json(graphs)["files"] if file["path"] == TABLES)
    _link_checked(graphs.with_name(TABLES), record["sha256"], destination)


def _link_checked(source: Path, sha256: str, destination: Path) -> None:
    """Put a part's file into the folder (a hard link where possible), if it is the recorded one."""
    if not is_unchanged(source, sha256):
        raise UserError(
            f"{source} is missing or is not the file that its record describes; delete the record"
            f" {source.parent}/*.json and run the same command again"
        )
    link_or_copy(source, destination)


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
    parser.add_argument("--model", required=True, help="the model's name")
    parser.add_argument("--target", required=True, help="what the parts are compiled for")
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--graphs", type=Path, required=True, help="manifest of its float graphs")
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="records of the parts")
    parser.add_argument("--out", type=Path, required=True, help="the folder's manifest.json")
    args = parser.parse_args(argv)
    assemble(args.model, args.target, args.checkpoint, args.graphs, args.parts, args.out)
    sizes: list[dict[str, Any]] = read_json(args.out)["files"]
    total = sum(file["bytes"] for file in sizes) / 1e6
    print(
        f"hand-off folder: {args.out.parent}, {len(sizes)} files, {total:.1f} MB", file=sys.stderr
    )


if __name__ == "__main__":
    run(main)
