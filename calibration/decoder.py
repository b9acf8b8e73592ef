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
import shutil
import sys
from pathlib import Path
from typing import Any

from calibration import greedy, store, strata
from calibration.coverage import coverage, summary
from calibration.faults import without_faults
from calibration.lists import write_lists
from calibration.plan import GENERATED, LABELS, TEXTS, Planner, Sample
from calibration.texts import read_labels
from calibration.variants import is_silent
from calibration.work import EMBEDDINGS, STATES, Maker
from common.cli import UserError, run
from common.disk import require_space
from common.files import read_json, write_json
from common.listing import check_listed
from data.cache import local_folder
from data.whisper import facts_of, load_generation, load_tokenizer
from runtime.float_sessions import float_sessions
from runtime.tables import TABLES, load_tables


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
    """Compute what is missing of the set, number the samples, write lists and manifest.

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
    generation, tokenizer = load_generation(checkpoint), load_tokenizer(checkpoint)
    config = read_json(local_folder(checkpoint) / "config.json")
    sessions = float_sessions(graphs, checkpoint)
    tables = load_tables(graphs.parent / TABLES)
    planner = Planner(
        *(generation, tokenizer, len(tables.positions), settings, features),
        made_by=[read_json(graphs), sessions.device],
        labels=read_labels(*labels) if labels else None,
    )
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    samples = planner.samples(planner.clips(clip_manifests))
    folder = out.parent.parent if shard else out.parent
    limit = settings["max_new_tokens"]
    maker = Maker(sessions, tables, greedy.rules_of(generation), limit, config, folder / ".clips")
    work = [sample.work for sample in (_of_shard(samples, *shard) if shard else samples)]
    if need := maker.bytes_missing(work):
        require_space(folder, need, "the decoder's calibration set", store.LESS)
        check_listed(graphs)  # or what wrong graphs make would be kept
    maker.encode(work, f"delete {features} and run the same command again")
    maker.decode(work)
    if shard:
        done = {"shard": shard, "keys": sorted(one.key for one in work)}
        write_json(out, done)
        return done

    final, aside = without_faults(samples, planner, maker.store)
    replaced = [new.work for new, old in zip(final, samples, strict=True) if new is not old]
    maker.decode(replaced)
    entries = [_place(index, sample, maker.store, folder) for index, sample in enumerate(final)]
    _remove_others(folder, len(entries))
    store.prune(maker.store, [key for one in work + replaced for key in (one.key, one.states_key)])
    width, positions = config["d_model"], config["max_source_positions"]
    write_lists(folder, entries, [[1, -1, width], [1, positions, width]], tokenizer)
    spoken = [sample.clip for sample in samples if not is_silent(sample.clip)]
    mix, tasks = settings["mix"], strata.tasks_of(generation, settings["tasks"])
    manifest = {
        "part": "decoder",
        "checkpoint": facts_of(checkpoint),
        "device": sessions.device,
        "settings": settings,
        "expected": {s: round(n, 3) for s, n in strata.expected(spoken, mix, tasks).items()},
        "coverage": coverage(entries, tokenizer, generation.no_timestamps_token_id + 1),
        "set_aside": aside,
        "samples": entries,
    }
    write_json(out, manifest)
    return manifest


def _of_shard(samples: list[Sample], number: int, count: int) -> list[Sample]:
    """A share of the samples; those that need the same states are never in two shares."""
    keys = sorted({sample.work.states_key for sample in samples})[number - 1 :: count]
    return [sample for sample in samples if sample.work.states_key in set(keys)]


def _place(index: int, sample: Sample, kept: Path, folder: Path) -> dict[str, Any]:
    """Put a sample's arrays in their numbered place; return the manifest's entry."""
    work, clip = sample.work, sample.clip
    record = store.record_of(kept, work.key)
    files = record["files"] | store.record_of(kept, work.states_key)["files"]
    entry: dict[str, Any] = {}
    for name, key in ((EMBEDDINGS, work.key), (STATES, work.states_key)):
        file = f"sample_{index:04d}/{name}.npy"
        store.place(kept, key, name, folder / file)
        entry[name] = {"file": file, "sha256": files[name]}
    return entry | {
        "language": clip["language"],
        "task": strata.task_of(sample.stratum),
        "stratum": sample.stratum,
        "text": sample.text,
        "token_ids": record["token_ids"],
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


def _share(text: str) -> tuple[str, float]:
    """`name=share` of the command line."""
    name, _, share = text.partition("=")
    if name not in strata.STRATA:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(strata.STRATA)}")
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
