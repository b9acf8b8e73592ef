"""Transcribe or translate a recording with the compiled model in this script's own folder.

Examples:
    python transcribe.py speech.mp3 --language ko --task translate
    python transcribe.py lecture.flac --timestamps

Needs openvino-genai, soundfile and soxr. Audio of any length and rate, as WAV, FLAC,
OGG or MP3. Whisper hears 30 s at a time, and OpenVINO GenAI walks through longer audio by
timestamps.
"""

import argparse
import hashlib
import os
import struct
import sys
from pathlib import Path

try:
    import numpy as np
    import soundfile
    import soxr
    from openvino_genai import WhisperPipeline
except ImportError as error:
    sys.exit(
        f"error: {error}; README.md says which packages this needs, and in which versions (those"
        f" of PYTHONPATH, `{os.environ.get('PYTHONPATH', '')}`, come first: `unset PYTHONPATH`)"
    )

NAME = "SHA256SUMS"
# The script may be a link into the folder; in a cache of the Hub, every file is a link out of it.
FOLDERS = (Path(__file__).parent, Path(__file__).resolve().parent)
FOLDER = next((one for one in FOLDERS if (one / NAME).is_file()), FOLDERS[0])
SUMS = FOLDER / NAME
LOADED = (".bin", ".json", ".xml")  # files of the folder that OpenVINO GenAI reads
RATE = 16_000  # Hz
FEWEST = 201  # samples: half a window of the spectrogram, which OpenVINO GenAI mirrors, and one
KINDS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")
CLOSED = 141  # exit status where whoever read the output has ended: as a shell says it
UNKNOWN = 0x7FFF_0000  # a size from which on it stands for an unknown one: written to a pipe


def read(path: Path) -> np.ndarray:
    """The samples of a recording, mono, 16 kHz, float32 [time]."""
    try:
        if not path.is_file():
            sys.exit(f"error: there is no file {path}; give the path of a recording")
        said, data = soundfile.info(path), path.read_bytes()
        fault = fault_of(data, said.format)
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    # A .raw is a TypeError, and a FLAC that does not say how long it is a ValueError.
    except (OSError, TypeError, ValueError, soundfile.SoundFileError) as error:
        sys.exit(f"error: {path} cannot be read as audio: {error}; give a WAV, FLAC, OGG or MP3")
    is_estimated = said.format == "MP3" and not (b"Xing" in data or b"Info" in data)
    if len(audio) < said.frames and not is_estimated:
        fault = f"was cut off: {len(audio)} of {said.frames} samples are there"
    if fault:
        sys.exit(f"error: {path} {fault}; give a whole WAV, FLAC, OGG or MP3")
    if not len(audio):
        sys.exit(f"error: {path} holds no sound, or its header says so; write it anew")
    if not np.isfinite(audio).all():
        sys.exit(f"error: {path} holds values that are no finite numbers; write it anew")
    audio = soxr.resample(audio.mean(axis=1), rate, RATE)
    if len(audio) < FEWEST:
        sys.exit(f"error: {path} is shorter than {FEWEST} samples at 16 kHz; give a longer one")
    return audio


def fault_of(data: bytes, kind: str) -> str:
    """Why libsndfile would read less than a file should hold, without a word; empty if it does not.

    Args:
        data: The file.
        kind: Its format, in libsndfile's words.
    """
    if kind not in KINDS:  # in which a lost end may not be noticed
        return f"is {kind}"
    if data.count(b"OggS\0\2") > 1:
        return "holds several Ogg streams, of which one can be read"
    if kind == "OGG":
        last = data[data.rfind(b"OggS\0") :].ljust(27, b"\0")
        is_whole = len(last) >= 27 + last[26] + sum(last[27 : 27 + last[26]])
        return "" if is_whole and last[5] & 4 else "was cut off: its last page is missing"
    at, order = 12, ">" if data[:4] == b"RIFX" else "<"
    while kind.startswith("WAV") and len(head := data[at : at + 8]) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        at += 8
        if name == b"data" and (there := len(data) - at) < size < UNKNOWN:
            return f"was cut off: {there} of {size} bytes of sound are there"
        at += size + size % 2
    return ""


def refuse_changed() -> None:
    """End where a file that is read is not what SHA256SUMS says: a damaged one may still hear."""
    if not SUMS.is_file():
        sys.exit(f"error: {SUMS} is missing; get the folder again, whole")
    lines = SUMS.read_text(encoding="utf-8", errors="replace").splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    for name in sorted({path.name for path in FOLDER.iterdir()} | sums.keys()):
        path = FOLDER / name
        is_loaded = "/" not in name and path.suffix in LOADED
        if is_loaded and (not path.is_file() or sha256_of(path) != sums.get(name)):
            sys.exit(
                f"error: {path} is missing, was changed or is not listed; get the folder again,"
                f" whole, or write its new sum into {SUMS.name} where the change was meant"
            )


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load(device: str, settings: dict[str, bool]) -> WhisperPipeline:
    """The model, on a device of OpenVINO's."""
    try:
        return WhisperPipeline(FOLDER, device, **settings)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1]  # those before it are places in OpenVINO's source
        sys.exit(f"error: {FOLDER} cannot be loaded on the device {device}: {why}")


def time_of(seconds: float) -> str:
    """`1:02:03.45`; `-` for what has no end, which OpenVINO GenAI says by a negative one."""
    if seconds < 0:
        return "-"
    minutes, rest = divmod(round(100 * seconds), 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 100:05.2f}"


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
    audio = read(args.audio)
    settings = {"word_timestamps": True} if args.words else {}
    refuse_changed()
    pipeline = load(args.device, settings)
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
    try:
        try:
            main()
        finally:
            sys.stdout.flush()  # here, where it can be said that this fails
    except OSError as error:
        if error.filename:
            sys.exit(f"error: cannot read {error.filename}: {error.strerror}")
        # Of the output. Where its pipe was closed, nobody wants more of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again
        is_closed = isinstance(error, BrokenPipeError)
        sys.exit(CLOSED if is_closed else f"error: cannot write the text: {error.strerror}")
