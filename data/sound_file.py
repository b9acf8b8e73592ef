"""Read all that an audio file holds, whatever its header says of its length."""

import io
import mmap
from pathlib import Path

import numpy as np
import soundfile

from data.sound_header import (
    LONG,
    Broken,
    counts_frames,
    flac_samples,
    is_chained,
    is_mpeg,
    mended,
    refuse_cut_off,
    refuse_holes,
)

BLOCK = 1 << 16  # samples read at a time
# libsndfile recognises an MP3 that lies in memory by its ID3 tag only: this one is empty.
ID3 = b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)


def read_sound(data: bytes, seconds: float) -> tuple[np.ndarray, int]:
    """float32 [samples, channels] and their rate: all that a file holds.

    Reading ends early after more than `seconds`, so that a long file takes no more memory.

    Raises:
        Broken: it cannot be decoded, was cut off, or holds values that are not finite.
    """
    refuse_cut_off(data)
    if is_chained(data):
        raise Broken("holds several Ogg streams, one after the other: only the first can be read")
    refuse_holes(data)
    try:
        signal, rate = _read(mended(data), seconds)
    except Broken:  # a mended FLAC is read to the end of the file: through a tag there, say
        signal, rate = _read(data, seconds)
    _refuse_shorter(len(signal), flac_samples(data), seconds * rate)
    if not len(signal) and len(data) > BLOCK:
        raise Broken("cannot be read as audio: its header says that nothing follows it")
    if not np.isfinite(signal).all():
        raise Broken("holds values that are not finite numbers (NaN or infinity)")
    return signal, rate


def check_header(path: Path) -> None:
    """Look at what can be known of a file without decoding it.

    Raises:
        Broken: it is no audio file, or was cut off.
    """
    if not path.stat().st_size:
        raise Broken("cannot be read as audio: it is empty")
    with path.open("rb") as file, _Mapped(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        refuse_cut_off(data)
        is_small = is_mpeg(data) or data[:4] in LONG
        _opened(_Memory(mended(data[:])) if is_small else data).close()


def _read(data: bytes, seconds: float) -> tuple[np.ndarray, int]:
    with _opened(_Memory(data)) as sound:
        most = seconds * sound.samplerate
        blocks = [np.empty((0, sound.channels), np.float32)]
        samples = 0
        try:
            while samples <= most and samples < sound.frames:
                size = min(BLOCK, sound.frames - samples)
                blocks.append(sound.read(size, dtype="float32", always_2d=True))
                samples += len(blocks[-1])
                if not len(blocks[-1]):
                    break
        except soundfile.SoundFileError as error:
            raise Broken("is damaged or was cut off: it cannot be decoded to its end") from error
        if sound.format == "MP3" and counts_frames(data):  # of others the length is an estimate
            _refuse_shorter(samples, sound.frames, most)
        return np.concatenate(blocks), sound.samplerate


def _refuse_shorter(samples: int, said: int, most: float) -> None:
    if samples < min(said, most):
        raise Broken(f"was cut off: {samples} of {said} samples are there")


def _opened(file: io.BytesIO | mmap.mmap) -> soundfile.SoundFile:
    try:
        return _Forward(file)
    except soundfile.SoundFileError as error:
        raise Broken(
            "cannot be read as audio: it has no whole header of WAV, FLAC, Ogg, MP3 or another"
            " format that soundfile reads"
        ) from error


class _Lenient:
    """A file in which seeking to a place that cannot be is no error.

    libsndfile does so in files that are none of its formats, and would print a traceback.
    """

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek, or stay."""
        try:
            return super().seek(offset, whence)
        except (OSError, ValueError):
            return self.tell()


class _Memory(_Lenient, io.BytesIO):
    def __init__(self, data: bytes) -> None:
        super().__init__(ID3 + data if is_mpeg(data) else data)


class _Mapped(_Lenient, mmap.mmap):
    """Has no name, by whose ending a format without a header would be guessed."""


class _Forward(soundfile.SoundFile):
    """A sound file that is read from its start to its end, however long it says that it is."""

    def seekable(self) -> bool:
        """False: no seeking after each block, which fails where the length is not known."""
        return False
