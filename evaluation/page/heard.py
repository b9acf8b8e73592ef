"""What something that runs a Whisper has made of a recording."""

from typing import NamedTuple

BROKEN = "\ufffd"  # what a tokenizer makes of a part of a character


class Settings(NamedTuple):
    """What is asked for."""

    language: str | None = None  # Whisper code; detected where not given
    task: str = "transcribe"  # or translate
    timestamps: bool = False  # of segments; audio beyond one window has them always


class Timed(NamedTuple):
    """A word or a segment, and when it is said."""

    text: str
    begin: float  # seconds
    end: float


class Heard(NamedTuple):
    """A text, and what it took."""

    text: str
    segments: list[Timed]
    words: list[Timed]  # none where the checkpoint does not say which heads align
    language: str | None  # Whisper code; None where nothing was detected or asked for
    seconds: float  # from audio to the whole text
    first_token: float  # seconds to the first token
    tokens_per_second: float
    real_time_factor: float  # seconds of computing per second of audio
    peak_bytes: int  # of the process, with the model in it


class Moved(NamedTuple):
    """A token of the float text, and how likely both models find it there."""

    before: str  # the text before it, its end
    token: str
    float: float  # probability, 0 to 1
    compiled: float
    instead: str  # what the compiled model finds most likely there; empty where it is the token


class Why(NamedTuple):
    """Of one window."""

    begin: float  # seconds: where the window begins
    seconds: float  # of audio in it
    texts: dict[str, str]  # by pairing of encoder and decoder
    distances: list[float]  # 1 - cosine of float and compiled states, a value each 0.1 s
    moved: list[Moved]  # the tokens whose probability moved most, most first


def spoken(settings: Settings, detected: str | None) -> str:
    """Whisper code of the language that a text is in.

    Args:
        settings: What was asked for.
        detected: Whisper code of what is spoken, where it was detected.
    """
    return "en" if settings.task == "translate" else settings.language or detected or "en"
