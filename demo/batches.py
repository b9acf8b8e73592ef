"""Training batches: clips of like length, augmented, with both tasks as targets.

A batch is a function of the seed and the step, so that an interrupted training goes on as if it had
not been interrupted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperTokenizer

from common.files import read_jsonl
from demo.phonemes import phoneme_ids
from demo.words import LANGUAGES, written

FRAMES_PER_SECOND = 100
MARGIN = 8  # frames of padding before and after, so that the convolutions see no edge of the batch
SPREAD = 512  # clips next to each other in length from which a batch is drawn
EASY_WORDS = 2  # in sentences that training begins with
WINDOW_START = 0.3  # share of batches that lie at the very start of the window
STARTS = ((0.0, 2.2, 0.7), (2.2, 6.5, 0.22), (6.5, 20.0, 0.08))  # seconds from, to, share
TIMESTAMPED = 0.25  # share of targets with timestamps
TIME_STEP = 5  # end times are rounded to so many timestamp tokens: 0.1 s
STRETCH = (0.85, 1.1)  # in time
MASKED = 0.25  # share of clips with some mel bands covered
PROMPTED = 0.04  # share of batches with a previous text
IGNORED = -100


@dataclass
class Batch:
    """Mels [B, bins, MARGIN + frames + MARGIN] or [B, bins, frames + MARGIN], and targets."""

    mels: torch.Tensor
    positions: int  # encoder positions of the clips, frames / 2
    start: torch.Tensor  # [B] encoder position in the window of a clip's first frame
    at_window_start: bool  # then no margin before the clips
    tokens: torch.Tensor  # [2 B, U] transcriptions, then translations; IGNORED behind the end
    weights: torch.Tensor  # [2 B, U] of the loss on predicting each token
    words: torch.Tensor  # [2 B, U] number of the word that a token is part of, or -1
    language: torch.Tensor  # [B]
    sentences: list[list[int]]
    phonemes: list[list[int]]


class Batches:
    """The training clips, and batches of them."""

    def __init__(self, folder: Path, tokenizer: WhisperTokenizer, size: int, seed: int) -> None:
        """Read the folder that `demo.features` wrote."""
        self.frames = np.load(folder / "frames.npy", mmap_mode="r")
        self.clips = read_jsonl(folder / "clips.jsonl")
        self.tokenizer, self.size, self.seed = tokenizer, size, seed
        lengths = np.array([clip["frames"] for clip in self.clips])
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.by_length = np.argsort(lengths, kind="stable")
        words = np.array([len(clip["sentence"]) for clip in self.clips])
        few = (words > 0) & (words <= EASY_WORDS)
        self.easy = self.by_length[few[self.by_length]]
        self.codes = list(LANGUAGES)
        self.text_ids = {}

    def batch(self, step: int, easy: float, part: int = 0, parts: int = 1) -> Batch:
        """One of `parts` equal parts of a step's batch; `easy` is the chance of few words."""
        rng = np.random.default_rng([self.seed, step])
        order = self.easy if rng.random() < easy else self.by_length
        # batches from the ends of the order are as likely as others
        first = rng.integers(-SPREAD // 2, len(order) - SPREAD // 2)
        near = order[max(0, first) : max(0, first) + SPREAD][-SPREAD:]
        ids = rng.choice(near, self.size, replace=False)[part::parts]
        at_window_start = bool(rng.random() < WINDOW_START)
        prompted = bool(rng.random() < PROMPTED)
        rng = np.random.default_rng([self.seed, step, part])
        chosen = [self.clips[i] for i in ids]
        stretches = rng.uniform(*STRETCH, len(ids))
        mels = [
            augment(self.frames[self.offsets[i] : self.offsets[i + 1]], stretch, rng)
            for i, stretch in zip(ids, stretches, strict=True)
        ]
        longest = (max(len(mel) for mel in mels) + MARGIN + 1) // 2 * 2
        before = 0 if at_window_start else MARGIN
        x = np.empty((len(ids), before + longest + MARGIN, mels[0].shape[1]), np.float32)
        for row, (mel, clip) in enumerate(zip(mels, chosen, strict=True)):
            x[row] = clip["padding"]
            x[row, before : before + len(mel)] = mel
            x[row] += rng.uniform(-0.25, 0.25)  # loudness
        start = np.zeros(len(ids), np.int64)
        if not at_window_start:
            start = np.array([random_start(rng, longest // 2) for _ in chosen])
        ends = [
            clip["speech_end"] * stretch + 2 * position / FRAMES_PER_SECOND
            for clip, stretch, position in zip(chosen, stretches, start, strict=True)
        ]
        tokens, weights, words = self.targets(chosen, ends, prompted, rng)
        return Batch(
            torch.from_numpy(x).transpose(1, 2),
            longest // 2,
            torch.from_numpy(start),
            at_window_start,
            tokens,
            weights,
            words,
            torch.tensor([self.codes.index(clip["language"]) for clip in chosen]),
            [clip["sentence"] for clip in chosen],
            [phoneme_ids(clip["language"], clip["sentence"]) for clip in chosen],
        )

    def text(self, code: str, sentence: list[int]) -> tuple[list[int], list[int]]:
        """Token ids of a sentence, and which word each is part of; remembered, this is slow."""
        key = (code, tuple(sentence))
        if key not in self.text_ids:
            text, stop = written(code, tuple(sentence)), LANGUAGES[code].stop
            ids = self.tokenizer(text, add_special_tokens=False).input_ids
            words = []
            for count in range(1, len(sentence) + 1):
                start = written(code, tuple(sentence[:count])).removesuffix(stop)
                length = len(self.tokenizer(start, add_special_tokens=False).input_ids)
                words += [count - 1] * (length - len(words))
            self.text_ids[key] = ids, words[: len(ids)]
        return self.text_ids[key]

    def targets(
        self,
        clips: list[dict[str, Any]],
        ends: list[float],
        prompted: bool,
        rng: np.random.Generator,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Decoder sequences of both tasks, what each token counts in the loss, its word."""
        token = self.tokenizer.convert_tokens_to_ids
        zero = token("<|0.00|>")
        rows, counts, parts = [], [], []
        for task in ("transcribe", "translate"):
            for clip, end in zip(clips, ends, strict=True):
                code, sentence = clip["language"], clip["sentence"]
                spoken_in = code if task == "transcribe" else "en_us"
                prompt = []
                if prompted:
                    previous = clips[rng.integers(len(clips))]["sentence"]
                    prompt = [token("<|startofprev|>"), *self.text(spoken_in, previous)[0]]
                timestamped = rng.random() < TIMESTAMPED
                body, words = self.text(spoken_in, sentence)
                if timestamped and body:
                    body = [*body, zero + round(end * 50 / TIME_STEP) * TIME_STEP]
                head = [
                    token("<|startoftranscript|>"),
                    token(f"<|{LANGUAGES[code].whisper}|>"),
                    token(f"<|{task}|>"),
                    zero if timestamped else token("<|notimestamps|>"),
                ]
                rows.append([*prompt, *head, *body, self.tokenizer.eos_token_id])
                # the language of silence cannot be heard; the task is never predicted
                known = [0.0, 0.2 if sentence else 0.0, 0.0, 0.1]
                before = [-1] * (len(prompt) + len(known))
                parts.append([*before, *words, *[-1] * (len(body) + 1 - len(words))])
                counts.append([0.0] * len(prompt) + known + [1.0] * (len(body) + 1))
        longest = max(len(row) for row in rows)
        tokens = torch.full((len(rows), longest), IGNORED)
        weights = torch.zeros(len(rows), longest)
        numbers = torch.full((len(rows), longest), -1)
        for i, (row, count, part) in enumerate(zip(rows, counts, parts, strict=True)):
            tokens[i, : len(row)] = torch.tensor(row)
            weights[i, : len(row)] = torch.tensor(count)
            numbers[i, : len(row)] = torch.tensor(part)
        return tokens, weights, numbers


def random_start(rng: np.random.Generator, positions: int) -> int:
    """Encoder position at which a clip begins, mostly within two seconds."""
    low, high, _ = STARTS[rng.choice(len(STARTS), p=[share for *_, share in STARTS])]
    return min(int(rng.uniform(low, high) * FRAMES_PER_SECOND / 2), 1500 - positions)


def augment(mel: np.ndarray, stretch: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch in time, shift by up to two mel bands, and mask a few bands."""
    length = max(8, round(len(mel) * stretch))
    at = np.linspace(0, len(mel) - 1, length)
    low = at.astype(int)
    high = np.minimum(low + 1, len(mel) - 1)
    part = (at - low)[:, None].astype(np.float32)
    source = np.asarray(mel, np.float32)
    mel = source[low] * (1 - part) + source[high] * part
    shift = int(rng.choice([0, 0, 0, 0, -2, -1, 1, 2]))
    bins = mel.shape[1]
    mel = mel[:, np.clip(np.arange(bins) - shift, 0, bins - 1)]
    if rng.random() < MASKED:
        width = rng.integers(1, 7)
        band = rng.integers(0, bins - width + 1)
        mel[:, band : band + width] = mel.mean()
    return mel
