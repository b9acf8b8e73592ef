"""Recordings within a page: small, and the same bytes for the same sound."""

import base64
import io
import struct
from pathlib import Path

import soundfile

POLYNOMIAL = 0x04C11DB7  # of Ogg's checksum
SERIAL = 14  # place of the stream's number in the head of an Ogg page; its checksum is at 22


def address(path: Path) -> str:
    """A recording as a `data:` address, small: Opus in Ogg."""
    samples, rate = soundfile.read(path, dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="OGG", subtype="OPUS")
    return f"data:audio/ogg;base64,{base64.b64encode(numbered(file.getvalue())).decode()}"


def numbered(ogg: bytes) -> bytes:
    """An Ogg file of one stream, which gets the number 1: the library draws one at random."""
    pages, place = [], 0
    while place < len(ogg):
        segments = ogg[place + 26]
        head = 27 + segments
        end = place + head + sum(ogg[place + 27 : place + head])
        page = bytearray(ogg[place:end])
        struct.pack_into("<I4xI", page, SERIAL, 1, 0)
        struct.pack_into("<I", page, SERIAL + 8, checksum(page))
        pages.append(bytes(page))
        place = end
    return b"".join(pages)


def _shifted(value: int) -> int:
    for _ in range(8):
        value = (value << 1) ^ (POLYNOMIAL if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


TABLE = [_shifted(byte << 24) for byte in range(256)]


def checksum(page: bytes) -> int:
    """CRC-32 of an Ogg page whose checksum field is 0: not reflected, from 0, as it comes."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ TABLE[(value >> 24) ^ byte]
    return value
