"""Make the encoder's calibration set: the log-mel features of every calibration clip.

Example:
    python -m calibration.encoder --checkpoint data/checkpoints/whisper-small.json
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/ko_kr.jsonl
        --fractions 1.0 --out calibration/sets/whisper-small/encoder/manifest.json

Files, beside the manifest:
    encoder_calib_0000.npy ...   float32 [1, 3000, n_mels], languages interleaved
    whisper_encoder_cali.txt     their paths, one a line, as the NPU vendor's compiler reads them
    .clips/                      the same arrays by key, for resuming (hard links, no second copy)
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from calibration import array_cache, features
from calibration.clips import audio_of, variants
from calibration.disk_space import require_space_for
from common.cli import run
from common.files import write_json, write_text
from common.progress import Progress
from common.source_files import code_hash
from data.clips import Clip, interleave, understood
from data.whisper import facts_of, load_feature_extractor, load_generation


def calibrate_encoder(
    checkpoint: Path, clip_manifests: list[Path], settings: dict[str, Any], out: Path
) -> dict[str, Any]:
    """Clips, their features, write: what is missing of the set.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of the calibration clips, one a language.
        settings: `fractions` of each clip's length, and whether there is a clip of `silence`.
        out: The set's manifest.

    Returns:
        The manifest as written to `out`.
    """
    folder, cache, facts = out.parent, out.parent / ".clips", facts_of(checkpoint)
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    spoken = understood(interleave(clip_manifests), load_generation(checkpoint))
    clips = variants(spoken, settings["fractions"], settings["silence"])
    keys = [_features_key(clip, facts) for clip in clips]
    extractor = load_feature_extractor(checkpoint)
    records = {key: array_cache.load(cache, key) for key in keys}
    size = 4 * extractor.nb_max_frames * extractor.feature_size
    sizes = [size for record in records.values() if record is None]
    require_space_for(sizes, folder, "encoder")
    for clip, key in zip(Progress(clips, desc="features", unit="clip"), keys, strict=True):
        if records[key] is None:
            array = features.encoder_input(extractor, audio_of(clip))
            shape = {"shape": array.shape}
            records[key] = array_cache.save(cache, key, {"features": array}, shape)
    entries = [
        _place(index, clip, key, records[key], cache)
        for index, (clip, key) in enumerate(zip(clips, keys, strict=True))
    ]
    _remove_others(folder, len(entries))
    array_cache.prune(cache, keys)
    paths = "".join(f"{folder / entry['file']}\n" for entry in entries)
    write_text(folder / "whisper_encoder_cali.txt", paths)
    manifest = {"part": "encoder", "checkpoint": facts, "settings": settings, "samples": entries}
    write_json(out, manifest)
    return manifest


def _features_key(clip: Clip, checkpoint: dict[str, Any]) -> str:
    """The key of a clip's features: of its audio and of all that computes with it."""
    code = code_hash(features.__name__, audio_of.__module__)
    return array_cache.key_of(checkpoint, code, clip["sha256"], clip["fraction"])


def _place(
    index: int, clip: Clip, key: str, record: array_cache.Record, cache: Path
) -> dict[str, Any]:
    """Put a clip's features in their numbered place; return the manifest's entry."""
    file = f"encoder_calib_{index:04d}.npy"
    array_cache.place(cache, key, "features", cache.parent / file)
    return {
        "file": file,
        "sha256": record["files"]["features"],
        "shape": record["shape"],
        "language": clip["language"],
        "sentence_id": clip["sentence_id"],
        "clip": str(clip["path"]),
        "clip_sha256": clip["sha256"],
        "fraction": clip["fraction"],
    }


def _remove_others(folder: Path, count: int) -> None:
    """Remove files of an earlier, larger set."""
    for path in sorted(folder.glob("encoder_calib_*.npy")):
        if int(path.stem.removeprefix("encoder_calib_")) >= count:
            path.unlink()


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and make the set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument(
        "--fractions", type=float, nargs="+", default=[1.0], help="of each clip, from its begin"
    )
    parser.add_argument("--silence", action="store_true", help="a silent clip beside the others")
    parser.add_argument("--out", type=Path, required=True, help="the set's manifest.json")
    args = parser.parse_args(argv)
    settings = {"fractions": args.fractions, "silence": args.silence}
    manifest = calibrate_encoder(args.checkpoint, args.clips, settings, args.out)
    print(f"encoder set: {len(manifest['samples'])} samples in {args.out.parent}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
