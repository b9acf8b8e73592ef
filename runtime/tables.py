"""The embedding tables: looking tokens up is the host's work, whatever runs the parts."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

TABLES = "tables.safetensors"
NAMES = ("model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight")


class Tables(NamedTuple):
    """Rows to look up, float32."""

    tokens: np.ndarray  # [vocabulary, d_model]
    positions: np.ndarray  # [max_target_positions, d_model]

    def embed(self, token_ids: np.ndarray, start: int = 0) -> np.ndarray:
        """Decoder inputs float32 [B, L, d_model] of tokens [B, L], the first at position `start`.

        Token plus position embedding, row by row, as transformers adds them.
        """
        rows = self.positions[start : start + token_ids.shape[1]]
        return self.tokens[token_ids] + rows


def load_tables(path: Path) -> Tables:
    """The tables of a safetensors file."""
    arrays = load_file(path)
    return Tables(*(arrays[name] for name in NAMES))
