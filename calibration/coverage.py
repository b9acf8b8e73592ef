"""What a decoder's calibration set covers: strata, lengths, positions, special tokens."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from calibration.clips import SILENCE
from data.whisper import is_timestamp

BEYOND = (32, 64, 128)  # positions


def coverage(
    samples: list[dict[str, Any]], tokenizer: Tokenizer, first_time: int
) -> dict[str, Any]:
    """Counts of the whole set and of each language.

    Args:
        samples: Entries of the manifest: `language`, `stratum`, `token_ids`, `clip_sha256`.
        tokenizer: Which tokens are special, and their names.
        first_time: The token <|0.00|>.
    """
    added = tokenizer.get_added_tokens_decoder()
    seen = {token for sample in samples for token in sample["token_ids"]}
    times = {token for token in seen if is_timestamp(token, tokenizer, first_time)}
    names = {token: added[token].content for token in added if token not in times}
    spoken = _spoken(samples)
    groups = {code: [s for s in spoken if s["language"] == code] for code in spoken_in(samples)}
    return {
        "all": _of(samples, names, times),
        "languages": {code: _of(group, names, times) for code, group in groups.items()},
    }


def spoken_in(samples: list[dict[str, Any]]) -> list[str]:
    """FLEURS codes of the languages that are spoken in a set; silence is of none.

    Args:
        samples: Entries of the manifest of either part's set.
    """
    return sorted({sample["language"] for sample in _spoken(samples)})


def _spoken(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [sample for sample in samples if sample["clip_sha256"] != SILENCE]


def _of(samples: list[dict[str, Any]], names: dict[int, str], times: set[int]) -> dict[str, Any]:
    lengths = np.array([len(sample["token_ids"]) for sample in samples])
    seen = {token for sample in samples for token in sample["token_ids"]}
    strata = Counter(sample["stratum"] for sample in samples)
    return {
        "samples": len(samples),
        "strata": dict(sorted(strata.items())),
        "tokens": {
            "p50": int(np.percentile(lengths, 50, method="higher")),
            "p95": int(np.percentile(lengths, 95, method="higher")),
            "max": int(lengths.max()),
        },
        # Samples with a token at a position after these.
        "beyond": {str(position): int((lengths > position + 1).sum()) for position in BEYOND},
        "special_tokens": [names[token] for token in sorted(seen) if token in names],
        "different_timestamps": len(seen & times),
        "different_tokens": len(seen),
    }


def summary(manifest: dict[str, Any], folder: Path) -> str:
    """What a manifest says was made, in a line."""
    if "shard" in manifest:
        number, count = manifest["shard"]
        return f"decoder set: shard {number} of {count}, {len(manifest['keys'])} samples"
    whole = manifest["coverage"]["all"]
    strata_ = ", ".join(f"{count} {name}" for name, count in whole["strata"].items())
    lengths = whole["tokens"]
    aside = f", {len(manifest['set_aside'])} texts replaced" if manifest["set_aside"] else ""
    aside += f", {manifest['cut_off']} cut off by max_new_tokens" if manifest["cut_off"] else ""
    return (
        f"decoder set: {whole['samples']} samples ({strata_}), tokens: half of them to"
        f" {lengths['p50']}, 95 % to {lengths['p95']}, at most {lengths['max']}{aside}, in {folder}"
    )
