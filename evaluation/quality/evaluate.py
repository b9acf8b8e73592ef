"""Hear held-out clips with float and compiled parts, in every pairing; score.py scores it.

Every pairing goes through the same `generate()`, so the result says which half broke. A clip is
encoded once by each encoder.

Example:
    python -m evaluation.quality.evaluate --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --calibration calibration/sets/whisper-small/encoder/manifest.json
        --out evaluation/results/whisper-small/cpu/transcripts.json
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from calibration.features import encoder_input
from calibration.strata import prompt_tokens
from common.cli import UserError, run
from common.files import read_json, sha256_of, write_json
from common.listing import check_listed
from common.progress import Progress
from compilation.hand_off.expect import POSITIONS
from data.clips import Clip, interleave, read_audio, understood
from evaluation.quality.distances import distance, logit_distances
from evaluation.scoring.gate import FLOAT
from evaluation.transcription.generate import (
    Heard,
    check_heard,
    detect,
    hear,
    logits_of,
    references,
    row_of,
)
from evaluation.transcription.models import with_sessions
from runtime.folder import sessions_of
from runtime.openvino_sessions import float_decoder, float_encoder

KINDS = ("float", "compiled")
FACTS = ("language", "whisper_language", "seconds")


class Listener:
    """Float and compiled parts of one model, and what every pairing hears.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: The hand-off folder.
    """

    def __init__(self, graphs: Path, folder: Path) -> None:
        check_listed(graphs)
        check_listed(folder / "manifest.json")
        encoder, decoder = sessions_of(folder)
        self._encoders = {"float": float_encoder(graphs.parent), "compiled": encoder}
        decoders = {"float": float_decoder(graphs.parent, 1), "compiled": decoder}
        # The encoder of each is not used: states are handed over.
        self._whispers: dict[str, WhisperForConditionalGeneration] = {
            kind: with_sessions(folder, encoder, decoders[kind]) for kind in KINDS
        }
        self._processor = WhisperProcessor.from_pretrained(str(folder))
        self.generation = self._whispers["float"].generation_config

    def clip(self, clip: Clip, tasks: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A clip's facts (states, logits, detected languages), and a row for each task."""
        features = encoder_input(self._processor.feature_extractor, read_audio(clip))
        states = {kind: self._encoders[kind].encode(features) for kind in KINDS}
        facts = {"clip": str(clip["path"]), **{key: clip[key] for key in FACTS}}
        # Behind the clip, all states are those of silence.
        heard = int(clip["seconds"] * POSITIONS) + 1
        facts["states"] = distance(*(states[kind][:, :heard] for kind in KINDS))
        rows = []
        for task, reference in references(clip, self.generation, tasks).items():
            heard = self._pairings(states, clip["whisper_language"], task)
            rows.append(row_of(facts["clip"], clip, task, reference, heard))
            if task == "transcribe":
                said = heard[FLOAT].tokens
                facts["logits"] = self._logits(states["float"], clip["whisper_language"], said)
        found = {kind: detect(self._whispers[kind], states[kind]) for kind in KINDS}
        facts["detected"] = found if found["float"] else None
        return facts, rows

    def _pairings(
        self, states: dict[str, np.ndarray], language: str, task: str
    ) -> dict[str, Heard]:
        return {
            f"{e}+{d}": hear(self._whispers[d], self._processor, states[e], language, task)
            for e, d in product(KINDS, KINDS)
        }

    def _logits(self, states: np.ndarray, language: str, said: list[int]) -> dict[str, Any]:
        """How far the compiled decoder is from the float one, fed what the float model says."""
        prompt = prompt_tokens(language, "transcribe", self.generation)
        fed = said[: self.generation.max_length - len(prompt) - 1]
        both = [logits_of(self._whispers[kind], states, prompt, fed) for kind in KINDS]
        return logit_distances(*both)


def evaluate(
    graphs: Path, compiled: Path, clip_manifests: list[Path], calibration: Path, tasks: list[str]
) -> dict[str, Any]:
    """What all pairings hear of the clips.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        compiled: Manifest of the hand-off folder.
        clip_manifests: Manifests of the evaluation clips, one a language.
        calibration: Manifest of the encoder set, to prove that no sentence stands in both.
        tasks: Tasks that the checkpoint was trained for.
    """
    listener = Listener(graphs, compiled.parent)
    clips = understood(interleave(clip_manifests), listener.generation)
    _refuse_shared_sentences(clips, calibration)
    facts, rows = [], []
    for clip in Progress(clips, desc="evaluation", unit="clip"):
        own, heard = listener.clip(clip, tasks)
        facts.append(own)
        rows.extend(heard)
    check_heard(rows)
    manifest = read_json(compiled)
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "folder": str(compiled.parent),
        "manifest_sha256": sha256_of(compiled),
        "sizes": sizes_of(manifest["parts"]),
        "clips": facts,
        "rows": rows,
    }


def sizes_of(parts: dict[str, Any]) -> dict[str, dict[str, int | None]]:
    """Bytes of each part's weight files, float and compiled, and of both parts."""
    sizes: dict[str, dict[str, Any]] = {}
    for part, record in parts.items():
        own = [file["bytes"] for file in record["files"] if not file["path"].endswith(".xml")]
        float_files = record.get("float_weights", [])
        sizes[part] = {
            "float": sum(file["bytes"] for file in float_files) or None,
            "compiled": sum(own),
        }
    both = {kind: [size[kind] for size in sizes.values()] for kind in KINDS}
    return sizes | {"both": {k: sum(v) if all(v) else None for k, v in both.items()}}


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
    add = parser.add_argument
    add("--graphs", type=Path, required=True, help="manifest of the checkpoint's float graphs")
    add("--compiled", type=Path, required=True, help="the folder's manifest")
    add("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    add("--calibration", type=Path, required=True, help="the encoder set's manifest")
    add("--tasks", nargs="+", default=["transcribe", "translate"], help="what the model can do")
    add("--out", type=Path, required=True, help="transcripts.json")
    args = parser.parse_args(argv)
    heard = evaluate(args.graphs, args.compiled, args.clips, args.calibration, args.tasks)
    write_json(args.out, heard)


if __name__ == "__main__":
    run(main)
