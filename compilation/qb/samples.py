"""A calibration set, looked at before the NPU vendor's compiler reads it: it aborts on some faults.

Only the standard library is used: this also runs in the interpreter that has the compiler.
"""

import ast
import json
import math
from pathlib import Path
from typing import Any

from common.files import sha256_of
from compilation.qb.limits import Refused

MAGIC = b"\x93NUMPY"
FRAMES = 2  # mel frames a position of the encoder
AGAIN = "delete the set's manifest.json and run the same command again"


def frames_of(config: dict[str, Any]) -> int:
    """Mel frames of a window, by a checkpoint's config.json: 3000 in every published Whisper."""
    return FRAMES * config["max_source_positions"]


def check_samples(listing: Path, part: str, config: dict[str, Any]) -> int:
    """Check every file of a list; return the number of samples.

    Args:
        listing: A .txt of the encoder's paths, or a .json of the decoder's.
        part: encoder or decoder.
        config: The checkpoint's config.json.

    Raises:
        Refused: a file is missing, or has another type, shape or layout than the part takes.
    """
    if not listing.is_file():
        raise Refused(f"{listing} is missing; make the calibration set first")
    width, positions = config["d_model"], config["max_source_positions"]
    if part == "encoder":
        paths = [Path(line) for line in listing.read_text(encoding="utf-8").splitlines()]
        expected = [[1, frames_of(config), config["num_mel_bins"]]]
        samples = [[path] for path in paths]
    else:
        listed = json.loads(listing.read_text(encoding="utf-8"))["calib paths"]
        samples = [[Path(path) for path in pair] for pair in listed]
        expected = [[1, None, width], [1, positions, width]]
    if not samples:
        raise Refused(f"{listing} lists no sample; make the calibration set again")
    digests = _listed(listing.with_name("manifest.json"))
    for paths in samples:
        if len(paths) != len(expected):
            raise Refused(f"{listing} has {len(paths)} files for a sample, not {len(expected)}")
        for path, shape in zip(paths, expected, strict=True):
            _check_array(path, shape)
            if digests.get(path, "") not in ("", sha256_of(path)):
                raise Refused(f"{path} was changed since the set was made; {AGAIN}")
    return len(samples)


def _listed(manifest: Path) -> dict[Path, str]:
    """SHA-256 of the files of a set, where there is a manifest of it."""
    if not manifest.is_file():
        return {}
    samples = json.loads(manifest.read_text(encoding="utf-8"))["samples"]
    entries = [one for sample in samples for one in (sample, *sample.values())]
    files = [one for one in entries if isinstance(one, dict) and {"file", "sha256"} <= set(one)]
    return {manifest.parent / one["file"]: one["sha256"] for one in files}


def _check_array(path: Path, expected: list[Any]) -> None:
    if not path.is_file():
        raise Refused(f"{path} is missing; {AGAIN}")
    header, data = _read_header(path)
    if header is None:
        raise Refused(f"{path} is not a .npy file; {AGAIN}")
    shape = list(header["shape"])
    order = "Fortran" if header["fortran_order"] else "C"
    if (header["descr"], order) != ("<f4", "C"):
        raise Refused(f"{path} holds {header['descr']} in {order} order, not <f4 in C; {AGAIN}")
    fits = len(shape) == len(expected) and all(
        size > 0 and size == (size if wanted is None else wanted)
        for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        raise Refused(f"{path} has the shape {shape} where the part takes {expected}; {AGAIN}")
    size = data + 4 * math.prod(shape)
    if path.stat().st_size != size:
        raise Refused(f"{path} has {path.stat().st_size} bytes, not {size}; {AGAIN}")


def _read_header(path: Path) -> tuple[Any, int]:
    """The header of a .npy file (format 1 or 2), and where its data begins; None if it has none.

    After numpy.lib.format, which the interpreter may not have.
    """
    with path.open("rb") as file:
        if file.read(6) != MAGIC:
            return None, 0
        version = file.read(2)[0]
        digits = 2 if version == 1 else 4
        length = int.from_bytes(file.read(digits), "little")
        return ast.literal_eval(file.read(length).decode("latin1")), 8 + digits + length
