"""Transcribe or translate an audio file with the compiled model of a hand-off folder.

Example:
    python -m evaluation.transcribe compiled/whisper-small/cpu speech.wav --language ko
"""

import argparse
import math
import shlex
from pathlib import Path

import numpy as np
from transformers import GenerationConfig

from common.cli import UserError, run
from common.nearest import nearest
from compilation.hand_off import sums
from data.audio import to_mono
from data.clips import is_multilingual
from data.sound_file import read_sound
from data.sound_header import Broken
from evaluation.transcription.long_audio import transcribe
from evaluation.transcription.models import generation_of, load_compiled
from evaluation.transcription.words import timed_words
from runtime.folder import CPU, device_of

FEWEST = 201  # samples: half a window of the spectrogram, and one; as a folder's own script has it


def read_mono(path: Path) -> np.ndarray:
    """Samples of any audio file that soundfile reads: mono, 16 kHz, float32 [time].

    Raises:
        UserError: The file is missing, holds no audio, too little, or not all that it says.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}; give the path of a recording")
    try:
        audio = to_mono(*read_sound(path.read_bytes(), math.inf))
    except Broken as error:
        raise UserError(f"{path} {error}; give a whole WAV, FLAC, OGG or MP3 file") from error
    if len(audio) < FEWEST:
        raise UserError(f"{path} is shorter than {FEWEST} samples at 16 kHz; give a longer one")
    return audio


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, print the text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="hand-off folder")
    parser.add_argument("audio", type=Path, help="audio file of any length")
    parser.add_argument("--language", help="Whisper code, such as ko; detected where not given")
    parser.add_argument("--task", choices=["transcribe", "translate"], default="transcribe")
    parser.add_argument("--timestamps", action="store_true", help="print times with the text")
    parser.add_argument(
        "--words", action="store_true", help="print each word's times: of one window, on an NPU"
    )
    args = parser.parse_args(argv)
    audio = read_mono(args.audio)
    if args.words and device_of(args.folder) == CPU:
        command = ["python", str(args.folder / "transcribe.py"), str(args.audio), "--words"]
        raise UserError(
            f"times of words in a folder for the CPU are its own script's; type:"
            f" {shlex.join(command)}"
        )
    sums.check_loaded(args.folder)
    if args.words:
        asked = _asked(generation_of(args.folder), args.language, args.task)
        for word in timed_words(args.folder, audio, asked):
            print(f"{word.begin:6.2f} {word.end:6.2f} {word.text.strip()}")
        return
    model, processor = load_compiled(args.folder)
    asked = _asked(model.generation_config, args.language, args.task)
    print(transcribe(model, processor, audio, asked, args.timestamps))


def _asked(generation: GenerationConfig, language: str | None, task: str) -> dict[str, str]:
    """Language and task for `generate`; an English-only model takes neither.

    Raises:
        UserError: The model does not know the language, or has no tasks.
    """
    if not is_multilingual(generation):
        if language not in (None, "en") or task != "transcribe":
            raise UserError("this model is English-only; it transcribes English and nothing else")
        return {}
    known = [token.strip("<|>") for token in generation.lang_to_id]
    if language is not None and language not in known:
        raise UserError(
            f"language `{language}` is unknown to this model{nearest(language, known)};"
            f" allowed: {', '.join(known)}"
        )
    return {"task": task} | ({"language": language} if language else {})


if __name__ == "__main__":
    run(main)
