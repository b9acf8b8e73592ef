"""How near to float parts of 8 bits stay, clip by clip: where golden samples' bounds come from.

Example, after a run of the pipeline:
    python -m benchmarks.golden compiled/whisper-base/cpu
        --graphs runtime/float/whisper-base/manifest.json
        --clips data/audio_files/evaluation/en_us.jsonl data/audio_files/evaluation/fr_fr.jsonl

Every clip is heard as a golden sample is: the cosine of the encoder's states to the float ones over
what is heard, and the share of tokens in common with the float model's text.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from transformers import WhisperFeatureExtractor

from calibration.features import encoder_input
from calibration.prompts import TRANSCRIBE, prompt_tokens
from common.cli import run
from common.files import read_json
from common.progress import Progress
from compilation.hand_off.expect import agreement, cosine, hear
from data.clips import interleave, read_audio, understood
from runtime.folder import sessions_of
from runtime.openvino_sessions import float_decoder, float_encoder

SHARES = (0, 0.01, 0.05, 0.25, 0.5)


def measure(folder: Path, graphs: Path, manifests: list[Path], limit: int) -> list[list[float]]:
    """Cosine of the states, and share of tokens in common, of every clip."""
    positions = read_json(folder / "config.json")["max_target_positions"]
    generation = SimpleNamespace(**read_json(folder / "generation_config.json"))
    extractor = WhisperFeatureExtractor.from_pretrained(str(folder))
    pairs = (float_encoder(graphs.parent), float_decoder(graphs.parent)), sessions_of(folder)
    found = []
    for clip in Progress(understood(interleave(manifests), generation)[:limit], desc="hear"):
        features = encoder_input(extractor, read_audio(clip))
        prompt = prompt_tokens(clip["whisper_language"], TRANSCRIBE, generation)
        (states, tokens), (own_states, own_tokens) = (
            hear(*pair, positions, generation, features, clip, prompt) for pair in pairs
        )
        found.append([cosine(states, own_states), agreement(tokens, own_tokens)])
    return found


def main(argv: list[str] | None = None) -> None:
    """Print the least, and some quantiles, of both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="hand-off folder for the CPU")
    parser.add_argument("--graphs", type=Path, required=True, help="manifest of the float graphs")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="manifests of clips")
    parser.add_argument("--limit", type=int, default=120, help="clips at most")
    args = parser.parse_args(argv)
    found = np.array(measure(args.folder, args.graphs, args.clips, args.limit))
    print(f"{len(found)} clips; shares of clips {SHARES}")
    for name, values in zip(("cosine", "tokens"), found.T, strict=True):
        print(name, *(f"{value:.4f}" for value in np.quantile(values, SHARES)))


if __name__ == "__main__":
    run(main)
