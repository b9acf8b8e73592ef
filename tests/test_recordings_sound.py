"""Audio files as they come: each decodes to what it holds, or is named in a sentence."""

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common.cli import UserError
from common.files import read_json, read_jsonl
from data.choose import draw
from data.own_audio import read_index
from data.prepare import main as prepare
from data.sound_file import read_sound
from data.sound_header import Broken
from tests.data_fleurs import listed, row, tone, write_index, write_split

SAMPLES = 32_000
TAG = b"TAG" + bytes(125)  # that music players append


def sound(kind: str, subtype: str | None = None, samples: int = SAMPLES) -> bytes:
    buffer = io.BytesIO()
    signal = tone(samples / 16_000)
    soundfile.write(buffer, signal, 16_000, format=kind, subtype=subtype)
    return buffer.getvalue()


def wav(riff: int, data: int) -> bytes:
    """A WAV file whose header says other sizes."""
    file = bytearray(sound("WAV"))
    place = file.index(b"data")
    file[4:8], file[place + 4 : place + 8] = struct.pack("<I", riff), struct.pack("<I", data)
    return bytes(file)


def flac(total: int) -> bytes:
    """A FLAC file whose header says another number of samples."""
    file = bytearray(sound("FLAC"))
    file[22:26] = total.to_bytes(4, "big")
    return bytes(file)


def rf64(size: int) -> bytes:
    file = bytearray(sound("RF64"))
    place = file.index(b"ds64") + 8
    file[place : place + 24] = 3 * size.to_bytes(8, "little")
    return bytes(file)


def au() -> bytes:
    file = sound("AU")
    return file[:8] + b"\xff" * 4 + file[12:]


def aiff(size: int) -> bytes:
    file = bytearray(sound("AIFF"))
    place, common = file.index(b"SSND"), file.index(b"COMM")
    file[place + 4 : place + 8] = file[4:8] = size.to_bytes(4, "big")
    file[common + 10 : common + 14] = size.to_bytes(4, "big")
    return bytes(file)


WHOLE = {
    "wav of a pipe, all bits": lambda: wav(0xFFFFFFFF, 0xFFFFFFFF),
    "wav of a pipe, zero": lambda: wav(0, 0),
    "wav of a pipe, zero but for the header": lambda: wav(36, 0),
    "wav of a pipe, 2 GB": lambda: wav(0x7FFFF024, 0x7FFFF000),
    "wav of a pipe, 2 GiB": lambda: wav(0x80000000, 0x80000000),
    "wav of a recorder that was switched off": lambda: wav(2 * SAMPLES + 36, 0),
    "rf64 of a pipe, zero": lambda: rf64(0),
    "rf64 of a pipe, all bits": lambda: rf64((1 << 64) - 1),
    "flac of a pipe": lambda: flac(0),
    "flac that says less": lambda: flac(5000),
    "flac with a tag at its end": lambda: sound("FLAC") + TAG,
    "au of a pipe": au,
    "aiff of a pipe, zero": lambda: aiff(0),
    "aiff of a pipe, all bits": lambda: aiff(0x7FFFFFFF),
    "mp3 without a tag": lambda: sound("MP3"),
    "mp3 with a tag at its end": lambda: sound("MP3") + TAG,
    "ogg with a tag at its end": lambda: sound("OGG") + TAG,
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_file_decodes_to_what_it_holds(case: str) -> None:
    signal, rate = read_sound(WHOLE[case](), 30)
    assert (signal.shape, rate) == ((SAMPLES, 1), 16_000)
    assert np.abs(signal - tone(2)).mean() < 0.03  # mp3 and ogg lose something


def test_no_more_is_decoded_than_can_be_used() -> None:
    signal, _ = read_sound(sound("FLAC", samples=16_000 * 40), 30)
    assert 30 * 16_000 < len(signal) < 36 * 16_000


CUT = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "MP3", "OGG", "OPUS")
FORMATS = {"OPUS": ("OGG", "OPUS")}


@pytest.mark.parametrize("end", [0.5, 0.97])
@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_was_cut_off_is_not_a_shorter_one(kind: str, end: float) -> None:
    file = sound(*FORMATS.get(kind, (kind,)), samples=160_000)
    assert len(read_sound(file, 30)[0]) == 160_000
    with pytest.raises(Broken, match=r"cut off|whole header"):
        read_sound(file[: int(end * len(file))], 30)


def test_a_tag_before_the_sound_hides_nothing() -> None:
    picture = b"ID3\x03\0\0" + bytes([0, 8, 0, 0]) + bytes(8 << 14)  # in seven bits a byte
    assert len(read_sound(picture + sound("MP3"), 30)[0]) == SAMPLES
    with pytest.raises(Broken, match="was cut off"):
        read_sound(picture + sound("MP3")[:3000], 30)


def test_an_ogg_of_several_streams_is_not_the_first() -> None:
    with pytest.raises(Broken, match="holds several Ogg streams"):
        read_sound(sound("OGG") + sound("OGG"), 30)


def summed(page: bytes) -> bytes:
    """A page of Ogg with the checksum that it should have: bit by bit, after RFC 3533."""
    page, value = page[:22] + bytes(4) + page[26:], 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x104C11DB7) if value >> 31 else value << 1
    return page[:22] + value.to_bytes(4, "little") + page[26:]


def ending_at(granule: int, file: bytes) -> bytes:
    """An Ogg file whose last page says that the sound ends there."""
    last = file.rindex(b"OggS")
    at = granule.to_bytes(8, "little", signed=True)
    return file[:last] + summed(file[last : last + 6] + at + file[last + 14 :])


@pytest.mark.parametrize("kind", ["VORBIS", "OPUS"])
def test_an_ogg_with_a_hole_or_a_wrong_end_is_not_a_shorter_one(kind: str) -> None:
    file = sound("OGG", kind, 160_000)
    pages = [place for place in range(len(file)) if file[place : place + 5] == b"OggS\0"]
    assert all(summed(file[a:b]) == file[a:b] for a, b in itertools.pairwise(pages))
    assert len(read_sound(file + bytes(300), 30)[0]) == 160_000
    begin, end = pages[3:5]
    flipped = bytearray(file)
    flipped[begin + 300] ^= 1
    last = bytearray(file)
    last[pages[-1] + 6] ^= 1
    for hole in (file[:begin] + file[end:], bytes(flipped)):
        with pytest.raises(Broken, match="is damaged: pages of its middle are missing"):
            read_sound(hole, 30)
    with pytest.raises(Broken, match="was cut off: its last page is not a whole one"):
        read_sound(bytes(last), 30)
    for granule in (-1, 0, 960):
        with pytest.raises(Broken, match=f"is damaged: it ends at sample {granule} by its last"):
            read_sound(ending_at(granule, file), 30)


# --- in a run


def own(folder: Path, *names: str) -> Path:
    """The listing of own recordings."""
    lines = [{"file": name, "language": "ko", "text": f"text of {name}"} for name in names]
    index = write_index(folder, lines)
    paths = [index, *(folder / entry.file for entry in read_index(index, "ko_kr"))]
    return listed(folder, "files", "ko_kr", paths, folder / "out")


def run(files: Path, samples: int = 1, pool: str = "all", **more: Path) -> list[dict]:
    out = files.parent / "ko_kr.jsonl"
    given = ["--use", "calibration", "--language", "ko_kr", "--files", str(files), "--seed", "0"]
    given += ["--samples", str(samples), "--pool", pool, "--silence", "-55", "--out", str(out)]
    for name, value in more.items():
        given += [f"--{name}", str(value)]
    prepare(given)
    return read_jsonl(out)


@pytest.mark.parametrize("case", WHOLE)
def test_the_length_is_what_decodes(tmp_path: Path, case: str) -> None:
    (tmp_path / "a").write_bytes(WHOLE[case]())
    assert [line["seconds"] for line in run(own(tmp_path, "a"))] == [2.0]


def nan(rate: int, value: float = np.nan) -> bytes:
    signal = tone(2, rate)
    signal[1000:1010:2], signal[1001:1011:2] = value, -value
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, rate, subtype="FLOAT", format="WAV")
    return buffer.getvalue()


UNUSABLE = {
    "x.wav": (lambda: sound("WAV")[:-2], "was cut off: 63998 of 64000 bytes are there"),
    "x.mp3": (lambda: sound("MP3")[:3000], "was cut off: .* samples are there"),
    "x.flac": (lambda: flac(0)[:-3000], "is damaged or was cut off"),
    "x.ogg": (lambda: sound("OGG")[:-3000], "its last page is not a whole one"),
    "head.flac": (lambda: b"fLaC" + bytes(10), "has no whole header of WAV, FLAC"),
    "x.nist": (
        lambda: sound("NIST", "PCM_16").replace(b"   1024\n", b"   1\xff24\n"),
        "is damaged: its header does not say how long it is itself",
    ),
    "x.raw": (lambda: sound("RAW", "PCM_16"), "has no whole header of WAV, FLAC"),
    "x.vox": (lambda: sound("RAW", "VOX_ADPCM"), "has no whole header of WAV, FLAC"),
    "x": (lambda: bytes(50_000), "has no whole header of WAV, FLAC"),
    "0.wav": (lambda: b"", "cannot be read as audio: it is empty"),
    "16 kHz.wav": (lambda: nan(16_000), "holds values that are not finite numbers"),
    "huge.wav": (lambda: nan(22_050, 3e38), "holds values that are too large to be sound"),
    "inf.wav": (lambda: nan(22_050, np.inf), "holds values that are not finite numbers"),
    "22 kHz.wav": (lambda: nan(22_050), "holds values that are not finite numbers"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content, reason = UNUSABLE[name]
    (tmp_path / name).write_bytes(content())
    files = own(tmp_path, name)
    with pytest.raises(UserError, match=f"/{name}, which .*index.csv lists, .*{reason}") as error:
        run(files)
    assert str(error.value).endswith(": replace it, or remove its line")
    assert not (files.parent / "ko_kr.jsonl").exists()
    assert "Traceback" not in capfd.readouterr().err  # of the library that reads sound


def test_the_first_bytes_of_a_flac_file_are_no_sound() -> None:
    with pytest.raises(Broken, match="has no whole header"):
        read_sound(flac(0)[:20], 30)


def test_all_files_with_a_broken_header_are_named_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{n}.wav" for n in range(6)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(sound("WAV")[: None if number == 0 else 20_000])
    with pytest.raises(UserError, match=r"1\.wav, .* \(and 4 more, such as 2\.wav, 3\.wav\)"):
        run(own(tmp_path, *names))
    assert all(name in capsys.readouterr().err for name in names[2:3])


def test_a_data_set_is_used_without_its_broken_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is as it was published; how many, and which, is said and written down."""
    first, second, *good = sorted(range(1, 5), key=lambda one: draw(0, "sentence", one))
    broken = [row(first, 0, sound=sound("WAV")[:-400]), row(second, 0, sound=nan(22_050))]
    parquet = write_split(tmp_path, "ko_kr", [*broken, *(row(s, 0) for s in good)])
    files = listed(tmp_path, "parquet", "ko_kr", [parquet], tmp_path / "out")
    out = tmp_path / "out/left_out.json"
    assert {line["sentence_id"] for line in run(files, 2, **{"left-out": out})} == set(good)
    said = capsys.readouterr().err
    assert "ko_kr: left out 2 not decodable" in said
    assert f"0000{first}0.wav was cut off" in said
    names = [f"0000{one}0.wav" for one in sorted([first, second])]
    assert read_json(out) == {"not decodable": names}


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    (tmp_path / "short.wav").write_bytes(sound("WAV", samples=8_000))
    (tmp_path / "long.flac").write_bytes(sound("FLAC", samples=16_000 * 31))
    (tmp_path / "a.wav").write_bytes(sound("WAV"))
    files = own(tmp_path, "short.wav", "long.flac", "a.wav")
    with pytest.raises(UserError, match=r"1 longer than 30 s, 1 shorter than 1 s"):
        run(files, 3)
