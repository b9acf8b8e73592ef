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

from calibration import features, store
from calibration.variants import audio_of, variants
from common.cli import run
from common.disk import require_space
from common.files import write_json, write_text
from common.progress import Progress
from data.clips import interleave, understood
from data.whisper import facts_of, load_feature_extractor, load_generation

CODE = ("calibration.encoder", "calibration.features", "calibration.variants")
CODE += ("data.audio", "data.clips")  # what the bytes of the features are computed by


def calibrate_encoder(
    checkpoint: Path, clip_manifests: list[Path], settings: dict[str, Any], out: Path
) -> dict[str, Any]:
    """Compute what is missing of the set, number the files, write lists and manifest.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of the calibration clips, one a language.
        settings: `fractions` of each clip's length, and whether there is a clip of `silence`.
        out: The set's manifest.

    Returns:
        The manifest as written to `out`.
    """
    folder, clips_store = out.parent, out.parent / ".clips"
    facts = facts_of(checkpoint)
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    spoken = understood(interleave(clip_manifests), load_generation(checkpoint))
    clips = variants(spoken, settings["fractions"], settings["silence"])
    code = store.source_of(*CODE)
    keys = [store.key_of(facts, code, clip["sha256"], clip["fraction"]) for clip in clips]
    extractor = load_feature_extractor(checkpoint)
    missing = sum(not store.has(clips_store, key) for key in keys)
    frames = extractor.nb_max_frames * extractor.feature_size
    need = missing * (4 * frames + store.OVERHEAD)
    require_space(folder, need, "the encoder's calibration set", store.LESS)
    samples = []
    for index, clip in enumerate(Progress(clips, desc="features", unit="clip")):
        key = keys[index]
        record = store.load(clips_store, key)
        if record is None:
            array = features.encoder_input(extractor, audio_of(clip))
            record = store.save(clips_store, key, {"features": array}, {"shape": array.shape})
        file = f"encoder_calib_{index:04d}.npy"
        store.place(clips_store, key, "features", folder / file)
        samples.append(
            {
                "file": file,
                "sha256": record["files"]["features"],
                "shape": record["shape"],
                "language": clip["language"],
                "sentence_id": clip["sentence_id"],
                "clip": str(clip["path"]),
                "clip_sha256": clip["sha256"],
                "fraction": clip["fraction"],
            }
        )
    remove_others(folder, "encoder_calib_*.npy", [sample["file"] for sample in samples])
    store.prune(clips_store, keys)
    paths = "".join(f"{folder / sample['file']}\n" for sample in samples)
    write_text(folder / "whisper_encoder_cali.txt", paths)
    manifest = {"part": "encoder", "checkpoint": facts, "settings": settings, "samples": samples}
    write_json(out, manifest)
    return manifest


def remove_others(folder: Path, pattern: str, keep: list[str]) -> None:
    """Remove files of an earlier, larger set."""
    for path in sorted(folder.glob(pattern)):
        if path.name not in keep:
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
