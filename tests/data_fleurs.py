"""Tiny data sets in every layout that the pipeline reads, made of tones and noise."""

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from common.files import sha256_of, write_json
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
    return write_parquet(root / "parquet-data" / language / f"{split}-00000-of-00001.parquet", rows)


def write_parquet(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def write_converted(root: Path, language: str, rows: list[dict]) -> Path:
    return write_parquet(root / language / "validation" / "0000.parquet", rows)


def write_tar(root: Path, language: str, rows: list[dict]) -> list[Path]:
    """The TSV file and the archive of a language, as in FLEURS' older tree."""
    tsv, archive = root / f"data/{language}/dev.tsv", root / f"data/{language}/audio/dev.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    with tarfile.open(archive, "w:gz") as tar:
        for one in rows:
            name, sound = Path(one["path"]).name, one["audio"]["bytes"]
            texts = [one["raw_transcription"], one["transcription"], "s e n t"]
            gender = ["MALE", "FEMALE"][one["gender"]]
            lines.append([str(one["id"]), name, *texts, str(one["num_samples"]), gender])
            if sound is not None:
                member = tarfile.TarInfo(f"dev/{name}")
                member.size = len(sound)
                tar.addfile(member, io.BytesIO(sound))
    tsv.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return [tsv, archive]


def write_index(root: Path, lines: list[dict], kind: str = "csv") -> Path:
    """The index of a folder of own audio."""
    index = root / f"index.{kind}"
    index.parent.mkdir(parents=True, exist_ok=True)
    with index.open("w", encoding="utf-8-sig" if kind == "csv" else "utf-8", newline="") as file:
        if kind == "jsonl":
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        else:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
    return index


def listed(root: Path, layout: str, language: str, paths: list[Path], out: Path) -> Path:
    """A manifest of files of a local data set, as data.fetch writes it."""
    files = [
        {
            "path": path.relative_to(root).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in paths
    ]
    record = {"source": str(root), "commit": None, "layout": layout, "language": language}
    manifest = out / f"{language}.json"
    write_json(manifest, {**record, "split": "validation", "files": files})
    return manifest


def fetched(root: Path, out: Path, language: str, split: str = "validation") -> Path:
    """The manifest of a language of a local data set, as the pipeline makes it."""
    source(["--source", str(root), "--out", str(out / "dataset.json")])
    manifest = out / split / f"{language}.json"
    given = ["--dataset", str(out / "dataset.json"), "--language", language, "--split", split]
    fetch([*given, "--out", str(manifest)])
    return manifest
