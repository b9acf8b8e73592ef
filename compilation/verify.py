"""Check a hand-off folder: offline, one line a check, ending at the first that fails.

Example:
    python -m compilation.verify compiled/whisper-small/aries-rb

Where the parts can be run (on the CPU, or on the NPU beside this machine) they hear the golden
clips; where only the vendor's runtime is installed, it reads the parts.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from common.cli import UserError, run
from common.files import read_json, sha256_of
from compilation.hand_off import sums, vendor
from compilation.hand_off.provenance import check_manifest
from compilation.qb.check import expected_sizes, read_part
from compilation.qb.samples import frames_of
from runtime.folder import CPU, GRAPHS, device_of
from runtime.npu_sessions import has_npu
from runtime.tables import NAMES, load_tables


def checked_files(folder: Path) -> str:
    """Every file is there, none beside them, and none was changed."""
    sums.check(folder)
    return f"{len(sums.read(folder))} files as listed in {sums.NAME}"


def checked_manifest(folder: Path) -> str:
    """The manifest fits its schema, and lists the files that are there."""
    path = folder / "manifest.json"
    manifest = read_json(path)
    check_manifest(manifest, path)
    written = sums.read(folder)
    for file in manifest["files"]:
        if written.get(file["path"]) != file["sha256"]:
            raise UserError(f"{path} lists another {file['path']}; the folder was changed by hand")
    for part, record in manifest["parts"].items():
        if record["target"] != manifest["target"]:
            raise UserError(f"{path}: the {part} was compiled for {record['target']}")
    parts = {file["path"] for part in manifest["parts"].values() for file in part["files"]}
    if strange := sorted(parts - {file["path"] for file in manifest["files"]}):
        raise UserError(f"{path}: {strange[0]} of a part is not among the files")
    return f"{manifest['model']} for {manifest['target']}, from {manifest['checkpoint']['source']}"


def checked_config(folder: Path) -> str:
    """config.json names the parts, and cores that they were compiled for and the device has."""
    manifest, path = read_json(folder / "manifest.json"), folder / "config.json"
    config = read_json(path)
    if manifest["target"] == "cpu":
        return f"{config['model_type']}, {len(GRAPHS)} parts"
    said = []
    for part in vendor.PARTS:
        record = manifest["parts"][part]
        if config.get(f"{part}_mxq_path") not in [file["path"] for file in record["files"]]:
            raise UserError(
                f"{path}: {part}_mxq_path is {config.get(f'{part}_mxq_path')}, no file of it"
            )
        scheme = record["settings"]["wish"]["scheme"]
        vendor.check_cores(part, config, manifest["target"], scheme, path)
        said.append(f"{part} {config[f'{part}_core_mode']}, compiled for `{scheme}`")
    return "; ".join(said)


def checked_tables(folder: Path) -> str:
    """The embedding tables, and nothing else, in the shapes of config.json."""
    if device_of(folder) == CPU:
        return "in the decoder"
    config, path = read_json(folder / "config.json"), folder / "model.safetensors"
    with safe_open(path, "np") as file:
        types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    if types != dict.fromkeys(NAMES, "F32"):
        raise UserError(f"{path} holds {types}, and not just both tables in F32")
    tables = load_tables(path)
    rows = {NAMES[0]: config["vocab_size"], NAMES[1]: config["max_target_positions"]}
    for name, table in zip(NAMES, tables, strict=True):
        if list(table.shape) != [rows[name], config["d_model"]]:
            raise UserError(f"{path}: {name} is {list(table.shape)}, not {rows[name]} rows")
    return " and ".join(f"{list(table.shape)}" for table in tables) + " float32"


def checked_parts(folder: Path) -> str:
    """The parts can be read, and take what config.json says."""
    manifest, config = read_json(folder / "manifest.json"), read_json(folder / "config.json")
    said = []
    for part in vendor.PARTS:
        if manifest["target"] == "cpu":
            said.append(f"{part} by {_read_graph(folder / f'{GRAPHS[part]}.xml', config)}")
            continue
        path, sizes = folder / config[f"{part}_mxq_path"], expected_sizes(part, config)
        mode, places = config[f"{part}_core_mode"], vendor.places(part, config)
        read = read_part(path, sizes, mode, places, "get the folder again, whole")
        said.append(f"{part} by qbruntime {read['runtime']}" if read["read"] else read["reason"])
    return ", ".join(dict.fromkeys(said))


def _read_graph(path: Path, config: dict[str, Any]) -> str:
    """Read a part for the CPU, and compare the sizes of what it takes and gives."""
    import openvino

    width, positions = config["d_model"], config["max_source_positions"]
    sizes = {
        "input_features": {frames_of(config), config["num_mel_bins"]},
        "encoder_hidden_states": {positions, width},
        "last_hidden_state": {positions, width},
        "logits": {config["vocab_size"]},
    }
    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise UserError(
            f"{path} cannot be read by OpenVINO: {str(error).splitlines()[0]}"
        ) from None
    for port in (*model.inputs, *model.outputs):
        name, shape = port.get_any_name(), port.get_partial_shape()
        wanted = sizes.get(name, set())
        if not wanted <= {size.get_length() for size in shape if size.is_static}:
            raise UserError(f"{path}: {name} is {shape}, where config.json has {sorted(wanted)}")
    return f"OpenVINO {openvino.__version__.split('-')[0]}"


def check_measured(folder: Path) -> None:
    """Refuse figures that are of other parts: those of one version of a compiler are no other's.

    Raises:
        UserError: evaluation.json was measured of a folder with another manifest.
    """
    path, manifest = folder / "evaluation.json", folder / "manifest.json"
    own = sha256_of(manifest)
    if read_json(path).get("manifest_sha256", own) != own:
        raise UserError(
            f"{path} was measured of other parts than {manifest} lists; delete it, and evaluate the"
            " folder again"
        )


def checked_quality(folder: Path) -> str:
    """What was measured of the folder; a model that has not passed is whole, and said to be bad."""
    path = folder / "evaluation.json"
    if not path.is_file():
        return "not measured"
    check_measured(folder)
    measured = read_json(path)
    return f"{measured['sentence']}, on {measured['clips']} held-out clips"


def checked_golden(folder: Path) -> str:
    """The parts give what they should of the golden clips, where they can be run here."""
    from compilation.hand_off.expect import compare, run_golden

    target = read_json(folder / "manifest.json")["target"]
    golden = read_json(folder / "golden/golden.json")
    if target != "cpu" and not has_npu():
        return "not run: there is no NPU here"
    heard = run_golden(folder, golden, warm_up=target != "cpu")
    said = [compare(*pair) for pair in zip(golden["clips"], heard, strict=True)]
    return "; ".join(said) + (" (after a first clip that does not count)" * (target != "cpu"))


CHECKS = {
    "files": checked_files,
    "manifest": checked_manifest,
    "config": checked_config,
    "tables": checked_tables,
    "parts": checked_parts,
    "golden": checked_golden,
    "quality": checked_quality,
}


def verify(folder: Path) -> Iterator[str]:
    """A line for each check that passes.

    Raises:
        UserError: the first that does not; the line is its message.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give one such as compiled/whisper-small/cpu")
    for name, check in CHECKS.items():
        try:
            yield f"ok      {name:8}  {check(folder)}"
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="hand-off folder")
    for line in verify(parser.parse_args(argv).folder):
        print(line, flush=True)


if __name__ == "__main__":
    run(main)
