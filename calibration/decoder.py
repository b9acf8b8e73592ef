"""Make the decoder's calibration set: what the runtime feeds the decoder for every clip.

The clip is encoded once; the checkpoint's own greedy output on those states gives the token ids;
their embeddings and the states are one sample.

Example:
    python -m calibration.decoder --checkpoint data/checkpoints/whisper-small.json
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/ko_kr.jsonl
        --features calibration/sets/whisper-small/encoder/manifest.json
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
from typing import Any

import numpy as np
from transformers import WhisperForConditionalGeneration, WhisperTokenizer

from calibration import sequence, store
from common.cli import UserError, run
from common.files import read_json, sha256_of, write_json
from common.progress import Progress
from data import whisper
from data.clips import Clip, interleave, understood
from data.whisper import facts_of, load_model, load_processor

INPUTS = ("decoder_hidden_states", "encoder_hidden_states")  # in the order of the vendor's list
_AGAIN = "delete %s and run the same command again"


def calibrate_decoder(
    checkpoint: Path,
    clip_manifests: list[Path],
    features: Path,
    settings: dict[str, Any],
    out: Path,
) -> dict[str, Any]:
    """Compute what is missing of the set, number the samples, write lists and manifest.

    Args:
        checkpoint: Manifest of the checkpoint.
        clip_manifests: Manifests of the calibration clips, one a language.
        features: Manifest of the encoder set made from the same clips.
        settings: `seed`, `mix`, `max_new_tokens`, `tasks`.
        out: The set's manifest.

    Returns:
        The manifest as written to `out`.
    """
    facts = facts_of(checkpoint)
    model = load_model(checkpoint)
    generation = model.generation_config
    clips = understood(interleave(clip_manifests), generation)
    mels = {s["clip_sha256"]: s for s in read_json(features)["samples"]}
    tasks = sequence.tasks_of(generation, settings["tasks"])
    code = store.source_of(sequence, whisper, sys.modules[__name__])
    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    clips_store = out.parent / ".clips"
    keys, samples = [], []
    for index, clip in enumerate(Progress(clips, desc="decoder inputs", unit="clip")):
        task = sequence.draw_task(clip, settings["seed"], settings["mix"], tasks)
        prompt = sequence.prompt_of(clip["whisper_language"], task, generation)
        if clip["sha256"] not in mels:
            raise UserError(f"{features} was not made from {clip['path']}; {_AGAIN % features}")
        mel = mels[clip["sha256"]]
        key = store.key_of(facts, code, mel["sha256"], prompt, settings["max_new_tokens"])
        record = store.load(clips_store, key)
        if record is None:
            mel_path = features.parent / mel["file"]
            if not mel_path.is_file() or sha256_of(mel_path) != mel["sha256"]:
                raise UserError(f"{mel_path} is missing or was changed; {_AGAIN % features}")
            limit = settings["max_new_tokens"]
            arrays, ids = _decoder_inputs(model, np.load(mel_path), prompt, limit)
            record = store.save(clips_store, key, arrays, {"task": task, "token_ids": ids})
        keys.append(key)
        samples.append(_sample(index, key, record, clip, clips_store, out.parent))
    _remove_others(out.parent, len(samples))
    store.prune(clips_store, keys)
    _write_vendor_lists(out.parent, samples, model, load_processor(checkpoint).tokenizer)
    manifest = {"part": "decoder", "checkpoint": facts, "settings": settings, "samples": samples}
    write_json(out, manifest)
    return manifest


def _decoder_inputs(
    model: WhisperForConditionalGeneration,
    mel: np.ndarray,
    prompt: dict[str, str],
    max_new_tokens: int,
) -> tuple[dict[str, np.ndarray], list[int]]:
    """Both inputs of the decoder for one clip, and the token ids behind the first."""
    states = sequence.encode(model, mel)
    ids = sequence.greedy_tokens(model, states, prompt, max_new_tokens)
    return dict(zip(INPUTS, (sequence.embed(model, ids), states), strict=True)), ids


def _sample(
    index: int, key: str, record: store.Record, clip: Clip, clips_store: Path, folder: Path
) -> dict[str, Any]:
    """Put a clip's arrays in their numbered place; return the manifest's entry."""
    sample: dict[str, Any] = {}
    for name in INPUTS:
        file = f"sample_{index:04d}/{name}.npy"
        store.place(clips_store, key, name, folder / file)
        sample[name] = {"file": file, "sha256": record["files"][name]}
    return sample | {
        "language": clip["language"],
        "task": record["task"],
        "token_ids": record["token_ids"],
        "sentence_id": clip["sentence_id"],
        "clip": str(clip["path"]),
        "clip_sha256": clip["sha256"],
    }


def _write_vendor_lists(
    folder: Path,
    samples: list[dict[str, Any]],
    model: WhisperForConditionalGeneration,
    tokenizer: WhisperTokenizer,
) -> None:
    """The two JSON files of the vendor's tutorial; paths are relative to the repository root."""
    width, positions = model.config.d_model, model.config.max_source_positions
    info = {
        "input names": list(INPUTS),
        "input shapes": [[1, -1, width], [1, positions, width]],
    }
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
    manifest = calibrate_decoder(args.checkpoint, args.clips, args.features, settings, args.out)
    lengths = sorted(len(sample["token_ids"]) for sample in manifest["samples"])
    translated = sum(sample["task"] == "translate" for sample in manifest["samples"])
    print(
        f"decoder set: {len(lengths)} samples ({translated} translate), {lengths[0]} to"
        f" {lengths[-1]} tokens, in {args.out.parent}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run(main)
