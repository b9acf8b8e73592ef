"""How far a compiled part's numbers are from the float ones: states and logits."""

from typing import Any

import numpy as np

from compilation.hand_off.expect import cosine
from evaluation.scoring.decibels import decibels

# Numbers of the predicted tokens, the first after the prompt being 1: first and last of each band.
BANDS = {"1-4": (1, 4), "5-32": (5, 32), "33+": (33, None)}


def distance(reference: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    """Cosine, SQNR and PSNR of an array to a reference of the same shape.

    SQNR is the power of the reference over that of the difference; PSNR is the square of the
    reference's range over the mean square of the difference. Both in decibels.
    """
    a, b = reference.astype(np.float64), other.astype(np.float64)
    noise = float(np.mean((a - b) ** 2))
    return {
        "cosine": cosine(a, b),
        "sqnr_db": decibels(float(np.mean(a**2)), noise),
        "psnr_db": decibels(float(a.max() - a.min()) ** 2, noise),
    }


def softmax_log(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities [..., vocabulary] of logits."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _divergence(reference: np.ndarray, other: np.ndarray) -> float:
    """Kullback-Leibler, in nats, of one token's logits [vocabulary]: all at once are gigabytes."""
    p, q = softmax_log(reference), softmax_log(other)
    return float((np.exp(p) * (p - q)).sum())


def logit_distances(reference: np.ndarray, other: np.ndarray) -> dict[str, dict[str, Any]]:
    """By band of token numbers: sums over its tokens, so that clips can be added up.

    Args:
        reference: Float logits [tokens, vocabulary], the first row those of the first token.
        other: The compiled decoder's, fed the same tokens.

    Returns:
        For each band with tokens: `tokens`, and the sums of `kl` (nats, of the compiled
        distribution from the float one), `top1` (1 where the likeliest token is the same) and
        `psnr_db`.
    """
    kl = np.array([_divergence(*rows) for rows in zip(reference, other, strict=True)])
    top1 = reference.argmax(-1) == other.argmax(-1)
    psnr = [distance(*rows)["psnr_db"] for rows in zip(reference, other, strict=True)]
    found = {}
    for band, (first, last) in BANDS.items():
        rows = slice(first - 1, last)
        if count := len(kl[rows]):
            known = [value for value in psnr[rows] if value is not None]
            found[band] = {
                "tokens": count,
                "kl": float(kl[rows].sum()),
                "top1": int(top1[rows].sum()),
                "psnr_db": float(sum(known)),
                "with_psnr": len(known),
            }
    return found
