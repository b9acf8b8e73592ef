"""Make the decoder's calibration set: what the runtime feeds the decoder for every clip.

The clip is encoded once; the checkpoint's own greedy output on those states (or a given text) is
the token ids; their embeddings and the states are one sample.

Example:
    python -m calibration.decoder --checkpoint data/checkpoints/whisper-small.json
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/ko_kr.jsonl
        --features calibration/sets/whisper-small/encoder/manifest.json
        --graphs runtime/float/whisper-small/manifest.json
        --seed 0 --mix transcribe=0.8 translate=0.2
        --out calibration/sets/whisper-small/decoder/manifest.json

Files, beside the manifest:
    sample_0000/decoder_hidden_states.npy   float32 [1, L, d_model], token + position embedding
    sample_0000/encoder_hidden_states.npy   float32 [1, 1500, d_model]
    whisper_decoder_calib.json              the list, as the NPU vendor's compiler reads it
    whisper_decoder_calib_metadata.json     the token sequences, decoded, for reading
    .clips/                                 the same arrays by key, for resuming (hard links)

With --shard 2/4, only the second quarter of the work is done, into .clips/; when all shards have
been, the same command without --shard finds everything there.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from calibration import array_cache
from calibration.clips import encoded_clips
from calibration.coverage import summary
from calibration.decoder_files import write_set
from calibration.decoder_samples import samples_of
from calibration.decoder_texts import decode
from calibration.disk_space import require_space_for
from calibration.encoder_states import encode
from calibration.float_whisper import load_float_whisper
from calibration.given_texts import read_labels
from calibration.prompts import STRATA
from calibration.sample import (
    EMBEDDINGS,
    GENERATED,
    LABELS,
    STATES,
    TEXTS,
    Sample,
    missing,
    with_kept,
)
from calibration.set_aside import set_aside_faulty
from common.cli import UserError, run
from common.files import write_json
from common.listing import check_listed

USUAL = 64  # tokens of a sample, for the estimate of disk space: few beside 1500 positions


def calibrate_decoder(
    checkpoint: Path,
    clip_manifests: list[Path],
    features: Path,
    graphs: Path,
    settings: dict[str, Any],
    out: Path,
    labels: list[Path] | None = None,
    shard: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Clips, what each is asked for, encode, decode, set aside, write: what is missing of the set.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of the calibration clips, one a language.
        features: Manifest of the encoder set made from the same clips.
        graphs: Manifest of the checkpoint's float graphs.
        settings: `seed`, `mix`, `text`, `max_new_tokens`, `set_aside`, `tasks`.
        out: The set's manifest.
        labels: Transcriptions and translations, where `text` is labels.
        shard: Which of how many, counted from 1: compute that share and nothing else.

    Returns:
        The manifest as written to `out`; of a shard, the keys of what it has computed.
    """
    whisper = load_float_whisper(checkpoint, graphs)
    cache = (out.parent.parent if shard else out.parent) / ".clips"
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced

    clips = encoded_clips(features, clip_manifests, whisper.generation)
    samples = samples_of(clips, whisper, settings, read_labels(*labels) if labels else None)
    if shard:
        samples = _of_shard(samples, *shard)
    samples = with_kept(samples, cache)
    if sizes := _sizes_missing(samples, whisper.config):
        require_space_for(sizes, cache.parent, "decoder")
        check_listed(graphs)  # or what wrong graphs make would be kept
    samples = encode(samples, whisper, cache)
    samples = decode(samples, whisper, settings["max_new_tokens"], cache)
    if shard:
        return _write_shard(samples, shard, out)
    final, aside = set_aside_faulty(samples, whisper, settings, cache)
    array_cache.prune(cache, [key for sample in samples + final for key in sample.keys.values()])
    return write_set(final, aside, whisper, settings, cache, out)


def _of_shard(samples: list[Sample], number: int, count: int) -> list[Sample]:
    """A shard's samples; those that need the same states are never in two shards."""
    keys = set(sorted({sample.keys[STATES] for sample in samples})[number - 1 :: count])
    return [sample for sample in samples if sample.keys[STATES] in keys]


def _sizes_missing(samples: list[Sample], config: dict[str, Any]) -> list[int]:
    """Bytes of each array that is missing, about."""
    row = 4 * config["d_model"]
    states = [row * config["max_source_positions"] for _ in missing(samples, STATES)]
    return states + [row * USUAL for _ in missing(samples, EMBEDDINGS)]


def _write_shard(samples: list[Sample], shard: tuple[int, int], out: Path) -> dict[str, Any]:
    """Write what a shard has done."""
    done = {"shard": shard, "keys": sorted(sample.keys[EMBEDDINGS] for sample in samples)}
    write_json(out, done)
    return done


def _share(text: str) -> tuple[str, float]:
    """`name=share` of the command line."""
    name, _, share = text.partition("=")
    if name not in STRATA:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(STRATA)}")
    return name, float(share)


def _shard(text: str) -> tuple[int, int]:
    """`number/count` of the command line."""
    number, _, count = text.partition("/")
    return int(number), int(count)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and make the set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--features", type=Path, required=True, help="the encoder set's manifest")
    add("--graphs", type=Path, required=True, help="the float graphs' manifest")
    add("--seed", type=int, required=True, help="which clips are of which stratum")
    add("--mix", type=_share, nargs="+", required=True, help="shares, as transcribe=0.8")
    add("--text", choices=TEXTS, default=GENERATED, help="what follows the prompts")
    add("--labels", type=Path, nargs="*", help="transcriptions and translations, for --text labels")
    add("--max-new-tokens", type=int, default=444, help="of text, a clip")
    add("--set-aside", type=float, default=0.1, help="most texts that may be empty or repeat")
    add("--tasks", nargs="+", default=["transcribe", "translate"], help="what the model can do")
    add("--shard", type=_shard, help="compute one share only, as 2/4")
    add("--out", type=Path, required=True, help="the set's manifest.json")
    args = parser.parse_args(argv)
    if args.text == LABELS and not args.labels:
        raise UserError("--text labels needs --labels, transcriptions and translations")
    settings = {
        "seed": args.seed,
        "mix": dict(args.mix),
        "text": args.text,
        "max_new_tokens": args.max_new_tokens,
        "set_aside": args.set_aside,
        "tasks": args.tasks,
    }
    manifest = calibrate_decoder(
        *(args.checkpoint, args.clips, args.features, args.graphs, settings, args.out),
        *(args.labels, args.shard),
    )
    print(summary(manifest, args.out.parent), file=sys.stderr)


if __name__ == "__main__":
    run(main)
