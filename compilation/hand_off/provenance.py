"""manifest.json of a hand-off folder: what it is, and all that it was made of and with."""

import contextlib
import importlib.metadata
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from common.cli import UserError
from common.files import expanded, read_json, sha256_of
from compilation.qb.samples import frames_of
from data.whisper import facts_of

SCHEMA = Path(__file__).with_name("manifest.schema.yaml")
# Those whose code or arithmetic is in the folder's bytes, on the way from audio to parts.
PACKAGES = (
    *("librosa", "nncf", "numpy", "openvino", "openvino-tokenizers", "pyarrow", "safetensors"),
    *("scipy", "tokenizers", "torch", "transformers"),
    *("openvino-genai", "soundfile", "soxr"),  # that read the folder on a CPU
    *("mobilint-qb-runtime", "transformers-mblt"),  # that read the folder on a device
)


def calibration_facts(manifest: Path) -> dict[str, Any]:
    """What a part was calibrated with: settings, coverage, and every sample's clip and hashes."""
    facts = read_json(manifest)
    kept = {key: facts[key] for key in ("settings", "expected", "coverage") if key in facts}
    return {"manifest_sha256": sha256_of(manifest), **kept, "samples": facts["samples"]}


def project_facts(folder: Path) -> dict[str, Any]:
    """Commit of the project's checkout, and whether its tracked files are as in that commit."""
    try:
        top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
        if top.resolve() == folder.resolve():  # not another repository that it lies in
            commit = _git(folder, "rev-parse", "HEAD").strip()
            changes = _git(folder, "status", "--porcelain", "--untracked-files=no").strip()
            return {"commit": commit, "clean": not changes}
    except (OSError, subprocess.CalledProcessError):
        pass  # no git, or no checkout
    return {"commit": None, "clean": None}


def _source(facts: dict[str, Any]) -> dict[str, Any]:
    """Where something comes from; of a folder of this machine its name, and no revision."""
    if facts["commit"]:
        return {key: facts[key] for key in ("source", "revision", "commit")}
    source = expanded(facts["source"])
    name = source.name if source.is_absolute() else facts["source"]
    return {"source": name, "revision": None, "commit": None}


def left_out_counts(files: Sequence[Path]) -> dict[str, dict[str, int]]:
    """By language and reason, how many of its recordings could not be used for calibration.

    Args:
        files: {language}.left_out.json of the languages, by data.prepare.
    """
    found = {path.name.partition(".")[0]: read_json(path) for path in files}
    return {
        language: {reason: len(names) for reason, names in reasons.items()}
        for language, reasons in found.items()
        if reasons
    }


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    found = {}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def gives_last_token_only(record: dict[str, Any]) -> bool:
    """Whether a decoder gives the logits of the last token that it is fed, and of no other."""
    return "'last_token_only': True" in str(record["settings"])


def interface(record: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """What a part takes and gives on its target: shapes, dtypes; L is free."""
    part, target = record["part"], record["target"]
    width, positions = config["d_model"], config["max_source_positions"]
    frames, bins = frames_of(config), config["num_mel_bins"]
    logits = [1, 1 if gives_last_token_only(record) else "L", config["vocab_size"]]
    if part == "encoder":
        features = [1, bins, frames] if target == "cpu" else [1, frames, bins]
        shapes = {"inputs": [features], "outputs": [[1, positions, width]]}
    elif target == "cpu":  # token ids, int64, and states
        shapes = {"inputs": [[1, "L"], [1, positions, width]], "outputs": [logits]}
    else:  # embedded tokens, and states
        shapes = {"inputs": [[1, 1, "L", width], [1, 1, positions, width]], "outputs": [logits]}
    return {**shapes, "dtype": "float32"}


def manifest_of(
    model: str,
    target: str,
    checkpoint: Path,
    dataset: Path,
    parts: dict[str, dict[str, Any]],
    calibration: dict[str, Path],
    config: dict[str, Any],
) -> dict[str, Any]:
    """The manifest, but for the list of the folder's files.

    Args:
        model: The model's name in the configuration.
        target: What the parts were compiled for.
        checkpoint: Manifest of the checkpoint.
        dataset: What `data.source` was found to be.
        parts: Of each part, its record, with the names of its files in the folder.
        calibration: Of each part, the manifest of its calibration set.
        config: The checkpoint's config.json.
    """
    known = facts_of(checkpoint)
    own = read_json(checkpoint)
    facts = {key: known[key] for key in ("files", "packages")}
    facts |= {"mended": own.get("mended", [])}
    facts |= {"base": _source(own["base"]) if "base" in own else None}
    records = {}
    for part, record in parts.items():
        # Seconds and memory differ between two runs that make the same bytes.
        kept = {key: value for key, value in record.items() if key != "cost"}
        records[part] = {**kept, "interface": interface(record, config)}
    return {
        "schema": 1,
        "model": model,
        "target": target,
        "checkpoint": _source(own) | facts,
        "dataset": _source(read_json(dataset)),
        "calibration": {part: calibration_facts(path) for part, path in calibration.items()},
        "parts": records,
        "packages": versions_of(PACKAGES),
        "project": project_facts(Path.cwd()),
    }


def check_manifest(manifest: Any, where: Path) -> None:
    """Compare a manifest with its schema.

    Raises:
        UserError: it does not fit; the first place where, and why.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(manifest))
    if error:
        place = "/".join(map(str, error.absolute_path)) or "its top"
        raise UserError(
            f"{where} is no manifest of a hand-off folder: at {place}, {error.message[:200]};"
            " make the folder again, or use the version of this project that made it"
        )
