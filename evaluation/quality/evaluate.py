"""Hear held-out clips with float and compiled parts, in every pairing; score.py scores it.

Every pairing is decoded in the same way, so the result says which half broke. A clip is encoded
once by each encoder. --heard is a file that the evaluations of a checkpoint share: texts that do
not depend on what was compiled in another way are heard in the first one.

Example:
    python -m evaluation.quality.evaluate --graphs runtime/float/whisper-small/manifest.json
        --compiled compiled/whisper-small/cpu/manifest.json
        --clips data/audio_files/evaluation/de_de.jsonl data/audio_files/evaluation/ko_kr.jsonl
        --calibration calibration/sets/whisper-small/encoder/manifest.json
        --heard evaluation/results/whisper-small/.heard/clips.jsonl
        --out evaluation/results/whisper-small/cpu/transcripts.json
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from calibration.prompts import prompt_tokens
from common.cli import UserError, run
from common.files import read_json, sha256_of, write_json
from compilation.hand_off.expect import POSITIONS
from data.clips import Clip, interleave, understood
from evaluation.quality.distances import distance, logit_distances
from evaluation.scoring.pairs import FLOAT
from evaluation.scoring.sizes import KINDS, sizes_of
from evaluation.transcription.hear import detect, logits_beside
from evaluation.transcription.heard_texts import HeardTexts
from evaluation.transcription.pairings import Pairings, pairings_of
from evaluation.transcription.transcribe_clips import Transcribed, transcribe_clips

FACTS = ("language", "whisper_language", "seconds")


def facts_of(heard: Transcribed, pairings: Pairings) -> dict[str, Any]:
    """What is known of a clip beside its texts: states, logits, detected languages."""
    clip, states = heard.clip, heard.states
    # Behind the clip, all states are those of silence.
    spoken = int(clip["seconds"] * POSITIONS) + 1
    facts = {"clip": str(clip["path"]), **{key: clip[key] for key in FACTS}}
    facts["states"] = distance(*(states[kind][:, :spoken] for kind in KINDS))
    if "transcribe" in heard.texts:
        facts["logits"] = _logits(heard, pairings)
    found = {
        kind: detect(pairings.decoders[kind], states[kind], pairings.generation) for kind in KINDS
    }
    return facts | {"detected": found if found["float"] else None}


def _logits(heard: Transcribed, pairings: Pairings) -> dict[str, Any]:
    """How far the compiled decoder is from the float one, fed what the float model says."""
    said, generation = heard.texts["transcribe"][FLOAT].tokens, pairings.generation
    prompt = prompt_tokens(heard.clip["whisper_language"], "transcribe", generation)
    said = said[: generation.max_length - len(prompt) - 1]  # what a text at its limit feeds

    def rows(kind: str) -> np.ndarray:
        text = heard.texts["transcribe"][f"float+{kind}"]
        decoder, states = pairings.decoders[kind], heard.states["float"]
        return logits_beside(text, decoder, states, prompt, said)

    return logit_distances(*map(rows, KINDS))


def evaluate(
    graphs: Path,
    compiled: Path,
    clip_manifests: list[Path],
    calibration: Path,
    tasks: list[str],
    known: HeardTexts | None = None,
) -> dict[str, Any]:
    """What all pairings hear of the clips.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        compiled: Manifest of the hand-off folder.
        clip_manifests: Manifests of the evaluation clips, one a language.
        calibration: Manifest of the encoder set, to prove that no sentence stands in both.
        tasks: Tasks that the checkpoint was trained for.
        known: What other evaluations of the checkpoint have heard.
    """
    pairings = pairings_of(graphs, compiled.parent)
    clips = understood(interleave(clip_manifests), pairings.generation)
    _refuse_shared_sentences(clips, calibration)
    facts, rows = [], []
    for heard in transcribe_clips(pairings, clips, tasks, "evaluation", known):
        facts.append(facts_of(heard, pairings))
        rows += heard.rows
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
    add("--heard", type=Path, help="texts that evaluations of the checkpoint share")
    add("--out", type=Path, required=True, help="transcripts.json")
    args = parser.parse_args(argv)
    known = HeardTexts(args.heard, args.graphs, args.compiled) if args.heard else None
    heard = evaluate(args.graphs, args.compiled, args.clips, args.calibration, args.tasks, known)
    write_json(args.out, heard)


if __name__ == "__main__":
    run(main)
