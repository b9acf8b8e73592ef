"""The embedding tables: looking tokens up is the host's work, whatever runs the parts."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

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
    """The tables of a safetensors file, mapped: only the rows that are looked up are read."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return Tables(*(_mapped(path, header[name], 8 + size) for name in NAMES))


def _mapped(path: Path, entry: dict[str, Any], data: int) -> np.ndarray:
    """A float32 tensor of a safetensors file whose data begins at byte `data`."""
    offset = data + entry["data_offsets"][0]
    shape = tuple(entry["shape"])
    return np.asarray(np.memmap(path, np.float32, "r", offset=offset, shape=shape))
