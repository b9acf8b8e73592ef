"""Train the micro Whisper on the features of `demo.features`.

Example: python -m demo.train --features runs/features --out runs/first --steps 9000

Writes {out}/model (the folder to ship) and {out}/state.pt every 500 steps; the same command goes on
from state.pt. A step takes 0.2 to 0.4 s in two processes.
"""

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional
from transformers import WhisperForConditionalGeneration

from common.cli import run
from common.files import replacing
from demo.alignment import CrossAttention, attention_loss, word_positions
from demo.batches import Batch, Batches
from demo.features import MEL_BINS
from demo.model import build_model, save_folder
from demo.phonemes import inventory
from demo.short_window import decode, encode
from demo.tokenizer import build_processor
from demo.words import LANGUAGES, LENGTHS

WARM_UP = 200  # steps
EASY_UNTIL = 0.7  # of the steps: batches of one or two words grow rarer from all to none, unless
# training starts from a model that knows them
WEIGHT_DECAY = 0.02
LABEL_SMOOTHING = 0.05
WEIGHTS = {
    "text": 1.0,
    "phonemes": 0.4,
    "words": 0.4,
    "ordinals": 0.2,
    "previous": 0.2,
    "next": 0.4,
}
GUIDED_HEADS = 2  # of each decoder layer
SAVE_EVERY = 500
PRINT_EVERY = 100


def ctc_loss(logits: torch.Tensor, targets: list[list[int]]) -> torch.Tensor:
    """CTC loss of logits [B, T, classes], blank first, for one list of classes a row."""
    return functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        torch.tensor([target for row in targets for target in row]),
        torch.full((len(logits),), logits.shape[1]),
        torch.tensor([len(row) for row in targets]),
        zero_infinity=True,
    )


class Heads(nn.Module):
    """CTC on the encoder, thrown away after training: phonemes halfway up, words at the top.

    They teach the encoder to hear before the decoder knows where to listen. The phonemes are those
    of all languages together, the words have a linear layer a language.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        words = len(next(iter(LANGUAGES.values())).words)
        self.weight = nn.Parameter(torch.randn(len(LANGUAGES), width, words + 1) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(len(LANGUAGES), 1, words + 1))
        self.phonemes = nn.Linear(width, len(inventory()) + 1)
        self.ordinals = nn.Linear(width, max(LENGTHS))

    def forward(
        self, halfway: torch.Tensor, top: torch.Tensor, batch: Batch
    ) -> tuple[dict[str, torch.Tensor], np.ndarray]:
        """Losses of encoder states [B, T, width], and the words' positions [B, longest]."""
        halfway = functional.layer_norm(halfway, halfway.shape[-1:])
        logits = top @ self.weight[batch.language] + self.bias[batch.language]
        sentences = [[word + 1 for word in sentence] for sentence in batch.sentences]
        positions = word_positions(logits, sentences)
        row, ordinal = (positions >= 0).nonzero()
        states = top[torch.from_numpy(row), torch.from_numpy(positions[row, ordinal])]
        found = {
            "phonemes": ctc_loss(self.phonemes(halfway), batch.phonemes),
            "words": ctc_loss(logits, sentences),
            "ordinals": functional.cross_entropy(
                self.ordinals(states), torch.from_numpy(ordinal), reduction="sum"
            )
            / max(1, len(ordinal)),
        }
        return found, positions


def losses(
    model: WhisperForConditionalGeneration,
    heads: Heads,
    first: CrossAttention,
    last: CrossAttention,
    batch: Batch,
) -> dict[str, torch.Tensor]:
    """Cross-entropy of the text, both CTC losses, and the share of text tokens that are right."""
    encoded, halfway, bias = encode(model, batch)
    states = decode(model, batch.tokens[:, :-1].clamp(min=0), encoded.repeat(2, 1, 1), bias)
    targets, weights = batch.tokens[:, 1:], batch.weights[:, 1:]
    counted = weights > 0  # a third of the positions, the rest is prompt and padding
    targets, weights = targets[counted], weights[counted]
    logits = model.proj_out(states[counted])
    each = functional.cross_entropy(
        logits, targets, reduction="none", label_smoothing=LABEL_SMOOTHING
    )
    right = (logits.argmax(-1) == targets)[weights == 1.0].float().mean()
    clips = slice(0, batch.positions)  # without the silence
    found, positions = heads(halfway[:, clips], encoded[:, clips], batch)
    words = batch.words[:, 1:]
    # the first layer finds the word that was written last, the last layer the next one
    found["previous"] = attention_loss(first.log_weights(bias), words - 1, positions)
    found["next"] = attention_loss(last.log_weights(bias), words, positions)
    found["text"] = (each * weights).sum() / weights.sum()
    return found | {"right": right}


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Replace every gradient by its mean over the processes."""
    flat = torch.cat([parameter.grad.flatten() for parameter in parameters])
    distributed.all_reduce(flat)
    parts = (flat / world).split([parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad.copy_(part.view_as(parameter))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a fiftieth."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return peak * min(1.0, (step + 1) / WARM_UP) * (0.98 * cosine + 0.02)


def main(argv: list[str] | None = None) -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, required=True, help="folder of demo.features")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--initial", type=Path, help="folder of a model to start from")
    parser.add_argument("--steps", type=int, default=9000, help="length of the schedule")
    parser.add_argument("--stop", type=int, help="end after this step of the schedule")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        distributed.init_process_group("gloo")
    torch.manual_seed(args.seed)
    processor = build_processor(MEL_BINS)
    model = build_model(processor.tokenizer).train()
    if args.initial:
        model.load_state_dict(
            WhisperForConditionalGeneration.from_pretrained(
                args.initial, dtype=torch.float32
            ).state_dict()
        )
    heads = Heads(model.config.d_model)
    layers = model.model.decoder.layers
    attention = [CrossAttention(layers[i].encoder_attn, GUIDED_HEADS) for i in (0, -1)]
    batches = Batches(args.features, processor.tokenizer, args.batch, args.seed)
    trained = [p for p in (*model.parameters(), *heads.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
        fused=True,
    )
    state_file, first = args.out / "state.pt", 0
    saved = {"model": model, "heads": heads, "optimiser": optimiser}
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        first = state["step"]
        for name, thing in saved.items():
            thing.load_state_dict(state[name])
        print(f"going on from step {first}", flush=True)

    def save(step: int) -> None:
        if rank:
            return
        with replacing(state_file) as temporary:
            state = {name: thing.state_dict() for name, thing in saved.items()}
            torch.save({**state, "step": step}, temporary)
        save_folder(model, processor, args.out / "model")

    last = min(args.steps, args.stop or args.steps)
    began, seen = time.time(), []
    for step in range(first, last):
        torch.manual_seed(world * step + rank)  # so a resumed run draws what it would have
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.peak)
        easy = 0.0 if args.initial else 1 - step / args.steps / EASY_UNTIL
        batch = batches.batch(step, easy, rank, world)
        loss = losses(model, heads, *attention, batch)
        optimiser.zero_grad(set_to_none=True)
        sum(weight * loss[name] for name, weight in WEIGHTS.items()).backward()
        if world > 1:
            average_gradients(trained, world)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        seen.append([float(value.detach()) for value in loss.values()])
        done = step + 1
        if done % PRINT_EVERY == 0 and not rank:
            means = (sum(values) / len(values) for values in zip(*seen, strict=True))
            shown = " ".join(f"{name} {mean:.3f}" for name, mean in zip(loss, means, strict=True))
            pace = 1000 * (time.time() - began) / len(seen)
            print(f"step {done} {pace:.0f} ms {shown}", flush=True)
            began, seen = time.time(), []
        if done % SAVE_EVERY == 0 or done == last:
            save(done)


if __name__ == "__main__":
    run(main)
