"""What the header of an audio file says of its length, and what there is.

libsndfile believes headers: it reads no more than they say, and of a file that was cut off it
reads what is left without a word. Files that were written to a pipe say 0, or as much as their
header can, instead of a length.
"""

import mmap
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

Data = bytes | mmap.mmap

UNKNOWN = 0x7FFF_0000  # a size in bytes from which on it stands for an unknown one
LONG = (b"RF64", b"BW64")  # WAV with sizes of 64 bits
SIZE = re.compile(rb"(\w+) -i (\d+)\n")  # a line of a NIST header
FLAC_TOTAL = slice(21, 26)  # of STREAMINFO: 36 bits, the number of samples


class Broken(Exception):
    """A file that cannot be decoded as a whole; the message goes on from its name."""


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
        if not (own := data[8:16].strip()).isdigit():
            raise Broken("is damaged: its header does not say how long it is itself")
        there = len(data) - int(own)
    elif data[:4] == b"riff":  # W64
        promised, there = int.from_bytes(data[16:24], "little"), len(data)
    elif data[:4] == b"OggS":
        _refuse_open_end(data)
    if there < promised < UNKNOWN:
        raise Broken(f"was cut off: {there} of {promised} bytes are there")


class Page(NamedTuple):
    """A page of an Ogg file: RFC 3533, section 6."""

    end: int  # byte of the file
    flags: int
    granule: int  # samples up to its end; -1 where no packet ends in it
    stream: int
    number: int
    is_whole: bool  # is all there, as it was written
    is_empty: bool


REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _page(data: Data, at: int) -> Page:
    """The page that begins at a byte, by its header: flags, sizes of segments, and a checksum."""
    head = data[at : at + 27 + 255]
    segments = head[26] if len(head) > 26 else 255
    end = at + 27 + segments + sum(head[27 : 27 + segments])
    flags, granule, stream, number, said = (
        int.from_bytes(head[begin : begin + size], "little", signed=size == 8)
        for begin, size in ((5, 1), (6, 8), (14, 4), (18, 4), (22, 4))
    )
    # zlib's sum takes the lowest bit of a byte first, Ogg's the highest; and begins with another.
    page = data[at : at + 22] + bytes(4) + data[at + 26 : end]
    reverse = zlib.crc32(page.translate(REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    is_whole = end <= len(data) and int(f"{reverse:032b}"[::-1], 2) == said
    return Page(end, flags, granule, stream, number, is_whole, not segments)


def _refuse_open_end(data: Data) -> None:
    """Raise `Broken` if the last page of an Ogg file is not whole, or not the end of a stream."""
    last = _page(data, data.rfind(b"OggS\0"))
    if not last.is_whole or not last.flags & 4:
        raise Broken("was cut off: its last page is not a whole one, or not the end of a stream")


def _pages(data: Data) -> Iterator[Page]:
    at = 0
    while at >= 0:
        page = _page(data, at)
        yield page
        at = data.find(b"OggS\0", page.end)


def refuse_holes(data: Data) -> None:
    """Raise `Broken` if pages of an Ogg file are missing or damaged: decoders go on without a word.

    So they do with a last page that says a smaller length than those before it: at those it ends.
    """
    numbers: dict[int, int] = {}
    longest: dict[int, int] = {}
    for page in _pages(data) if data[:4] == b"OggS" else ():
        if not page.is_whole or page.number != numbers.get(page.stream, page.number):
            raise Broken("is damaged: pages of its middle are missing, or not as they were written")
        numbers[page.stream] = page.number + 1
        is_end = page.flags & 4 and not page.is_empty
        if is_end and page.granule < max(longest.get(page.stream, 0), 1):
            raise Broken(f"is damaged: it ends at sample {page.granule} by its last page")
        longest[page.stream] = max(longest.get(page.stream, 0), page.granule)


def mended(data: bytes) -> bytes:
    """The file with sizes that make libsndfile read it to its end; itself where they do already."""
    if data[:4] == b"fLaC" and len(data) >= FLAC_TOTAL.stop:
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


def flac_samples(data: bytes) -> int:
    """How many samples there are by the header of a FLAC file; 0 stands for unknown, or others."""
    return int.from_bytes(data[FLAC_TOTAL], "big") % (1 << 36) if data[:4] == b"fLaC" else 0


def is_chained(data: bytes) -> bool:
    """Whether an Ogg stream begins after pages of another."""
    flags = [page[0] for page in re.findall(rb"OggS\0(.)", data, re.DOTALL)]
    begins = [bool(flag & 2) for flag in flags] if data[:4] == b"OggS" else []
    return begins != sorted(begins, reverse=True)


def is_mpeg(data: Data) -> bool:
    """Whether a file begins with a frame of MPEG audio (eleven bits are set), without a tag."""
    return len(data) > 1 and data[0] == 0xFF and data[1] >= 0xE0


def counts_frames(data: bytes) -> bool:
    """Whether the first frame of an MP3 file is one that says how many there are.

    An ID3v2 tag before it has its size in four times seven bits from byte 6 on.
    """
    size = sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    start = 10 + size if data[:3] == b"ID3" else 0
    return any(name in data[start : start + 200] for name in (b"Xing", b"Info"))
