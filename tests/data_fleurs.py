"""Tiny data sets in the layout and schema of google/fleurs, made of tones and noise."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from data.fetch import main as fetch
from data.source import main as source

SCHEMA = pa.schema(
    [
        ("id", pa.int32()),
        ("num_samples", pa.int32()),
        ("path", pa.string()),
        ("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("transcription", pa.string()),
        ("raw_transcription", pa.string()),
        ("gender", pa.int64()),
        ("lang_id", pa.int64()),
        ("language", pa.string()),
        ("lang_group_id", pa.int64()),
    ]
)


def tone(seconds: float, rate: int = 16_000, channels: int = 1, level: float = 0.1, seed: int = 0):
    """float32 [samples, channels]: a tone in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    clean = np.sin(2 * np.pi * (200 + 10 * (seed % 50)) * time)
    signal = level * (clean + 0.1 * rng.standard_normal(len(time)))
    return np.repeat(signal[:, None], channels, axis=1).astype(np.float32)


def encoded(signal: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, rate, subtype=subtype, format="WAV")
    return buffer.getvalue()


def row(sentence: int, number: int, seconds: float = 1.2, **changes) -> dict:
    """A recording of a sentence; `changes` replace columns, `sound` the audio file's bytes."""
    name = f"{sentence:05d}{number}.wav"
    sound = changes.pop("sound", None) or encoded(tone(seconds, seed=10 * sentence + number))
    return {
        "id": sentence,
        "num_samples": round(seconds * 16_000),
        "path": f"/somewhere/{name}",
        "audio": {"bytes": sound, "path": name},
        "transcription": f"sentence {sentence}",
        "raw_transcription": f"Sentence “{sentence}”.",
        "gender": number % 2,
        "lang_id": 0,
        "language": "a language",
        "lang_group_id": 0,
    } | changes


def write_split(root: Path, language: str, rows: list[dict], split: str = "validation") -> Path:
    path = root / "parquet-data" / language / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def fetched(root: Path, out: Path, language: str, split: str = "validation") -> Path:
    """The manifest of a language of a local data set, as the pipeline makes it."""
    source(["--source", str(root), "--out", str(out / "dataset.json")])
    manifest = out / split / f"{language}.json"
    given = ["--dataset", str(out / "dataset.json"), "--language", language, "--split", split]
    fetch([*given, "--out", str(manifest)])
    return manifest
