"""Times of words, of what a part that gives logits alone has heard: one pass of a float graph.

After decoding, the alignment heads of the float decoder's cross-attention look at the encoder's
states; dynamic time warping over their weights, the library's own, gives each token its time.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES, _combine_tokens_into_words
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
        generation = read_json(folder / "generation_config.json")
        self._first_time = generation["no_timestamps_token_id"] + 1  # <|0.00|>
        config = read_json(folder / "config.json")
        self._filter = config.get("median_filter_width", WhisperConfig().median_filter_width)

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
        tokenizer: WhisperTokenizer,
        language: str,
    ) -> list[Word]:
        """The words of a text and their times; see `of_tokens`.

        Put together and timed as transformers does: a word begins where the token before it does.

        Args:
            states: See `of_tokens`, as the next three.
            tokens: Prompt and text.
            prompt: How many are the prompt.
            seconds: Of audio.
            tokenizer: The checkpoint's.
            language: Whisper code of the language that the text is in: some do not space words.
        """
        times = self.of_tokens(states, tokens, prompt, seconds)
        # Not by the tokenizer's own method, which takes prompts for words where a checkpoint's
        # tokenizer does not say which tokens are special.
        said = [at for at in range(prompt, len(tokens)) if tokens[at] < self._first_time]
        given = [tokens[at] for at in said]
        words, _, places = _combine_tokens_into_words(tokenizer, given, LANGUAGES[language])
        spans = [(said[own[0]] - 1, said[own[-1]]) for own in places]
        return [
            Word(word, round(float(times[begin]), 2), round(float(times[end]), 2))
            for word, (begin, end) in zip(words, spans, strict=True)
        ]
