"""An interpreter that has a double of the NPU vendor's compiler, and the steps it runs."""

import stat
import subprocess
from pathlib import Path

from common.files import read_json, write_json
from compilation.qb.place_checkpoint import place
from tests.forks import WHISPER
from tests.imports import ROOT
from tests.qb_double.install import install

BESIDE = {"numpy": "1.26.4", "torch": "2.7.1"}  # what the real one needs, by their metadata


def double(folder: Path, version: str, **environment: str) -> dict[str, str]:
    """Variables of an interpreter that has the double of that version, installed in a folder."""
    site = install(folder / "site", version)
    for name, number in BESIDE.items():
        info = site / f"{name}-{number}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
    calls = str(folder / "calls.jsonl")
    return {"PYTHONPATH": str(site), "QB_DOUBLE_CALLS": calls, **environment}


def interpreter(
    folder: Path, version: str, python: str | Path | None = None, **environment: str
) -> Path:
    """A command that runs `python`, if not forks, with the double of that version in its path."""
    given = double(folder, version, **environment)
    variables = " ".join(f"{name}='{value}'" for name, value in given.items())
    script = folder / "python"
    script.write_text(
        f'#!/bin/sh\n{variables} exec "{python or WHISPER.python}" "$@"\n', encoding="utf-8"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def without_runtime(folder: Path) -> dict[str, str]:
    """Variables of a run that finds no vendor's runtime, which would refuse the double's files."""
    folder.mkdir()
    (folder / "qbruntime.py").write_text("raise ImportError\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def placed(checkpoint: Path, folder: Path) -> Path:
    """The manifest of a checkpoint's files, placed in a folder."""
    out = folder / "checkpoint" / "manifest.json"
    if not out.is_file():
        place(checkpoint, out)
    return out


def step(python: Path, *arguments: object) -> subprocess.CompletedProcess:
    """One step of `compilation.qb.compile` in an interpreter."""
    command = [str(python), "-m", "compilation.qb.compile", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def fake_set(folder: Path, checkpoint: Path, part: str, samples: int = 2) -> Path:
    """A small calibration set of zeros for a checkpoint's part; its list."""
    import numpy as np

    config = read_json(checkpoint.parent / "config.json")
    width, positions = config["d_model"], config["max_source_positions"]
    folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(0), []
    for index in range(samples):
        shapes = {"mel": [1, 3000, config["num_mel_bins"]]}
        if part == "decoder":
            shapes = {"embeddings": [1, 5 + index, width], "states": [1, positions, width]}
        rows.append([])
        for name, shape in shapes.items():
            rows[-1].append(str(folder / f"{name}_{index}.npy"))
            np.save(rows[-1][-1], rng.standard_normal(shape, dtype=np.float32))
    if part == "encoder":
        listing = folder / "whisper_encoder_cali.txt"
        listing.write_text("".join(f"{path}\n" for (path,) in rows), encoding="utf-8")
        return listing
    info = {"input names": ["decoder_hidden_states", "encoder_hidden_states"]}
    info["input shapes"] = [[1, -1, width], [1, positions, width]]
    write_json(folder / "whisper_decoder_calib.json", {"info": info, "calib paths": rows})
    return folder / "whisper_decoder_calib.json"
