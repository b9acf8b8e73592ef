"""Measure what compiling gains: time and memory of the float and the compiled model, side by side.

Every backend that there is here hears the same few clips, one at a time, in a process of its own,
one after the other, with as many threads as its library takes. Of a clip, all backends decode as
many tokens as the float model says (8 to 64), so the work is equal. A first round over all clips
warms up; each further one gives one value of each figure.

Example:
    python -m evaluation.speed.measure --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --out evaluation/results/whisper-small/cpu/speed.json

evaluation.speed.figures says what the figures are, and evaluation.speed.profile what the tables
of a backend's operations have, which are made in a run of their own after the timed ones.
"""

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from common.child_process import run_module
from common.cli import UserError, run
from common.files import read_json, sha256_of, write_json
from common.listing import check_listed
from evaluation.speed import prepare, profile
from evaluation.speed import run as rounds
from evaluation.speed.backends import CUDA, INT8, NPU, OPENVINO, TORCH, Files
from evaluation.speed.figures import entry, slower, summary
from evaluation.speed.profile import PROFILED
from runtime.float_sessions import has_cuda
from runtime.npu_sessions import has_npu

FEWEST_REPEATS = 5


def speed(
    files: Files,
    clip_manifests: list[Path],
    repeats: int = FEWEST_REPEATS,
    max_clips: int = 4,
) -> dict[str, Any]:
    """The content of speed.json; says each backend's figures on stderr as they come.

    Args:
        files: Manifests of the checkpoint, its float graphs and the hand-off folder.
        clip_manifests: Manifests of the evaluation clips, one a language.
        repeats: Rounds over all clips, at least 5.
        max_clips: Clips at most: the first one of the first languages.

    Raises:
        UserError: A backend could not be measured, or a file is not as it was listed.
    """
    if repeats < FEWEST_REPEATS:
        raise UserError(f"{repeats} repeats are too few to tell a spread; give {FEWEST_REPEATS}")
    manifest, digest = read_json(files.compiled), sha256_of(files.compiled)
    check_listed(files.graphs)
    parts = manifest["parts"].values()
    check_listed(files.compiled, [file["path"] for part in parts for file in part["files"]])
    model = ["--checkpoint", files.checkpoint, "--graphs", files.graphs, "--repeats", repeats]
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "clips.json"
        choice = ["--clips", *clip_manifests, "--max-clips", max_clips]
        clips = measured(prepare.__name__, "features", *model, *choice, out=prepared)
        given = ["--compiled", files.compiled, "--prepared", prepared]
        backends = []
        for name in applicable(manifest["target"]):
            out = prepared.with_name("measured.json")
            arguments = ["--backend", name, *model, *given]
            figures = measured(rounds.__name__, name, *arguments, out=out)
            backends.append(entry(name, files, clips, figures))
            if name in PROFILED:
                parts = ["--graphs", files.graphs, *given]
                profiled = measured(profile.__name__, name, "--backend", name, *parts, out=out)
                backends[-1]["operations"] = profiled
            print(summary(backends[-1]), file=sys.stderr, flush=True)
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "manifest_sha256": digest,
        "machine": machine(),
        "repeats": repeats,
        "clips": len(clips),
        "audio_seconds": round(sum(clip["seconds"] for clip in clips), 3),
        "batch": 1,
        "backends": backends,
        "slower": slower(backends),
    }


def applicable(target: str) -> list[str]:
    """The backends that there are here for a target: float ones, and the compiled model's."""
    compiled = [INT8] if target == "cpu" else [NPU] if has_npu() else []
    return [TORCH, OPENVINO, *compiled, *([CUDA] if has_cuda() else [])]


def measured(module: str, what: str, *arguments: object, out: Path) -> Any:
    """What a module writes to `out`, run in a process of its own.

    Raises:
        UserError: It failed.
    """
    run_module(module, *arguments, "--out", out, what=f"the speed of {what} could not be measured")
    return read_json(out)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": processor(Path("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": _gpu(),
    }


def processor(listing: Path) -> str:
    """The processor's name, from the kernel's listing where there is one that has names."""
    text = listing.read_text(encoding="utf-8") if listing.is_file() else ""
    pairs = (line.partition(":") for line in text.splitlines())
    names = (name.strip() for key, _, name in pairs if key.strip() == "model name")
    return next(names, None) or platform.processor() or platform.machine()


def _gpu() -> str | None:
    if not has_cuda():
        return None
    import torch

    return torch.cuda.get_device_name()


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--graphs", type=Path, required=True, help="the float graphs' manifest")
    add("--compiled", type=Path, required=True, help="the hand-off folder's manifest")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--repeats", type=int, default=FEWEST_REPEATS, help="rounds over all clips, 5 or more")
    add("--max-clips", type=int, default=4, help="clips at most, of different languages")
    add("--out", type=Path, required=True, help="speed.json")
    args = parser.parse_args(argv)
    files = Files(args.checkpoint, args.graphs, args.compiled)
    result = speed(files, args.clips, args.repeats, args.max_clips)
    write_json(args.out, result)


if __name__ == "__main__":
    run(main)
