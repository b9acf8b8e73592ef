"""The files of a decoder's calibration set: numbered arrays, the vendor's lists, the manifest."""

import shutil
from pathlib import Path
from typing import Any

from calibration import array_cache
from calibration.coverage import coverage
from calibration.float_whisper import FloatWhisper
from calibration.prompts import task_of, tasks_of
from calibration.sample import ARRAYS, Sample
from calibration.set_aside import cut_off
from calibration.strata import expected
from calibration.vendor_lists import write_lists
from common.files import write_json


def write_set(
    samples: list[Sample],
    aside: list[dict[str, Any]],
    whisper: FloatWhisper,
    settings: dict[str, Any],
    cache: Path,
    out: Path,
) -> dict[str, Any]:
    """Put every sample's arrays in their numbered place, write lists and manifest.

    Args:
        samples: Encoded and decoded, in the order of their numbers.
        aside: The manifest's list of texts that were set aside.
        whisper: Made the samples.
        settings: The set's.
        cache: Folder of what is kept.
        out: The manifest.

    Returns:
        The manifest as written.
    """
    folder, generation = out.parent, whisper.generation
    entries = [_place(index, sample, cache, folder) for index, sample in enumerate(samples)]
    _remove_others(folder, len(samples))
    width, positions = whisper.config["d_model"], whisper.config["max_source_positions"]
    write_lists(folder, entries, [[1, -1, width], [1, positions, width]], whisper.tokenizer)
    clips, tasks = [sample.clip for sample in samples], tasks_of(generation, settings["tasks"])
    shares = expected(clips, settings["mix"], tasks)
    manifest = {
        "part": "decoder",
        "checkpoint": whisper.checkpoint,
        "device": whisper.sessions.device,
        "settings": settings,
        "expected": {stratum: round(count, 3) for stratum, count in shares.items()},
        "coverage": coverage(entries, whisper.tokenizer, generation.no_timestamps_token_id + 1),
        "set_aside": aside,
        "cut_off": cut_off(samples, settings["max_new_tokens"]),
        "samples": entries,
    }
    write_json(out, manifest)
    return manifest


def _place(index: int, sample: Sample, cache: Path, folder: Path) -> dict[str, Any]:
    """Put a sample's arrays in their numbered place; return the manifest's entry."""
    clip, arrays = sample.clip, {}
    for name in ARRAYS:
        file = f"sample_{index:04d}/{name}.npy"
        array_cache.place(cache, sample.keys[name], name, folder / file)
        arrays[name] = {"file": file, "sha256": sample.sha256[name]}
    return arrays | {
        "language": clip["language"],
        "task": task_of(sample.stratum),
        "stratum": sample.stratum,
        "text": sample.text,
        "token_ids": sample.token_ids,
        "sentence_id": clip["sentence_id"],
        "clip": str(clip["path"]),
        "clip_sha256": clip["sha256"],
        "fraction": clip["fraction"],
    }


def _remove_others(folder: Path, count: int) -> None:
    """Remove samples of an earlier, larger set."""
    for path in sorted(folder.glob("sample_*")):
        if int(path.name.removeprefix("sample_")) >= count:
            shutil.rmtree(path)
