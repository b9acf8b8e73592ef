"""Golden samples: two short clips, and what the float model makes of them.

With them an engineer can tell a part that does not run as it should (its states are far from the
float encoder's) from a model that hears badly (they are near, and the text is wrong).

Example:
    python -m compilation.hand_off.golden --checkpoint data/checkpoints/whisper-small.json
        --graphs runtime/float/whisper-small/manifest.json
        --calibration calibration/sets/whisper-small/encoder/manifest.json
        --clips data/audio_files/calibration/de_de.jsonl data/audio_files/calibration/en_us.jsonl
        --out compilation/golden/whisper-small/golden.json

Files, beside golden.json, of each clip, under the clip's name:
    .wav             16 kHz, mono, 16 bits
    _features.npy    log-mel features, float32 [1, 3000, n_mels]: what the encoder is fed
    _states.npy      every 5th of the float states that hear the clip, float32 [kept, d_model]
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from calibration.features import encoder_input
from calibration.prompts import TRANSCRIBE, prompt_tokens
from common.cli import run
from common.files import listed, read_json, replacing, save_npy, write_json
from common.listing import check_file, check_listed
from compilation.hand_off.expect import EVERY, MAX_NEW_TOKENS, hear
from data.clips import Clip, interleave, read_audio, understood
from data.whisper import load_feature_extractor, load_generation, load_tokenizer
from runtime.tables import TABLES, load_tables

CLIPS = 2


def choose(clips: list[Clip]) -> list[Clip]:
    """Short clips in different languages where there are several; one of them English, if any."""
    ordered = sorted(clips, key=lambda clip: (clip["seconds"], clip["language"], clip["file"]))
    english = [clip for clip in ordered if clip["whisper_language"] == "en"]
    chosen = (english or ordered)[:1]
    others = [clip for clip in ordered if clip["language"] != chosen[0]["language"]]
    same = [clip for clip in ordered if clip is not chosen[0]]
    return [*chosen, *(others or same)[: CLIPS - 1]]


def features_of(clip: Clip, calibration: Path, checkpoint: Path) -> np.ndarray:
    """Features of a whole clip: of the calibration set, or computed where it has a part only.

    Args:
        clip: One that the set was made of.
        calibration: Manifest of the encoder's set.
        checkpoint: Manifest of the checkpoint.

    Raises:
        UserError: The file is missing or was changed.
    """
    for sample in read_json(calibration)["samples"]:
        if (sample["clip_sha256"], sample["fraction"]) == (clip["sha256"], 1):
            path = calibration.with_name(sample["file"])
            check_file(path, sample["sha256"], calibration)
            return np.load(path)
    return encoder_input(load_feature_extractor(checkpoint), read_audio(clip))


def make(
    checkpoint: Path, graphs: Path, calibration: Path, clip_manifests: list[Path], out: Path
) -> dict[str, Any]:
    """Write the golden samples of a checkpoint; the content of golden.json.

    Args:
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs.
        calibration: Manifest of the encoder's calibration set.
        clip_manifests: Manifests of calibration clips, one a language.
        out: golden.json.
    """
    from runtime.openvino_sessions import float_decoder, float_encoder

    out.unlink(missing_ok=True)  # it would not describe the files while they are being replaced
    check_listed(graphs)
    folder = out.parent
    generation, tokenizer = load_generation(checkpoint), load_tokenizer(checkpoint)
    positions = len(load_tables(graphs.with_name(TABLES)).positions)
    encoder, decoder = float_encoder(graphs.parent), float_decoder(graphs.parent)
    clips = []
    for clip in choose(understood(interleave(clip_manifests), generation)):
        name = clip["path"].stem
        features = features_of(clip, calibration, checkpoint)
        prompt = prompt_tokens(clip["whisper_language"], TRANSCRIBE, generation)
        states, tokens = hear(encoder, decoder, positions, generation, features, clip, prompt)
        with replacing(folder / f"{name}.wav") as temporary:
            shutil.copyfile(clip["path"], temporary)
        save_npy(folder / f"{name}_features.npy", features)
        save_npy(folder / f"{name}_states.npy", states)
        facts = {key: clip[key] for key in ("language", "whisper_language", "seconds")}
        facts |= {"task": "transcribe", "transcription": clip["transcription"], "prompt": prompt}
        facts |= {"tokens": tokens, "text": tokenizer.decode(tokens).strip()}
        clips.append({"name": name, **facts})
    kinds = (".wav", "_features.npy", "_states.npy")
    files = listed(folder, [f"{clip['name']}{kind}" for clip in clips for kind in kinds])
    golden = {"every": EVERY, "max_new_tokens": MAX_NEW_TOKENS, "clips": clips, "files": files}
    write_json(out, golden)
    return golden


def main(argv: list[str] | None = None) -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="manifest of the checkpoint")
    parser.add_argument("--graphs", type=Path, required=True, help="manifest of its float graphs")
    parser.add_argument(
        "--calibration", type=Path, required=True, help="manifest of the encoder's set"
    )
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--out", type=Path, required=True, help="the golden.json to write")
    args = parser.parse_args(argv)
    golden = make(args.checkpoint, args.graphs, args.calibration, args.clips, args.out)
    texts = ", ".join(f"{clip['language']} `{clip['text']}`" for clip in golden["clips"])
    print(f"golden samples: {texts}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
