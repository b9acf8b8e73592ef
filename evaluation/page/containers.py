"""Sound out of files that telephones and browsers write, and soundfile does not read: M4A, WebM."""

from pathlib import Path

import av
import numpy as np
import soundfile

from common.files import replacing
from data.sound_header import Broken


def is_container(data: bytes) -> bool:
    """Whether a file is MPEG-4 (M4A, MP4, MOV, 3GP), Matroska (WebM, MKV), AMR, AAC or WMA."""
    heads = (b"\x1aE\xdf\xa3", b"#!AMR", b"\xff\xf1", b"\xff\xf9", b"0&\xb2u")
    return data[4:8] == b"ftyp" or data.startswith(heads)


def as_flac(path: Path, seconds: float) -> Path:
    """The first sound of a file, mono, at its own rate, in a FLAC file beside it.

    Args:
        path: The file.
        seconds: After which reading ends, so that a long file takes no more memory.

    Raises:
        Broken: It holds no sound, or cannot be decoded.
    """
    blocks: list[np.ndarray] = []
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                raise Broken("holds no sound")
            rate = container.streams.audio[0].rate
            resampler = av.AudioResampler("s16", "mono", rate)
            for frame in container.decode(audio=0):
                blocks += [one.to_ndarray()[0] for one in resampler.resample(frame)]
                if frame.time is not None and frame.time > seconds:
                    break
    except av.FFmpegError as error:
        raise Broken("is damaged or was cut off: it cannot be decoded to its end") from error
    out = path.with_suffix(".flac")
    with replacing(out) as temporary:
        soundfile.write(temporary, np.concatenate([*blocks, np.empty(0, np.int16)]), rate)
    return out
