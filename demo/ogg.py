"""Ogg files with a chosen serial number: encoders draw a random one, which changes the bytes.

The page header is that of RFC 3533, section 6: serial number at byte 14, checksum at byte 22,
number of segments at byte 26, then the segment lengths.
"""

SERIAL = slice(14, 18)
CHECKSUM = slice(22, 26)
SEGMENTS = 26
POLYNOMIAL = 0x04C11DB7


def _table() -> list[int]:
    entries = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (POLYNOMIAL if value & 0x80000000 else 0)
        entries.append(value & 0xFFFFFFFF)
    return entries


TABLE = _table()


def checksum(page: bytes) -> int:
    """Ogg's CRC-32: not reflected, start value and final exclusive-or of zero."""
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ TABLE[(value >> 24) ^ byte]
    return value


def with_serial_number(file: bytes, serial: int) -> bytes:
    """The same Ogg file, its one logical stream numbered `serial`."""
    result, at = bytearray(), 0
    while at < len(file):
        if file[at : at + 4] != b"OggS":
            raise ValueError(f"no Ogg page at byte {at}")
        segments = file[at + SEGMENTS]
        lengths = file[at + SEGMENTS + 1 : at + SEGMENTS + 1 + segments]
        page = bytearray(file[at : at + SEGMENTS + 1 + segments + sum(lengths)])
        at += len(page)
        page[SERIAL] = serial.to_bytes(4, "little")
        page[CHECKSUM] = bytes(4)
        page[CHECKSUM] = checksum(page).to_bytes(4, "little")
        result += page
    return bytes(result)
