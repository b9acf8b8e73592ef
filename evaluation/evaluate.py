"""Measure what compiling cost: transcribe held-out clips with float and compiled parts.

Every pairing of float and compiled encoder and decoder goes through the same `generate()`, so the
result says which half broke. A clip is encoded once by each encoder.

Example:
    python -m evaluation.evaluate --checkpoint data/checkpoints/whisper-small.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --calibration calibration/sets/whisper-small/encoder/manifest.json
        --out evaluation/results/whisper-small/cpu/quality.json
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.modeling_outputs import BaseModelOutput

from calibration.features import encoder_input
from calibration.strata import tasks_of
from common.cli import UserError, run
from common.files import read_json, write_json
from common.progress import Progress
from data.clips import Clip, interleave, is_multilingual, read_audio, understood
from data.whisper import load_model
from evaluation.load import sessions_of, with_sessions
from evaluation.metrics import Errors, cosine, count_errors, normalise
from runtime.torch_sessions import TorchDecoder, TorchEncoder

KINDS = ("float", "compiled")


def evaluate(
    checkpoint: Path,
    compiled: Path,
    clip_manifests: list[Path],
    calibration: Path,
    tasks: list[str],
) -> dict[str, Any]:
    """Quality of all pairings on the clips.

    Args:
        checkpoint: Manifest of the float checkpoint.
        compiled: Manifest of the hand-off folder.
        clip_manifests: Manifests of the evaluation clips, one a language.
        calibration: Manifest of the encoder set, to prove that no sentence stands in both.
        tasks: Tasks that the checkpoint was trained for.

    Returns:
        `model`, `target`, `folder`, `clips` (how many), `sizes` (bytes of weights),
        `encoder_states` (cosine to float), `pairings` (errors by task and language) and `texts`.
    """
    model = load_model(checkpoint)
    generation = model.generation_config
    clips = understood(interleave(clip_manifests), generation)
    _refuse_shared_sentences(clips, calibration)
    encoder, decoder = sessions_of(compiled.parent)
    encoders = {"float": TorchEncoder(model), "compiled": encoder}
    decoders = {"float": TorchDecoder(model), "compiled": decoder}
    whispers = {
        kind: with_sessions(compiled.parent, encoders[kind], decoders[kind]) for kind in KINDS
    }
    processor = WhisperProcessor.from_pretrained(compiled.parent)
    cosines, rows = [], []
    for clip in Progress(clips, desc="evaluation", unit="clip"):
        features = encoder_input(processor.feature_extractor, read_audio(clip))
        states = {kind: encoders[kind].encode(features) for kind in KINDS}
        cosines.append(cosine(states["float"], states["compiled"]))
        for task, reference in _references(clip, tasks_of(generation, tasks)).items():
            asked = {"language": clip["whisper_language"], "task": task}
            prompt = asked if is_multilingual(generation) else {}
            texts = {
                f"{e}+{d}": _text(whispers[d], processor, states[e], prompt)
                for e, d in product(KINDS, KINDS)
            }
            facts = {"language": clip["language"], "task": task, "clip": str(clip["path"])}
            rows.append({**facts, "reference": reference, "texts": texts})
    spoken = {clip["language"]: clip["whisper_language"] for clip in clips}
    pairings = {f"{e}+{d}": _errors(rows, f"{e}+{d}", spoken) for e, d in product(KINDS, KINDS)}
    manifest = read_json(compiled)
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "folder": str(compiled.parent),
        "clips": len(clips),
        "sizes": _sizes(manifest["parts"]),
        "encoder_states": {"cosine_mean": float(np.mean(cosines)), "cosine_min": min(cosines)},
        "pairings": pairings,
        "texts": rows,
    }


def _references(clip: Clip, tasks: list[str]) -> dict[str, str]:
    """The human text for each task that can be scored on a clip."""
    texts = {"transcribe": clip["transcription"], "translate": clip["translation"]}
    if clip["whisper_language"] == "en":
        texts.pop("translate")
    return {
        task: text
        for task, text in texts.items()
        if task in tasks and text and normalise(text, clip["whisper_language"])
    }


@torch.inference_mode()
def _text(
    whisper: WhisperForConditionalGeneration,
    processor: WhisperProcessor,
    states: np.ndarray,
    prompt: dict[str, str],
) -> str:
    """What a pairing hears: the whisper's decoder on given encoder states."""
    outputs = BaseModelOutput(last_hidden_state=torch.from_numpy(states))
    ids = whisper.generate(encoder_outputs=outputs, force_unique_generate_call=True, **prompt)
    return processor.decode(ids[0], skip_special_tokens=True).strip()


def _errors(rows: list[dict[str, Any]], pairing: str, spoken: dict[str, str]) -> dict[str, Any]:
    """Errors of one pairing: by task, over all languages and in each."""
    tasks: dict[str, Any] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        by_language: dict[str, Errors] = {}
        for row in (row for row in rows if row["task"] == task):
            code = "en" if task == "translate" else spoken[row["language"]]
            errors = count_errors(row["reference"], row["texts"][pairing], code)
            before = by_language.get(row["language"], Errors(0, 0, 0, 0))
            by_language[row["language"]] = before + errors
        total = sum(by_language.values(), start=Errors(0, 0, 0, 0))
        tasks[task] = total.as_dict() | {
            "languages": {name: errors.as_dict() for name, errors in by_language.items()}
        }
    return tasks


def _sizes(parts: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Bytes of each part's weight files, float and compiled, and of both parts."""
    sizes = {
        part: {
            "float": sum(file["bytes"] for file in record["float_weights"]),
            "compiled": sum(
                file["bytes"] for file in record["files"] if not file["path"].endswith(".xml")
            ),
        }
        for part, record in parts.items()
    }
    return sizes | {"both": {kind: sum(size[kind] for size in sizes.values()) for kind in KINDS}}


def _refuse_shared_sentences(clips: list[Clip], calibration: Path) -> None:
    """Raise where a sentence of the evaluation was used for calibration, in any language."""
    calibrated = {sample["sentence_id"] for sample in read_json(calibration)["samples"]}
    for clip in clips:
        if clip["sentence_id"] in calibrated:
            raise UserError(
                f"sentence {clip['sentence_id']} of {clip['path']} is also a calibration sentence,"
                " so the evaluation would flatter; choose another evaluation.split"
            )


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, evaluate, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--compiled", type=Path, required=True, help="the folder's manifest")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--calibration", type=Path, required=True, help="the encoder set's")
    parser.add_argument(
        "--tasks", nargs="+", default=["transcribe", "translate"], help="what the model can do"
    )
    parser.add_argument("--out", type=Path, required=True, help="quality.json")
    args = parser.parse_args(argv)
    quality = evaluate(args.checkpoint, args.compiled, args.clips, args.calibration, args.tasks)
    write_json(args.out, quality)


if __name__ == "__main__":
    run(main)
