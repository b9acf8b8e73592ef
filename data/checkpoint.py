r"""Have a Whisper checkpoint on this disk: all that `from_pretrained` reads, checked and listed.

Example:
    python -m data.checkpoint --source openai/whisper-small --revision main \
        --out data/checkpoints/whisper-small.json

Files of a Hub checkpoint go to the Hub's ordinary cache; a local folder stays where it is. Writes
{"source", "revision", "commit", "files": [{"path", "bytes", "sha256"}]}; the commit is null for a
local folder. Of the weights only one safetensors copy is taken: no Flax, ONNX, no float32
duplicate; pytorch_model.bin where there is no other, and kept as safetensors. An adapter (LoRA) is
merged into its base.

The files are compared with one another (docs/what_you_can_bring.md). Where they do not take part
as they are, because a setting is the pipeline's, a file comes from the base or is of another
format, or an adapter lies beside whole weights, the folder {name}.files beside the manifest has
what takes part, the rest as links, and the manifest says so: {"folder", "mended": [sentences],
"original": [files], "base": {...}}.
"""

import argparse
import importlib.metadata
import shutil
import sys
from functools import partial
from pathlib import Path

from common.cli import UserError, run
from common.files import expanded, listed, write_json
from data.base import ADAPTER, of_adapter, parse
from data.cache import folder_beside, local_folder
from data.checkpoint_check import look, read_json_of
from data.checkpoint_files import (
    PICKLE,
    SMALL_FILES,
    WEIGHTS,
    checkpoint_files,
    completed,
    is_adapter,
    whisper_files,
)
from data.checkpoint_parts import Manifest, fill, heads_of, pickled, small_base, unpickle
from data.checkpoint_weights import check_weights


def have_checkpoint(source: str, revision: str, base: str | None, out: Path) -> Manifest:
    """Have a checkpoint, look at it, and make the folder beside `out` where there is need of one.

    Args:
        source: Hub name or local folder.
        revision: Branch, tag or commit on the Hub.
        base: Hub name, perhaps with @revision, or local folder of the checkpoint that it was
            trained from.
        out: The manifest that will list it.

    Raises:
        UserError: It cannot be had, or its files contradict each other.
    """
    based, base_record = small_base(base)
    pick = partial(whisper_files, base=based)
    commit, home, names = checkpoint_files(source, revision, pick)
    own = {name: home / name for name in names if name in SMALL_FILES}
    weights = {name: home / name for name in names if name not in SMALL_FILES}
    mend = None  # what makes the weights, in a folder
    if is_adapter(names):
        base_home, base_record = _whole_base(source, home, base, out)
        based = {name: base_home / name for name in SMALL_FILES if (base_home / name).is_file()}
        mend, how = partial(_merged, home, base_home), f"{ADAPTER} and its base, by {merger()}"
    elif pickled(weights):
        mend, how = partial(unpickle, weights), PICKLE
    small = completed(own, based, source)
    if is_adapter(names):
        small["config.json"] = based["config.json"]
    seen = look(small, source, heads_of(small, based, source))
    # The library would put an adapter on top of whole weights that it lies beside.
    beside = not is_adapter(names) and (home / ADAPTER).exists()
    record: Manifest = {"source": source, "revision": revision, "commit": commit}
    folder = folder_beside(out)
    if home.resolve() == folder.resolve():
        raise UserError(f"source {source} is where its own copy is made: move it elsewhere")
    shutil.rmtree(folder, ignore_errors=True)
    if small == own and not (seen.changed or mend or beside):
        check_weights([*weights.values()], seen.config, source)
        return record | {"files": listed(home, names)}
    building = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        used = mend(building, source) if mend else weights
        check_weights([*used.values()], seen.config, source)
        fill(building, small | used, seen.changed)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    from_base = [name for name, path in small.items() if own.get(name) != path]
    mended = [*seen.said, *(f"{name} is the base's" for name in from_base)]
    mended += [f"{WEIGHTS} is made of {how}"] if mend else []
    mended += [f"{ADAPTER}, beside whole weights, is left out"] if beside else []
    print(f"{source} is used with changes: {'; '.join(mended)}", file=sys.stderr)
    files = listed(folder, sorted(small | used | seen.changed))
    replaced = sorted(set(seen.changed) & set(own) | (set(weights) if mend else set()))
    record |= {"files": files, "folder": folder.name}
    record |= {"mended": mended, "original": listed(home, replaced)}
    if from_base:
        taken = listed(based[from_base[0]].parent, from_base)
        record["base"] = {"files": taken} | base_record
    return record


def _whole_base(source: str, home: Path, base: str | None, out: Path) -> tuple[Path, Manifest]:
    """The folder of the checkpoint that an adapter was trained on, and what identifies it."""
    named = of_adapter(read_json_of(home / ADAPTER, ADAPTER, source))
    # A base that both name is of the adapter's revision.
    whole = parse(base) if base and (named is None or base != named.source) else named
    if whole is None or expanded(whole.source).resolve() == home.resolve():
        raise UserError(
            f"{ADAPTER} of {source} does not say which checkpoint it was trained on"
            " (base_model_name_or_path): name that one under models.<name>.base"
        )
    manifest = out.with_name(f".{out.stem}.base.json")
    record = have_checkpoint(*whole, None, manifest)
    write_json(manifest, record)
    kept = ("source", "revision", "commit", "files")
    return local_folder(manifest), {key: record[key] for key in kept}


def merger() -> str:
    """The package that merges adapters, and its version."""
    try:
        return f"peft {importlib.metadata.version('peft')}"
    except importlib.metadata.PackageNotFoundError:
        return "peft"


def _merged(home: Path, base: Path, folder: Path, where: str) -> dict[str, Path]:
    """The weights of an adapter merged into its base, made in a folder, by name."""
    from data.checkpoint_adapter import merge  # imports torch, which few checkpoints need

    made = merge(home, base, folder / "merged", where)
    moved = {name: path.rename(folder / name) for name, path in made.items()}
    shutil.rmtree(folder / "merged")
    return moved


def main(argv: list[str] | None = None) -> None:
    """Have a checkpoint and write its manifest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help="Hub name (owner/name) or local folder")
    parser.add_argument("--revision", default="main", help="branch, tag or commit on the Hub")
    parser.add_argument("--base", help="of a fine-tune: source of the checkpoint that it is of")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args(argv)
    given.out.unlink(missing_ok=True)  # it would not describe the folder while that is replaced
    write_json(given.out, have_checkpoint(given.source, given.revision, given.base, given.out))


if __name__ == "__main__":
    run(main)
