"""Synthesise the training speech and store its log-mel frames.

Example: python -m demo.features --out runs/features

Writes frames.npy (float16 [frames of all clips, 80], from the real feature extractor, without the
padding up to 30 s) and clips.jsonl (one line a clip). 1,400 clips of each of 17 languages and 1,190
of silence or noise make 13 hours of speech and 0.8 GB; five minutes with two workers.
"""

import argparse
import multiprocessing
import random
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import run
from common.files import save_npy, write_jsonl
from demo.synthesise import RATE, Clip, coloured_noise, place, random_speech
from demo.words import LANGUAGES, TRAINING_VOICES, random_sentence

MEL_BINS = 80
HOP = 160  # samples a frame
LONGEST = 9  # seconds; longer clips are drawn again
SILENT_SHARE = 0.05
CHUNK = 100  # clips a job


def random_clip(code: str, rng: random.Random) -> tuple[Clip, tuple[int, ...]]:
    """A training clip and its sentence, some with faint noise from up to 2 s before the speech."""
    if rng.random() < SILENT_SHARE:
        return silent_clip(rng), ()
    while True:
        sentence = random_sentence(rng, held_out=False)
        voice = rng.choice(TRAINING_VOICES)
        speech = random_speech(code, sentence, voice, rng, speeds=(125, 205))
        noise = rng.uniform(25, 40) if rng.random() < 0.15 else None
        lead = rng.uniform(0, 0.3)
        if noise is not None and rng.random() < 0.4:
            lead = rng.uniform(0, 2)
        clip = place(speech, lead, rng.uniform(0, 0.3), rng.uniform(-20, -1), noise, rng)
        if len(clip.samples) <= LONGEST * RATE - HOP * 10:
            return clip, sentence


def silent_clip(rng: random.Random) -> Clip:
    """One to five seconds without speech: nothing at all, or noise between -75 and -15 dB."""
    length = round(rng.uniform(1, 5) * RATE)
    if rng.random() < 0.25:
        return Clip(np.zeros(length, np.float32), 0.0, 0.0)
    noise = coloured_noise(length, rng) * 10 ** (rng.uniform(-75, -15) / 20)
    return Clip(np.clip(noise, -1, 1), 0.0, 0.0)


def make_chunk(job: tuple[str, int, int]) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Frames (float16 [frames, 80]) and descriptions of one job's clips."""
    import torch
    from transformers import WhisperFeatureExtractor

    torch.set_num_threads(1)
    # the first frames of a shorter window are those of the 30 s window, and cheaper
    extractor = WhisperFeatureExtractor(feature_size=MEL_BINS, chunk_length=LONGEST)
    code, seed, chunk = job
    rng = random.Random(f"train/{seed}/{code}/{chunk}")
    frames, clips = [], []
    for _ in range(CHUNK):
        clip, sentence = random_clip(code, rng)
        mels = extractor(clip.samples, sampling_rate=RATE, return_tensors="np").input_features[0].T
        used = min(len(mels), -(-len(clip.samples) // HOP) + 2)
        frames.append(mels[:used].astype(np.float16))
        clips.append(
            {
                "language": code,
                "sentence": sentence,
                "frames": used,
                "speech_end": round(clip.end, 3),
                "padding": round(float(mels[-1, 0]), 5),  # log-mel value of the silence after it
            }
        )
    return frames, clips


def main(argv: list[str] | None = None) -> None:
    """Write frames.npy and clips.jsonl."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--chunks", type=int, default=14, help="hundreds of clips a language")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    jobs = [(code, args.seed, chunk) for chunk in range(args.chunks) for code in LANGUAGES]
    frames, clips = [], []
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for some_frames, some_clips in pool.imap(make_chunk, jobs):
            frames += some_frames
            clips += some_clips
    save_npy(args.out / "frames.npy", np.concatenate(frames))
    write_jsonl(args.out / "clips.jsonl", clips)
    hours = sum(clip["frames"] for clip in clips) * HOP / RATE / 3600
    print(f"{args.out}: {len(clips)} clips, {hours:.1f} hours")


if __name__ == "__main__":
    run(main)
