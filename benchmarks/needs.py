"""Time and peak memory of every job of a run, for a checkpoint of real dimensions.

Example: python -m benchmarks.needs --shape small --tokens 32

Random weights, the demo's speech. Every job is the command that Snakemake would start, in a process
of its own, one after the other; its peak of resident memory is the kernel's count.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file, save_file

from benchmarks.cost import Cost, cost_of
from benchmarks.random_checkpoint import SHAPES
from common.files import read_json, write_json
from tests.workflow import clean_copy, environment

JOB = re.compile(r"^(?:local)?rule (\w+):\n.*?^Shell command: (.*?)$", re.MULTILINE | re.DOTALL)


def overlay(source: str, clips: int, labels: str) -> dict:
    """The configuration, over that of the small tests."""
    return {
        "build": ["measured"],
        "models": {"measured": {"source": source, "tasks": ["transcribe"]}},
        "data": {
            "languages": ["de_de"],
            "samples_per_language": clips,
            "labels": {"model": labels},
        },
        "calibration": {"decoder": {"set_aside": 1}},
        "evaluation": {
            "samples_per_language": clips,
            "conditions": {"long": 0, "noise_db": [10], "silence": False, "timestamps": False},
        },
    }


def end_after(folder: Path, tokens: int) -> None:
    """Let a checkpoint of random weights end its texts, which it would go on with to the limit."""
    generation = folder / "generation_config.json"
    settings = read_json(generation)
    write_json(generation, settings | {"suppress_tokens": []})
    weights = load_file(folder / "model.safetensors")
    table = weights["model.decoder.embed_tokens.weight"]
    direction = torch.sign(torch.randn(table.shape[1])).to(table.dtype)
    table[settings["eos_token_id"]] = direction
    weights["model.decoder.embed_positions.weight"][tokens:] = 30 * direction
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def show(rule: str, cost: Cost) -> None:
    """Print a job's line."""
    print(f"{rule:24} {cost.seconds:6.0f} s  {cost.peak / 1e6:7.0f} MB", flush=True)


def main(argv: list[str] | None = None) -> None:
    """Print a line a job: rule, seconds, and GB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=list(SHAPES), required=True)
    parser.add_argument("--clips", type=int, default=1, help="for each use")
    parser.add_argument("--tokens", type=int, default=32, help="of a text")
    parser.add_argument("--layers", type=int, help="of each part, where not all fit in memory")
    parser.add_argument("--folder", type=Path, help="for the files")
    parser.add_argument("--labels", action="store_true", help="labels too, by the same checkpoint")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = clean_copy(Path(temporary) / "project")
        layers = ["--layers", given.layers] if given.layers else []
        random = ["--shape", given.shape, "--out", folder / "random", *layers]
        cost_of("benchmarks.random_checkpoint", *random)
        end_after(folder / "random", given.tokens)
        config = overlay("random", given.clips, "random")
        (folder / "measured.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        files = ["--configfile", "tests/small.yaml", "measured.yaml"]
        asked = ["all", "archive", *(["labels"] if given.labels else [])]
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "2",
            "--dry-run",
            "--printshellcmds",
        ]
        said = subprocess.run(
            [*command, *asked, *files],
            cwd=folder,
            env=environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        os.chdir(folder)
        for rule, line in JOB.findall(said):
            words = shlex.split(line)
            if "python" not in words or rule == "check_gate":  # random weights never pass
                continue
            at = words.index("python")
            variables = dict(word.split("=", 1) for word in words[:at])
            end = next((k for k, word in enumerate(words) if word in ("2>", ">")), len(words))
            module, *arguments = words[at + 2 : end]
            show(rule, cost_of(module, *arguments, **variables))
            if rule == "quantise_decoder":  # the other scheme too
                arguments[arguments.index("--scheme") + 1] = "w8a8"
                arguments[arguments.index("--out") + 1] = "w8a8/decoder.xml"
                show(f"{rule} (w8a8)", cost_of(module, *arguments, **variables))


if __name__ == "__main__":
    main()
