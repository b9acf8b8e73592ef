"""Whisper's tokenizer and processor with a small byte-level BPE of the demo's own words."""

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers
from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer
from transformers.models.whisper.tokenization_whisper import LANGUAGES as WHISPER_LANGUAGES

from demo.words import LANGUAGES

BPE_ENTRIES = 1600
TIMESTAMPS = 1501  # 0.00 s to 30.00 s in steps of 0.02 s
END_OF_TEXT = "<|endoftext|>"
# In Whisper's order with all languages, whose ids are counted from <|startoftranscript|>.
SPECIAL_TOKENS = [
    END_OF_TEXT,
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in WHISPER_LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def _corpus() -> list[str]:
    """Words one by one, so that no entry spans two words of a script without spaces."""
    corpus = []
    for language in LANGUAGES.values():
        for word in language.words:
            corpus += [word[0].upper() + word[1:]] * 2
            corpus += [language.joiner + word] * 4
        corpus += [language.stop] * 4
    return corpus


def train_bpe() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of the text tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_ENTRIES,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    bpe.train_from_iterator(_corpus(), trainer)
    trained = json.loads(bpe.to_str())["model"]
    return trained["vocab"], [tuple(pair) for pair in trained["merges"]]


def build_processor(mel_bins: int) -> WhisperProcessor:
    """Feature extractor and tokenizer: text, special tokens, timestamps, in Whisper's order."""
    vocabulary, merges = train_bpe()
    vocabulary = {**vocabulary, END_OF_TEXT: len(vocabulary)}
    tokenizer = WhisperTokenizer(
        vocab=vocabulary, merges=merges, unk_token=END_OF_TEXT, pad_token=END_OF_TEXT
    )
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL_TOKENS[1:]})
    tokenizer.add_tokens(
        [AddedToken(f"<|{index * 0.02:.2f}|>", normalized=False) for index in range(TIMESTAMPS)]
    )
    ids = tokenizer.convert_tokens_to_ids([*SPECIAL_TOKENS, "<|0.00|>", "<|30.00|>"])
    first, last = ids[0], len(tokenizer) - 1
    if ids != [*range(first, first + len(SPECIAL_TOKENS) + 1), last]:
        raise ValueError("the special tokens did not get consecutive ids")
    return WhisperProcessor(WhisperFeatureExtractor(feature_size=mel_bins), tokenizer)


def save_processor(processor: WhisperProcessor, folder: Path) -> None:
    """Save without indentation: 1,600 special tokens in JSON are half a megabyte otherwise."""
    processor.save_pretrained(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), "utf-8")
