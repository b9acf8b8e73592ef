"""How much faster both calibration sets are made than by the straightforward algorithm.

Example: python -m benchmarks.calibration --shape small --clips 8 --tokens 32

The straightforward algorithm, clip by clip, with model and processor loaded once: features, torch
encoder for the states, `generate` for the transcription and again for the translation, one of them
kept, embeddings. Both get the same clips of noise, checkpoint of random weights, and threads, in
turn, in one process. Loading and exporting are left out of the times, compiling the graphs is not.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from benchmarks.random_checkpoint import SHAPES, write
from calibration import decoder, encoder
from common.files import sha256_of, write_jsonl
from data import checkpoint as data_checkpoint
from data.clips import interleave, read_audio
from data.whisper import load_model, load_processor
from runtime import graphs

SETTINGS = {
    "seed": 0,
    "mix": {"transcribe": 0.8, "translate": 0.2},
    "text": "generated",
    "set_aside": 1.0,  # random weights may repeat themselves
    "tasks": ["transcribe", "translate"],
}


def make_clips(folder: Path, count: int) -> list[Path]:
    """Clips of noise in four languages, 11.6 s each; their manifests."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    manifests = []
    for language, code in {"de_de": "de", "en_us": "en", "ko_kr": "ko", "th_th": "th"}.items():
        lines = []
        for index in range(count // 4):
            path = folder / f"{language}_{index:04d}.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(185_600), 16_000, subtype="PCM_16")
            facts = {"language": language, "whisper_language": code, "sentence_id": index}
            names = {"file": path.name, "sha256": sha256_of(path), "recording": path.name}
            texts = {"transcription": "zero", "translation": "zero"}
            lines.append({**facts, **names, **texts, "seconds": 11.6})
        manifests.append(folder / f"{language}.jsonl")
        write_jsonl(manifests[-1], lines)
    return manifests


@torch.inference_mode()
def straightforward(
    model: Any, processor: Any, clips: list[dict[str, Any]], tasks: list[str], tokens: int
) -> list[dict[str, Any]]:
    """Features, states, ids and embeddings of each clip."""
    samples = []
    for clip, task in zip(clips, tasks, strict=True):
        inputs = processor(read_audio(clip), sampling_rate=16_000, return_tensors="pt")
        features = inputs.input_features
        states = model.model.encoder(features).last_hidden_state
        texts = {
            one: model.generate(
                features,
                language=clip["whisper_language"],
                task=one,
                max_new_tokens=tokens,
                force_unique_generate_call=True,
            )[0]
            for one in ("transcribe", "translate")
        }
        ids = texts[task]
        table = model.model.decoder
        embedded = table.embed_tokens(ids) + table.embed_positions.weight[: len(ids)]
        samples.append({"states": states, "ids": ids.tolist(), "embedded": embedded})
    return samples


def main(argv: list[str] | None = None) -> None:
    """Make both, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=list(SHAPES), default="small")
    parser.add_argument("--clips", type=int, default=8, help="a multiple of four")
    parser.add_argument("--tokens", type=int, default=32, help="new tokens a clip")
    parser.add_argument("--folder", type=Path, help="for the files")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        checkpoint = folder / "checkpoint.json"
        source = write(given.shape, folder / "checkpoint")
        data_checkpoint.main(["--source", str(source), "--out", str(checkpoint)])
        clips = make_clips(folder / "clips", given.clips)
        float_graphs = folder / "float/manifest.json"
        graphs.export(checkpoint, float_graphs)
        settings = SETTINGS | {"max_new_tokens": given.tokens}

        begin = time.monotonic()
        features = folder / "encoder/manifest.json"
        whole = {"fractions": [1.0], "silence": False}
        encoder.calibrate_encoder(checkpoint, clips, whole, features)
        out = folder / "decoder/manifest.json"
        made = decoder.calibrate_decoder(checkpoint, clips, features, float_graphs, settings, out)
        ours = (time.monotonic() - begin) / given.clips

        model, processor = load_model(checkpoint), load_processor(checkpoint)
        aside = {one["clip"]: one["token_ids"] for one in made["set_aside"]}
        generated = [aside.get(s["clip"], s["token_ids"]) for s in made["samples"]]
        tasks = [sample["task"] for sample in made["samples"]]
        begin = time.monotonic()
        samples = straightforward(model, processor, interleave(clips), tasks, given.tokens)
        theirs = (time.monotonic() - begin) / given.clips

    same = sum(said == b["ids"] for said, b in zip(generated, samples, strict=True))
    print(f"{given.shape}, {given.clips} clips, {given.tokens} tokens, {os.cpu_count()} cores")
    print(
        f"straightforward {theirs:.2f} s a clip, pipeline {ours:.2f} s: {theirs / ours:.1f} times"
    )
    print(f"same token ids on {same} of {given.clips} clips")


if __name__ == "__main__":
    main()
