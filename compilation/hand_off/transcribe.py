"""Transcribe or translate a recording with the compiled model in this script's own folder.

Example:
    python transcribe.py speech.wav --language ko --task translate

Needs openvino, transformers and numpy; no torch. The recording is a WAV file of 16 kHz, mono,
16-bit PCM. Whisper hears 30 s at a time: longer recordings are cut every 30 s, be it within a
word, and the texts of the windows are joined by spaces.
"""

import argparse
import json
import os
import shlex
import struct
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # or it complains that there is no torch
try:
    import numpy as np
    from openvino import Core, Tensor  # which releases before 2023.1 do not have there
    from transformers import WhisperProcessor
except ImportError as error:
    sys.exit(
        f"error: {error}; README.md says which packages this needs, and in which versions (those"
        f" of PYTHONPATH, `{os.environ.get('PYTHONPATH', '')}`, come first: `unset PYTHONPATH`)"
    )

FOLDER = Path(__file__).parent
UNKNOWN = 0x7FFF_0000  # a size from which on it stands for an unknown one
CONVERTED = ("-ar", "16000", "-ac", "1", "-c:a", "pcm_s16le")
# By default a CPU that can would compute in bfloat16, and keep the past tokens in 8 bits.
SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


def read_wav(path: Path) -> np.ndarray:
    """The samples of a recording, float32 [time] in [-1, 1)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        sys.exit(f"error: {path} cannot be read: {error.strerror}")
    at, form = 12, ()
    while data[:4] == b"RIFF" and at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt " and at + 16 <= len(data):
            form = struct.unpack_from("<HHIIHH", data, at)
        if name == b"data" and form[:3] in ((1, 1, 16_000), (0xFFFE, 1, 16_000)) and form[5] == 16:
            there = len(data) - at
            if size == 0 or size >= UNKNOWN:  # written to a pipe: up to the end of the file
                size = there
            if size > there:
                sys.exit(f"error: {path} was cut off: {there} of {size} bytes of sound are there")
            return np.frombuffer(data, "<i2", size // 2, at) / np.float32(32768)
        at += size + size % 2
    command = shlex.join(["ffmpeg", "-i", str(path), *CONVERTED, f"{path.stem}_16k.wav"])
    sys.exit(f"error: {path} is no WAV of 16 kHz, mono, 16-bit PCM; make one with `{command}`")


def read_table(name: str) -> np.ndarray:
    """A float32 table of model.safetensors, mapped. The file: header size, JSON header, data."""
    path = FOLDER / "model.safetensors"
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
    offset = 8 + size + entry["data_offsets"][0]
    return np.memmap(path, np.float32, "r", offset, tuple(entry["shape"]))


class Whisper:
    """Three graphs, each reading where the one before has written, and the embedding tables."""

    def __init__(self) -> None:
        config, core = json.loads((FOLDER / "config.json").read_bytes()), Core()
        encoder, decoder = (FOLDER / config[f"{part}_mxq_path"] for part in ("encoder", "decoder"))
        files = [encoder, decoder.with_name(f"{decoder.stem}_cross.xml"), decoder]
        models = [core.compile_model(file, "CPU", SETTINGS) for file in files]
        self.encoder, self.cross, self.decoder = (model.create_infer_request() for model in models)
        self.cross.set_input_tensor(self.encoder.get_output_tensor())
        for output in self.cross.model_outputs:
            self.decoder.set_tensor(output.any_name, self.cross.get_tensor(output))
        self.tokens = read_table("model.decoder.embed_tokens.weight")
        self.positions = read_table("model.decoder.embed_positions.weight")

    def hear(self, features: np.ndarray) -> None:
        """Take in a window's log-mel features, float32 [1, 3000, n_mels]."""
        self.encoder.infer([features], share_outputs=True)
        self.cross.infer(share_outputs=True)

    def scores(self, ids: list[int], fed: int) -> np.ndarray:
        """Scores [vocabulary] of the token after `ids`, before which `fed` tokens were fed."""
        if fed == 0:
            self.decoder.reset_state()
        rows = self.tokens[ids] + self.positions[fed : fed + len(ids)]
        self.decoder.set_tensor("inputs_embeds", Tensor(rows[None]))
        self.decoder.infer(share_outputs=True)
        return self.decoder.get_tensor("logits").data[0, -1].copy()

    def say(self, prompt: list[int], rules: dict) -> list[int]:
        """The tokens after a prompt: the likeliest each time, until one ends the text."""
        ends, places = rules["eos_token_id"], len(self.positions)
        limit = min((rules.get("max_length") or places) + len(prompt), places)
        ids, fed = list(prompt), 0
        while len(ids) < limit:
            scores = self.scores(ids[fed:], fed)
            scores[rules.get("suppress_tokens") or []] = -np.inf
            if fed == 0:
                scores[rules.get("begin_suppress_tokens") or []] = -np.inf
            fed, token = len(ids), int(scores.argmax())
            if token in (ends if isinstance(ends, list) else [ends]):
                break
            ids.append(token)
        return ids[len(prompt) :]


def main() -> None:
    """Parse the command line, print the text."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack letters
    parser = argparse.ArgumentParser(description="Print what is said in a recording.")
    parser.add_argument("audio", type=Path, help="WAV file of 16 kHz, mono, 16-bit PCM")
    parser.add_argument("--language", help="Whisper code, such as ko; detected where not given")
    parser.add_argument("--task", choices=["transcribe", "translate"], default="transcribe")
    args = parser.parse_args()
    audio = read_wav(args.audio)
    rules = json.loads((FOLDER / "generation_config.json").read_bytes())
    # The prompt of an English-only model names neither language nor task.
    language, languages, tasks = "en", {"en": None}, {"transcribe": None}
    if rules.get("is_multilingual"):
        languages = {token.strip("<|>"): row for token, row in rules["lang_to_id"].items()}
        language, tasks = None, rules["task_to_id"]
    language = args.language or language
    if language not in (None, *languages):
        known = ", ".join(languages)
        sys.exit(f"error: language `{language}` is unknown to this model; it knows {known}")
    if args.task not in tasks:
        sys.exit(f"error: this model cannot {args.task}; its tasks: {', '.join(tasks)}")
    whisper, processor = Whisper(), WhisperProcessor.from_pretrained(str(FOLDER))
    extractor, texts = processor.feature_extractor, []
    for first in range(0, len(audio), extractor.n_samples):
        window = audio[first : first + extractor.n_samples]
        mel = extractor(window, sampling_rate=16_000, return_tensors="np")
        whisper.hear(np.ascontiguousarray(mel.input_features.transpose(0, 2, 1)))
        start = rules["decoder_start_token_id"]
        if language is None:  # the likeliest in the first window
            scores = whisper.scores([start], 0)
            language = max(languages, key=lambda code: scores[languages[code]])
        prompt = [start, languages[language], tasks[args.task], rules["no_timestamps_token_id"]]
        said = whisper.say([token for token in prompt if token is not None], rules)
        texts.append(processor.decode(said, skip_special_tokens=True).strip())
    print(" ".join(texts))


if __name__ == "__main__":
    main()
