"""The figures of speed.json, of the times that were measured.

Figures of a backend, each the median over the rounds and a spread: half the distance between the
quartiles, so that half of the rounds lie within the median plus or minus about that much.
    encoder_ms          one pass of the encoder (mean over clips)
    first_token_ms      from audio to the first token: features, encoder, prompt (mean over clips)
    token_ms            every further token
    tokens_per_second   further tokens, for one user
    real_time_factor    seconds of computing, features included, per second of audio
"""

import statistics
from typing import Any

from evaluation.speed.backends import BACKENDS, INT8, NPU, Files

FIGURES = ("encoder_ms", "token_ms", "first_token_ms", "tokens_per_second", "real_time_factor")


def entry(
    name: str, files: Files, clips: list[dict[str, Any]], measured: dict[str, Any]
) -> dict[str, Any]:
    """A backend as speed.json has it."""
    return {
        "name": name,
        "load_seconds": _rounded(measured["load_seconds"]),
        "peak_bytes": measured["peak_bytes"],
        "size_bytes": sum(path.stat().st_size for path in BACKENDS[name].weights(files)),
        **figures(clips, measured["rounds"]),
    }


def figures(
    clips: list[dict[str, Any]], rounds: list[list[dict[str, float]]]
) -> dict[str, dict[str, float]]:
    """Median and spread over the rounds of each of FIGURES.

    Args:
        clips: As evaluation.speed.prepare writes them.
        rounds: As evaluation.speed.run writes them.
    """
    values = [_of_round(clips, times, index) for index, times in enumerate(rounds)]
    return {name: middle([value[name] for value in values]) for name in FIGURES}


def _of_round(
    clips: list[dict[str, Any]], times: list[dict[str, float]], index: int
) -> dict[str, float]:
    """FIGURES of one round."""
    features = sum(clip["features_seconds"][index] for clip in clips)
    encoder, first, rest = (sum(one[key] for one in times) for key in ("encoder", "first", "rest"))
    further = sum(clip["tokens"] - 1 for clip in clips)
    return {
        "encoder_ms": 1000 * encoder / len(clips),
        "token_ms": 1000 * rest / further,
        "first_token_ms": 1000 * (features + first) / len(clips),
        "tokens_per_second": further / rest,
        "real_time_factor": (features + first + rest) / sum(clip["seconds"] for clip in clips),
    }


def middle(values: list[float]) -> dict[str, float]:
    """`median`, and `spread`: half the distance between the quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": _rounded(median), "spread": _rounded((high - low) / 2)}


def _rounded(value: float) -> float:
    """To four digits."""
    return float(f"{value:.4g}")


def slower(backends: list[dict[str, Any]]) -> str | None:
    """A sentence, where the compiled model is not faster than every float backend here."""
    factors = {one["name"]: one["real_time_factor"]["median"] for one in backends}
    compiled = next((name for name in (INT8, NPU) if name in factors), None)
    if compiled is None:
        return None
    own = factors.pop(compiled)
    ahead = [f"{name} ({factor:.4g})" for name, factor in factors.items() if factor <= own]
    if not ahead:
        return None
    return f"{compiled} (real-time factor {own:.4g}) is not faster here than {' and '.join(ahead)}."


def summary(backend: dict[str, Any]) -> str:
    """One line on a backend."""
    factor, speed = backend["real_time_factor"], backend["tokens_per_second"]
    return (
        f"{backend['name']}: real-time factor {factor['median']:.4g} ± {factor['spread']:.2g},"
        f" first token after {backend['first_token_ms']['median']:.4g} ms,"
        f" then {speed['median']:.4g} tokens/s; loaded in {backend['load_seconds']:.2g} s,"
        f" peak {backend['peak_bytes'] / 1e6:.0f} MB, weights {backend['size_bytes'] / 1e6:.1f} MB"
    )
