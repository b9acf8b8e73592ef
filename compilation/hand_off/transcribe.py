"""Transcribe or translate a recording with the compiled model in this script's own folder.

Examples:
    python transcribe.py speech.mp3 --language ko --task translate
    python transcribe.py lecture.flac --timestamps

Needs openvino-genai, soundfile and soxr. Audio of any length, rate and format that libsndfile reads
(WAV, FLAC, OGG, MP3 and more). Whisper hears 30 s at a time, and OpenVINO GenAI walks through
longer audio by timestamps.
"""

import argparse
import os
import sys
from pathlib import Path

try:
    import soundfile
    import soxr
    from openvino_genai import WhisperPipeline
except ImportError as error:
    sys.exit(
        f"error: {error}; README.md says which packages this needs, and in which versions (those"
        f" of PYTHONPATH, `{os.environ.get('PYTHONPATH', '')}`, come first: `unset PYTHONPATH`)"
    )

FOLDER = Path(__file__).parent
RATE = 16_000  # Hz


def time_of(seconds: float) -> str:
    """`1:02:03.45`"""
    minutes, rest = divmod(max(seconds, 0), 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{rest:05.2f}"


def main() -> None:
    """Parse the command line, print the text."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may lack letters
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", type=Path, help="audio file")
    parser.add_argument("--language", help="Whisper code, such as ko; detected where not given")
    parser.add_argument("--task", choices=["transcribe", "translate"], default="transcribe")
    parser.add_argument("--timestamps", action="store_true", help="print times with the text")
    parser.add_argument("--words", action="store_true", help="print each word with its times")
    parser.add_argument("--device", default="CPU", help="OpenVINO's name of it, such as GPU")
    args = parser.parse_args()
    if not args.audio.is_file():
        sys.exit(f"error: there is no file {args.audio}; give the path of a recording")
    try:
        audio, rate = soundfile.read(args.audio, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        sys.exit(f"error: {args.audio} cannot be read as audio: {error}")
    audio = soxr.resample(audio.mean(axis=1), rate, RATE)
    settings = {"word_timestamps": True} if args.words else {}
    pipeline = WhisperPipeline(FOLDER, args.device, **settings)
    config = pipeline.get_generation_config()
    if args.words and not config.alignment_heads:
        sys.exit("error: --words needs `alignment_heads` in generation_config.json; none are there")
    asked = {"return_timestamps": args.timestamps, "word_timestamps": args.words}
    if config.is_multilingual:
        known = [token.strip("<|>") for token in config.lang_to_id]
        if args.language not in (None, *known):
            known = ", ".join(known)
            sys.exit(
                f"error: this model does not know language `{args.language}`; it knows {known}"
            )
        asked |= {"task": args.task} | ({"language": args.language} if args.language else {})
    elif args.language not in (None, "en") or args.task != "transcribe":
        sys.exit("error: this model is English-only; it transcribes English and nothing else")
    heard = pipeline.generate(audio, **asked)
    if args.words:
        for word in heard.words:
            print(f"{time_of(word.start_ts)} {time_of(word.end_ts)} {word.word.strip()}")
    elif args.timestamps:
        for one in heard.chunks:
            print(f"{time_of(one.start_ts)} {time_of(one.end_ts)} {one.text.strip()}")
    else:
        print(heard.texts[0].strip())


if __name__ == "__main__":
    main()
