"""What a model does beside transcribing short clips: silence, late speech, timestamps, prompts.

Example: python -m demo.behaviour demo/model --out runs/behaviour.json

Prints and writes: texts invented for silence or noise, word error rates by the second at which the
speech begins, how good end times are, the effect of a previous text, how often the language is
detected. About three minutes on two cores.
"""

import argparse
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

from common.cli import run
from common.files import write_json
from demo.features import silent_clip
from demo.score import Recogniser, Sample, spoken_samples, word_error_rate
from demo.synthesise import RATE, Clip
from demo.words import LANGUAGES, random_sentence, written

WINDOW = 30  # seconds
LEADS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)  # seconds without speech
TIMED = re.compile(r"<\|0\.00\|>(?P<text>[^<]+)<\|(?P<end>\d+\.\d\d)\|>")


def silent_samples(count: int) -> list[Sample]:
    """Clips of silence or noise, every second one as long as the window."""
    samples = []
    for code in LANGUAGES:
        rng = random.Random(f"silence/{code}")
        for index in range(count):
            clip = silent_clip(rng)
            if index % 2:
                clip = Clip(np.resize(clip.samples, WINDOW * RATE), 0.0, 0.0)
            samples.append(Sample(clip, code, (), ""))
    return samples


def timestamps(recogniser: Recogniser, samples: list[Sample]) -> dict[str, Any]:
    """How many texts are `<|0.00|> text <|end|>`, how right they are, how near the end is."""
    texts = recogniser.texts(samples, "transcribe", return_timestamps=True)
    matches = [TIMED.fullmatch(text.strip()) for text in texts]
    plain = [match["text"] if match else text for match, text in zip(matches, texts, strict=True)]
    errors = [
        abs(float(match["end"]) - sample.clip.end)
        for match, sample in zip(matches, samples, strict=True)
        if match
    ]
    return {
        "well formed": len(errors),
        "clips": len(samples),
        "word error rate": round(word_error_rate(samples, plain, "transcribe"), 2),
        "median end error s": round(float(np.median(errors)), 2) if errors else None,
        "95th percentile end error s": round(float(np.quantile(errors, 0.95)), 2)
        if errors
        else None,
    }


def prompted(recogniser: Recogniser, samples: list[Sample]) -> float:
    """Word error rate of transcriptions with another sentence as the previous text."""
    texts = []
    for index, sample in enumerate(samples):
        previous = random_sentence(random.Random(index), held_out=False)
        prompt = recogniser.processor.get_prompt_ids(
            written(sample.language, previous), return_tensors="pt"
        )
        text = recogniser.texts([sample], "transcribe", prompt_ids=prompt)[0]
        # older releases of the library return the prompt as well
        texts.append(text.removeprefix(f" {written(sample.language, previous)}"))
    return round(word_error_rate(samples, texts, "transcribe"), 2)


@torch.no_grad()
def detected(recogniser: Recogniser, samples: list[Sample]) -> float:
    """Percent of clips whose language is recognised."""
    right = 0
    for sample in samples:
        features = recogniser.processor(
            sample.clip.samples, sampling_rate=RATE, return_tensors="pt"
        ).input_features
        found = recogniser.model.detect_language(features)
        token = f"<|{LANGUAGES[sample.language].whisper}|>"
        right += int(found) == recogniser.processor.tokenizer.convert_tokens_to_ids(token)
    return round(100 * right / len(samples), 1)


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("--count", type=int, default=10, help="clips a language")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    recogniser = Recogniser(args.model)
    figures: dict[str, Any] = {}

    def report(name: str, value: Any) -> None:
        figures[name] = value
        print(f"{name}: {value}", flush=True)

    quiet = silent_samples(args.count)
    for task in ("transcribe", "translate"):
        invented = [text.strip() for text in recogniser.texts(quiet, task) if text.strip()]
        report(f"silence, {task}", {"text on": len(invented), "of": len(quiet)})
        print(*invented[:5], sep=" | ")
    for lead in LEADS:
        samples = spoken_samples(args.count, (lead, lead), "late")
        texts = recogniser.texts(samples, "transcribe")
        rate = round(word_error_rate(samples, texts, "transcribe"), 2)
        report(f"speech begins at {lead:.0f} s, word error rate", rate)
    samples = spoken_samples(args.count, (0.0, 2.0), "behaviour")
    report("timestamps", timestamps(recogniser, samples))
    report("with a previous text, word error rate", prompted(recogniser, samples))
    report("language detected %", detected(recogniser, samples))
    if args.out:
        write_json(args.out, figures)


if __name__ == "__main__":
    run(main)
