"""Write synthetic speech in FLEURS' Parquet layout: held-out sentences and voices, 17 languages.

Example: python -m demo.make_fleurs --out demo/fleurs

Writes {out}/parquet-data/{language}/{validation,test}-00000-of-00001.parquet, the same bytes on
every run. Needs espeak-ng 1.51; takes about a minute.
"""

import argparse
import io
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from datasets import Audio, ClassLabel, Features, Value

from common.cli import run
from common.files import replacing
from demo.ogg import with_serial_number
from demo.synthesise import RATE, place, random_speech
from demo.words import (
    HELD_OUT_VOICES,
    LANGUAGES,
    TABLE,
    Sentence,
    random_sentence,
    written,
)

SENTENCES = {"validation": 30, "test": 10}
SECOND_RECORDING = 0.2  # share of sentences recorded by two voices
SECONDS = (1.3, 6.0)  # length of a clip
COMPRESSION = 0.94  # of soundfile's Opus: about 16 kbit/s
FEATURES = Features(
    {
        "id": Value("int32"),
        "num_samples": Value("int32"),
        "path": Value("string"),
        "audio": Audio(sampling_rate=RATE),
        "transcription": Value("string"),
        "raw_transcription": Value("string"),
        "gender": ClassLabel(names=["male", "female", "other"]),
        "lang_id": ClassLabel(names=[*TABLE["fleurs_languages"].split(), "all"]),
        "language": Value("string"),
        "lang_group_id": ClassLabel(names=TABLE["fleurs_groups"]),
    }
)


def sentences(seed: int) -> dict[str, dict[int, Sentence]]:
    """Sentence ids and sentences of each split; the splits share none."""
    rng = random.Random(f"fleurs/{seed}")
    chosen: list[Sentence] = []
    while len(chosen) < sum(SENTENCES.values()):
        sentence = random_sentence(rng, held_out=True)
        if sentence not in chosen:
            chosen.append(sentence)
    numbers = sorted(rng.sample(range(1, 2000), len(chosen)))
    rng.shuffle(numbers)
    numbered = list(zip(numbers, chosen, strict=True))
    first = SENTENCES["validation"]
    return {"validation": dict(sorted(numbered[:first])), "test": dict(sorted(numbered[first:]))}


def recording(code: str, sentence: Sentence, voice: str, rng: random.Random) -> tuple[bytes, int]:
    """One clip as an Ogg Opus file, and its number of samples."""
    while True:
        speech = random_speech(code, sentence, voice, rng, speeds=(135, 185))
        clip = place(speech, rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.4), -3.0, None, rng)
        if SECONDS[0] * RATE <= len(clip.samples) <= SECONDS[1] * RATE:
            break
    file = io.BytesIO()
    soundfile.write(
        file, clip.samples, RATE, format="OGG", subtype="OPUS", compression_level=COMPRESSION
    )
    return with_serial_number(file.getvalue(), rng.getrandbits(32)), len(clip.samples)


def plain_transcription(code: str, sentence: Sentence) -> str:
    """FLEURS' `transcription`: lower case, no full stop, Chinese spaced by character."""
    text = written(code, sentence).lower().removesuffix(LANGUAGES[code].stop)
    return " ".join(text) if code == "cmn_hans_cn" else text


def rows(code: str, split: str, seed: int) -> list[dict[str, Any]]:
    """The recordings of one language and split, sorted by sentence id."""
    result = []
    for number, sentence in sentences(seed)[split].items():
        rng = random.Random(f"fleurs/{seed}/{code}/{number}")
        count = 2 if rng.random() < SECOND_RECORDING else 1
        for voice in rng.sample(sorted(HELD_OUT_VOICES), count):
            audio, samples = recording(code, sentence, voice, rng)
            name = f"{rng.getrandbits(63):019d}.wav"  # FLEURS names its recordings so
            result.append(
                {
                    "id": number,
                    "num_samples": samples,
                    "path": name,
                    "audio": {"bytes": audio, "path": name},
                    "transcription": plain_transcription(code, sentence),
                    "raw_transcription": written(code, sentence),
                    "gender": FEATURES["gender"].str2int(HELD_OUT_VOICES[voice]),
                    "lang_id": FEATURES["lang_id"].str2int(code),
                    "language": LANGUAGES[code].name,
                    "lang_group_id": FEATURES["lang_group_id"].str2int(LANGUAGES[code].group),
                }
            )
    return result


def main(argv: list[str] | None = None) -> None:
    """Write the Parquet files of all languages and splits."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder, laid out as google/fleurs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for code in LANGUAGES:
        for split in SENTENCES:
            table = pa.Table.from_pylist(rows(code, split, args.seed), schema=FEATURES.arrow_schema)
            path = args.out / "parquet-data" / code / f"{split}-00000-of-00001.parquet"
            with replacing(path) as temporary:
                pq.write_table(table, temporary, compression="zstd", compression_level=19)
            seconds = sum(table["num_samples"].to_pylist()) / RATE
            print(f"{path}: {len(table)} clips, {seconds:.0f} s, {path.stat().st_size} bytes")


if __name__ == "__main__":
    run(main)
