"""Make the decoder's calibration set: what the runtime feeds the decoder for every clip.

The clip is encoded once; the checkpoint's own greedy output on those states gives the token ids;
their embeddings and the states are one sample.

Example:
    python -m calibration.decoder --checkpoint data/checkpoints/whisper-small.json
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/ko_kr.jsonl
        --features calibration/sets/whisper-small/encoder/manifest.json
        --graphs runtime/float/whisper-small/manifest.json
        --seed 0 --transcribe 0.8 --translate 0.2
        --out calibration/sets/whisper-small/decoder/manifest.json

Files, beside the manifest:
    sample_0000/decoder_hidden_states.npy   float32 [1, L, d_model], token + position embedding
    sample_0000/encoder_hidden_states.npy   float32 [1, 1500, d_model]
    whisper_decoder_calib.json              the list, as the NPU vendor's compiler reads it
    whisper_decoder_calib_metadata.json     the token sequences, decoded, for reading
    .clips/                                 the same arrays by key, for resuming (hard links)
"""

import argparse
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tokenizers import Tokenizer

from calibration import greedy, sequence, store, work
from calibration.work import EMBEDDINGS, STATES, Work
from common.cli import UserError, run
from common.files import read_json, write_json
from data.cache import local_folder
from data.clips import Clip, interleave, understood
from data.whisper import facts_of, load_generation, load_tokenizer
from runtime import ir, openvino_sessions, tables

INPUTS = (EMBEDDINGS, STATES)  # in the order of the vendor's list
_AGAIN = "delete %s and run the same command again"


def calibrate_decoder(
    checkpoint: Path,
    clip_manifests: list[Path],
    features: Path,
    graphs: Path,
    settings: dict[str, Any],
    out: Path,
) -> dict[str, Any]:
    """Compute what is missing of the set, number the samples, write lists and manifest.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of the calibration clips, one a language.
        features: Manifest of the encoder set made from the same clips.
        graphs: Manifest of the checkpoint's float graphs.
        settings: `seed`, `mix`, `max_new_tokens`, `tasks`.
        out: The set's manifest.

    Returns:
        The manifest as written to `out`.
    """
    facts = facts_of(checkpoint)
    generation = load_generation(checkpoint)
    clips = understood(interleave(clip_manifests), generation)
    allowed = sequence.tasks_of(generation, settings["tasks"])
    tasks = [sequence.draw_task(clip, settings["seed"], settings["mix"], allowed) for clip in clips]
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    todo = _plan(clips, tasks, features, graphs, generation, settings)
    clips_store, limit = out.parent / ".clips", settings["max_new_tokens"]
    shape = read_json(local_folder(checkpoint) / "config.json")
    width, positions = shape["d_model"], shape["max_source_positions"]
    batch = work.batch_size(shape["decoder_layers"], positions, width)
    work.encode_missing(graphs, todo, clips_store, _AGAIN % features)
    work.decode_missing(graphs, todo, clips_store, greedy.rules_of(generation), limit, batch)
    samples = [
        _sample(index, one, task, clip, clips_store, out.parent)
        for index, (one, task, clip) in enumerate(zip(todo, tasks, clips, strict=True))
    ]
    _remove_others(out.parent, len(samples))
    store.prune(clips_store, [key for one in todo for key in (one.key, one.states_key)])
    shapes = [[1, -1, width], [1, positions, width]]
    _write_vendor_lists(out.parent, samples, shapes, load_tokenizer(checkpoint))
    manifest = {"part": "decoder", "checkpoint": facts, "settings": settings, "samples": samples}
    write_json(out, manifest)
    return manifest


def _plan(
    clips: list[Clip],
    tasks: list[str],
    features: Path,
    graphs: Path,
    generation: SimpleNamespace,
    settings: dict[str, Any],
) -> list[Work]:
    """What each clip's sample is made from; its keys name all that its bytes depend on."""
    mels = {sample["clip_sha256"]: sample for sample in read_json(features)["samples"]}
    made_by = read_json(graphs)
    code = store.source_of(work, ir, openvino_sessions)
    more_code = store.source_of(greedy, sequence, tables)
    todo = []
    for clip, task in zip(clips, tasks, strict=True):
        if clip["sha256"] not in mels:
            raise UserError(f"{features} was not made from {clip['path']}; {_AGAIN % features}")
        mel = mels[clip["sha256"]]
        prompt = sequence.prompt_tokens(clip["whisper_language"], task, generation)
        states_key = store.key_of(made_by, code, mel["sha256"])
        key = store.key_of(states_key, more_code, prompt, settings["max_new_tokens"])
        todo.append(Work(features.parent / mel["file"], mel["sha256"], prompt, states_key, key))
    return todo


def _sample(
    index: int, one: Work, task: str, clip: Clip, clips_store: Path, folder: Path
) -> dict[str, Any]:
    """Put a clip's arrays in their numbered place; return the manifest's entry."""
    record = read_json(clips_store / f"{one.key}.json")
    files = record["files"] | read_json(clips_store / f"{one.states_key}.json")["files"]
    sample: dict[str, Any] = {}
    for name, key in ((EMBEDDINGS, one.key), (STATES, one.states_key)):
        file = f"sample_{index:04d}/{name}.npy"
        store.place(clips_store, key, name, folder / file)
        sample[name] = {"file": file, "sha256": files[name]}
    return sample | {
        "language": clip["language"],
        "task": task,
        "token_ids": record["token_ids"],
        "sentence_id": clip["sentence_id"],
        "clip": str(clip["path"]),
        "clip_sha256": clip["sha256"],
    }


def _write_vendor_lists(
    folder: Path,
    samples: list[dict[str, Any]],
    shapes: list[list[int]],
    tokenizer: Tokenizer,
) -> None:
    """The two JSON files of the vendor's tutorial; paths are relative to the repository root."""
    info = {"input names": list(INPUTS), "input shapes": shapes}
    paths = [[str(folder / sample[name]["file"]) for name in INPUTS] for sample in samples]
    fields = ("language", "task", "token_ids")
    metadata = [{field: sample[field] for field in fields} for sample in samples]
    write_json(
        folder / "whisper_decoder_calib.json",
        {"info": info, "calib paths": paths, "metadata": metadata},
    )
    texts = [
        {**entry, "text": tokenizer.decode(entry["token_ids"], skip_special_tokens=False)}
        for entry in metadata
    ]
    write_json(folder / "whisper_decoder_calib_metadata.json", texts)


def _remove_others(folder: Path, count: int) -> None:
    """Remove samples of an earlier, larger set."""
    for path in sorted(folder.glob("sample_*")):
        if int(path.name.removeprefix("sample_")) >= count:
            shutil.rmtree(path)


def main(argv: list[str] | None = None) -> None:
    """Parse the command line and make the set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--features", type=Path, required=True, help="the encoder set's manifest")
    parser.add_argument("--graphs", type=Path, required=True, help="the float graphs' manifest")
    parser.add_argument("--seed", type=int, required=True, help="which clips are translated")
    parser.add_argument("--transcribe", type=float, required=True, help="share of clips")
    parser.add_argument("--translate", type=float, required=True, help="share of clips")
    parser.add_argument("--max-new-tokens", type=int, default=444, help="of text, a clip")
    parser.add_argument(
        "--tasks", nargs="+", default=["transcribe", "translate"], help="what the model can do"
    )
    parser.add_argument("--out", type=Path, required=True, help="the set's manifest.json")
    args = parser.parse_args(argv)
    settings = {
        "seed": args.seed,
        "mix": {"transcribe": args.transcribe, "translate": args.translate},
        "max_new_tokens": args.max_new_tokens,
        "tasks": args.tasks,
    }
    manifest = calibrate_decoder(
        args.checkpoint, args.clips, args.features, args.graphs, settings, args.out
    )
    lengths = sorted(len(sample["token_ids"]) for sample in manifest["samples"])
    translated = sum(sample["task"] == "translate" for sample in manifest["samples"])
    print(
        f"decoder set: {len(lengths)} samples ({translated} translate), {lengths[0]} to"
        f" {lengths[-1]} tokens, in {args.out.parent}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
