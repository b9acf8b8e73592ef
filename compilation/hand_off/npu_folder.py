"""The files of a folder for an NPU, as its vendor's runtime loads them.

{model}_encoder.mxq, {model}_decoder.mxq   the compiled parts
model.safetensors                          the two embedding tables
config.json                                the checkpoint's, with the parts' files and cores
"""

from pathlib import Path
from typing import Any

from common.files import read_json, write_json
from common.listing import copy_listed
from compilation.hand_off.vendor import vendor_config
from runtime.tables import TABLES


def fill(
    folder: Path, model: str, target: str, graphs: Path, records: dict[str, Path]
) -> dict[str, dict[str, Any]]:
    """Write the files; of each part's record, what is another in the folder.

    Args:
        folder: Has the checkpoint's config.json.
        model: The model's name; heads the parts' file names.
        target: What the parts were compiled for.
        graphs: Manifest of the checkpoint's float graphs, which come with the embedding tables.
        records: Of each part, the record of what the compiler has made.

    Raises:
        UserError: A file is not the one that its manifest lists.
    """
    copy_listed(graphs, {TABLES: folder / "model.safetensors"})
    files, schemes = {}, {}
    for part, path in records.items():
        record = read_json(path)
        names = {file["path"]: f"{model}_{file['path']}" for file in record["files"]}
        copy_listed(path, {old: folder / new for old, new in names.items()})
        files[part] = [{**file, "path": names[file["path"]]} for file in record["files"]]
        schemes[part] = record["settings"]["wish"]["scheme"]
    first = {part: of[0]["path"] for part, of in files.items()}
    own = read_json(folder / "config.json")
    write_json(folder / "config.json", vendor_config(own, target, first, schemes))
    return {part: {"files": of} for part, of in files.items()}
