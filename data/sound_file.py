"""What an audio file holds, whatever its header says of its length.

libsndfile believes headers: it reads no more than they say, and of a file that was cut off it
reads what is left without a word. Files that were written to a pipe say 0, or as much as their
header can, instead of a length; see `mended` and `refuse_cut_off` for those of each format.
"""

import io
import mmap
import re
from pathlib import Path

import numpy as np
import soundfile

Data = bytes | mmap.mmap

UNKNOWN = 0x7FFF_0000  # a size in bytes from which on it stands for an unknown one
LONG = (b"RF64", b"BW64")  # WAV with sizes of 64 bits
BLOCK = 1 << 16  # samples read at a time
# libsndfile recognises an MP3 that lies in memory by its ID3 tag only: this one is empty.
ID3 = b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)
SIZE = re.compile(rb"(\w+) -i (\d+)\n")  # a line of a NIST header
FLAC_TOTAL = slice(21, 26)  # of STREAMINFO: 36 bits, the number of samples


class Broken(Exception):
    """A file that cannot be decoded as a whole; the message goes on from its name."""


def read_sound(data: bytes, seconds: float) -> tuple[np.ndarray, int]:
    """float32 [samples, channels] and their rate: all that a file holds.

    Reading ends early after more than `seconds`, so that a long file takes no more memory.

    Raises:
        Broken: it cannot be decoded, was cut off, or holds values that are not finite.
    """
    refuse_cut_off(data)
    if _is_chained(data):
        raise Broken("holds several Ogg streams, one after the other: only the first can be read")
    try:
        signal, rate = _read(mended(data), seconds)
    except Broken:  # a mended FLAC is read to the end of the file: through a tag there, say
        signal, rate = _read(data, seconds)
    if data[:4] == b"fLaC":
        said = int.from_bytes(data[FLAC_TOTAL], "big") % (1 << 36)
        _refuse_shorter(len(signal), said, seconds * rate)
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
        is_small = _is_mpeg(data) or data[:4] in LONG
        _opened(_Memory(mended(data[:])) if is_small else data).close()


def refuse_cut_off(data: Data) -> None:
    """Raise `Broken` if a file ends before what its header promises."""
    promised, there = 0, 0
    if found := _sound_chunk(data):
        _, promised, there = found
    elif data[:4] == b".snd":  # AU
        promised = int.from_bytes(data[8:12], "big")
        there = len(data) - int.from_bytes(data[4:8], "big")
    elif data[:7] == b"NIST_1A":
        sizes = {name: int(value) for name, value in SIZE.findall(data[: 1 << 10])}
        promised = sizes.get(b"sample_count", 0) * sizes.get(b"channel_count", 1)
        promised *= sizes.get(b"sample_n_bytes", 1)
        there = len(data) - int(data[8:16])
    elif data[:4] == b"riff":  # W64
        promised, there = int.from_bytes(data[16:24], "little"), len(data)
    elif data[:4] == b"OggS":
        _refuse_open_end(data)
    if there < promised < UNKNOWN:
        raise Broken(f"was cut off: {there} of {promised} bytes are there")


def _refuse_open_end(data: Data) -> None:
    """Raise `Broken` if the last page of an Ogg file is not whole, or not the end of a stream.

    RFC 3533, section 6: flags in byte 5, the number of segments in byte 26, then their lengths.
    """
    last = data.rfind(b"OggS\0")
    page = data[last : last + 27 + 255]
    segments = page[26] if len(page) > 26 else 255
    whole = last + 27 + segments + sum(page[27 : 27 + segments]) <= len(data)
    if not whole or not page[5] & 4:
        raise Broken("was cut off: its last page is not a whole one, or not the end of a stream")


def mended(data: bytes) -> bytes:
    """The file with sizes that make libsndfile read it to its end; itself where they do already."""
    if data[:4] == b"fLaC":
        total = bytes([data[FLAC_TOTAL.start] & 0xF0]) + bytes(4)
        return data[: FLAC_TOTAL.start] + total + data[FLAC_TOTAL.stop :]
    found = _sound_chunk(data)
    if found and data[:4] != b"FORM":
        at, promised, there = found
        if promised == 0 or promised >= UNKNOWN:
            order = "big" if data[:4] == b"RIFX" else "little"
            kind = b"RIFF" if data[:4] in LONG else data[:4]
            return kind + data[4 : at - 4] + there.to_bytes(4, order) + data[at:]
    return data


def _sound_chunk(data: Data) -> tuple[int, int, int] | None:
    """Of a WAV or AIFF file: where the sound begins, its size by the header, and the size there is.

    None of other formats, and where no such chunk begins in the file.
    """
    wanted = dict.fromkeys((b"RIFF", b"RIFX", *LONG), b"data") | {b"FORM": b"SSND"}
    wanted = wanted.get(data[:4])
    order = "big" if data[:4] in (b"RIFX", b"FORM") else "little"
    at, long_size = 12, 0
    while wanted and at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], order)
        at += 8
        if name == b"ds64":  # sizes of 64 bits: of the file, then of the sound
            long_size = int.from_bytes(data[at + 8 : at + 16], order)
        if name == wanted:
            return at, long_size if data[:4] in LONG else size, len(data) - at
        at += size + size % 2
    return None


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
        # Of other MP3 files libsndfile estimates the length.
        if sound.format == "MP3" and re.search(rb"Xing|Info", data[:BLOCK]):
            _refuse_shorter(samples, sound.frames, most)
        return np.concatenate(blocks), sound.samplerate


def _refuse_shorter(samples: int, said: int, most: float) -> None:
    if samples < min(said, most):
        raise Broken(f"was cut off: {samples} of {said} samples are there")


def _is_chained(data: bytes) -> bool:
    """Whether an Ogg stream begins after pages of another."""
    flags = [page[0] for page in re.findall(rb"OggS\0(.)", data, re.DOTALL)]
    begins = [bool(flag & 2) for flag in flags] if data[:4] == b"OggS" else []
    return begins != sorted(begins, reverse=True)


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
        super().__init__(ID3 + data if _is_mpeg(data) else data)


class _Mapped(_Lenient, mmap.mmap):
    """Has no name, by whose ending a format without a header would be guessed."""


class _Forward(soundfile.SoundFile):
    """A sound file that is read from its start to its end, however long it says that it is."""

    def seekable(self) -> bool:
        """False: no seeking after each block, which fails where the length is not known."""
        return False


def _is_mpeg(data: Data) -> bool:
    """Whether a file begins with a frame of MPEG audio (eleven bits are set), without a tag."""
    return len(data) > 1 and data[0] == 0xFF and data[1] >= 0xE0
