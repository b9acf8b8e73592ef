"""Word error rates of a model on speech it was not trained on: held-out sentences and voices.

Example: python -m demo.score demo/model --out runs/score.json

Clips are made on the fly by espeak-ng, speech beginning anywhere in the first two seconds, and run
through the standard 30 s window and `generate()`. Prints a table and writes the figures of --out.
About two minutes for 40 clips a language on two free cores.
"""

import argparse
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor
from transformers.utils import logging

from common.cli import run
from common.files import write_json
from demo.synthesise import RATE, Clip, place, random_speech
from demo.words import HELD_OUT_VOICES, LANGUAGES, Sentence, plain_words, random_sentence, written

TASKS = ("transcribe", "translate")
BATCH = 20
TOKENS = 64  # at most; five Tamil words take 30


@dataclass(frozen=True)
class Sample:
    """A clip, what is said in it, and by whom."""

    clip: Clip
    language: str
    sentence: Sentence
    voice: str

    def reference(self, task: str) -> str:
        """The right text."""
        return written(self.language if task == "transcribe" else "en_us", self.sentence)


def spoken_samples(
    count: int, lead: tuple[float, float], seed: str, snr: float | None = None
) -> list[Sample]:
    """`count` clips of each language that begin with `lead` (from, to) seconds without speech.

    `snr` is the signal-to-noise ratio in dB; None adds no noise.
    """
    samples = []
    for code in LANGUAGES:
        rng = random.Random(f"score/{seed}/{code}")
        for _ in range(count):
            sentence = random_sentence(rng, held_out=True)
            voice = rng.choice(sorted(HELD_OUT_VOICES))
            speech = random_speech(code, sentence, voice, rng, speeds=(125, 195))
            level = rng.uniform(-20, -1)
            clip = place(speech, rng.uniform(*lead), rng.uniform(0, 0.4), level, snr, rng)
            samples.append(Sample(clip, code, sentence, voice))
    return samples


class Recogniser:
    """A model folder, and `generate()` in batches."""

    def __init__(self, folder: Path) -> None:
        """Load the folder as anyone would."""
        self.model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
        self.processor = WhisperProcessor.from_pretrained(folder)

    @torch.no_grad()
    def texts(self, samples: list[Sample], task: str, **options: Any) -> list[str]:
        """The text of each sample."""
        texts = []
        for at in range(0, len(samples), BATCH):
            some = samples[at : at + BATCH]
            features = self.processor(
                [sample.clip.samples for sample in some], sampling_rate=RATE, return_tensors="pt"
            ).input_features
            languages = [LANGUAGES[sample.language].whisper for sample in some]
            ids = self.model.generate(
                features, language=languages, task=task, max_new_tokens=TOKENS, **options
            )
            timestamps = options.get("return_timestamps", False)
            texts += self.processor.batch_decode(
                ids, skip_special_tokens=True, decode_with_timestamps=timestamps
            )
        return texts


def word_error_rate(samples: list[Sample], texts: list[str], task: str) -> float:
    """Percent, over all words of all samples."""
    pairs = []
    for sample, text in zip(samples, texts, strict=True):
        code = sample.language if task == "transcribe" else "en_us"
        pairs.append([" ".join(plain_words(x, code)) for x in (sample.reference(task), text)])
    references, hypotheses = zip(*pairs, strict=True)
    return 100 * jiwer.wer(list(references), list(hypotheses))


def by(samples: list[Sample], texts: list[str], task: str, attribute: str) -> dict[str, float]:
    """Word error rates of the samples that share a language or a voice, and of all."""
    rates = {}
    for value in dict.fromkeys(getattr(sample, attribute) for sample in samples):
        pairs = [
            (sample, text)
            for sample, text in zip(samples, texts, strict=True)
            if getattr(sample, attribute) == value
        ]
        rates[value] = round(word_error_rate(*map(list, zip(*pairs, strict=True)), task), 2)
    return rates | {"all": round(word_error_rate(samples, texts, task), 2)}


def main(argv: list[str] | None = None) -> None:
    """Score a model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("--count", type=int, default=40, help="clips a language")
    parser.add_argument("--lead", type=float, nargs=2, default=(0.0, 2.0), metavar=("FROM", "TO"))
    parser.add_argument("--snr", type=float, help="signal-to-noise ratio in dB; default: no noise")
    parser.add_argument("--seed", default="test")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    logging.set_verbosity_error()
    recogniser = Recogniser(args.model)
    samples = spoken_samples(args.count, tuple(args.lead), args.seed, args.snr)
    figures: dict[str, Any] = {"clips": len(samples), "lead": list(args.lead), "snr": args.snr}
    for task in TASKS:
        texts = recogniser.texts(samples, task)
        figures[task] = {name: by(samples, texts, task, name) for name in ("language", "voice")}
        wrong = [
            (sample.reference(task), text.strip())
            for sample, text in zip(samples, texts, strict=True)
            if text.strip() != sample.reference(task)
        ]
        figures[task]["whole sentences right %"] = 100 - round(100 * len(wrong) / len(samples), 1)
        for reference, text in wrong[:: max(1, len(wrong) // 5)][:5]:
            print(f"{task}: {reference!r} heard as {text!r}")
    print(f"{'':12} {TASKS[0]:>12} {TASKS[1]:>12}   word error rate %, {len(samples)} clips")
    for name in ("language", "voice"):
        for value in figures[TASKS[0]][name]:
            print(f"{value:12}", *(f"{figures[task][name][value]:12.1f}" for task in TASKS))
    if args.out:
        write_json(args.out, figures)


if __name__ == "__main__":
    run(main)
