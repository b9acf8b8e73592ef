"""Times of words, of what a part that gives logits alone has heard: one pass of a float graph.

After decoding, the alignment heads of the float decoder's cross-attention look at the encoder's
states; dynamic time warping over their weights, the library's own, gives each token its time.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperTokenizerFast
from transformers.utils import ModelOutput

from common.cli import UserError
from common.files import read_json
from runtime.ir import compile_model
from runtime.tables import load_tables

PRECISION = 0.02  # seconds of one position


class Word(NamedTuple):
    """A word, and when it is said."""

    text: str  # with the space before it, where there is one
    begin: float  # seconds
    end: float


class WordTimes:
    """The times of what the parts in a hand-off folder hear.

    Args:
        folder: One that has alignment.xml.

    Raises:
        UserError: It has none: the checkpoint does not say which heads align.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "alignment.xml"
        if not path.is_file():
            raise UserError(
                f"{folder} has no alignment.xml: the checkpoint's generation_config.json has no"
                " alignment_heads, so there are no times of words"
            )
        self._request = compile_model(path).create_infer_request()
        self._tables = load_tables(folder / "model.safetensors")
        self._filter = read_json(folder / "config.json")["median_filter_width"]

    def of_tokens(
        self, states: np.ndarray, tokens: list[int], prompt: int, seconds: float
    ) -> np.ndarray:
        """When each token begins, in seconds, float32 [len(tokens)]; 0 in the prompt.

        Args:
            states: The encoder's states [1, positions, d_model].
            tokens: Prompt and text, without the end.
            prompt: How many of them are the prompt.
            seconds: Of audio in the window; what is behind is silence.
        """
        embedded = self._tables.embed(np.array([tokens]))
        weights = self._request.infer([embedded, np.ascontiguousarray(states)])[0]
        made = ModelOutput(
            sequences=torch.tensor([tokens]), cross_attentions=[[torch.from_numpy(weights.copy())]]
        )
        config = SimpleNamespace(decoder_layers=1, median_filter_width=self._filter)
        times = WhisperForConditionalGeneration._extract_token_timestamps(
            SimpleNamespace(config=config),
            made,
            [[0, head] for head in range(weights.shape[1])],
            time_precision=PRECISION,
            num_frames=round(seconds / PRECISION) * 2,
            num_input_ids=prompt,
        )
        return times[0].numpy()

    def of_words(
        self,
        states: np.ndarray,
        tokens: list[int],
        prompt: int,
        seconds: float,
        tokenizer: WhisperTokenizerFast,
    ) -> list[Word]:
        """The words of a text and their times; see `of_tokens`."""
        times = self.of_tokens(states, tokens, prompt, seconds)
        heard: dict[str, Any] = {
            "tokens": np.array([tokens]),
            "token_timestamps": times[None, : len(tokens)],
        }
        options = {"return_timestamps": "word", "return_language": False}
        _, found = tokenizer._decode_asr([heard], time_precision=PRECISION, **options)
        return [Word(one["text"], *map(float, one["timestamp"])) for one in found["chunks"]]
