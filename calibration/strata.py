"""What every clip is calibrated for: its stratum, drawn by quota."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from calibration.clips import is_silent
from calibration.prompts import PREVIOUS, STRATA, TIMESTAMPS, TRANSCRIBE, TRANSLATE
from data.clips import Clip


def shares_of(
    mix: dict[str, float], language: str, tasks: list[str], several: bool
) -> dict[str, float]:
    """The shares of the strata that a language's clips can be of, adding up to 1.

    English is never translated into English, and a clip needs another sentence for a text before.

    Args:
        mix: Share of each stratum.
        language: Whisper code.
        tasks: What the checkpoint can do.
        several: Whether the language has more than one sentence.
    """
    able = {
        TRANSCRIBE: True,
        TIMESTAMPS: True,
        TRANSLATE: "translate" in tasks and language != "en",
        PREVIOUS: several,
    }
    shares = {stratum: mix.get(stratum, 0) for stratum in STRATA if able[stratum]}
    total = sum(shares.values())
    return {s: share / total for s, share in shares.items()} if total else {TRANSCRIBE: 1.0}


def draw(clips: list[Clip], seed: int, mix: dict[str, float], tasks: list[str]) -> list[str]:
    """The stratum of every clip: over all clips, every share is met within one clip.

    Each language gets the whole part of its clips times each share; what is left over goes to the
    strata that the languages before it (by name) leave most short. So the order of clips takes no
    part, and another language moves at most that rest of those after it. Which of a language's
    clips they are, the seed says. The silent clip is transcribed and in no share.
    """
    owed = dict.fromkeys(STRATA, 0.0)
    drawn = {}
    for spoken, shares in _languages(clips, mix, tasks):
        quotas = _quotas(len(spoken), shares, owed)
        strata = [stratum for stratum, quota in quotas.items() for _ in range(quota)]
        keys = sorted(shuffle_key(clip, seed) for clip in spoken)
        drawn |= dict(zip(keys, strata, strict=True))
    return [TRANSCRIBE if is_silent(clip) else drawn[shuffle_key(clip, seed)] for clip in clips]


def expected(clips: list[Clip], mix: dict[str, float], tasks: list[str]) -> dict[str, float]:
    """How many clips of each stratum the shares ask for, over all languages."""
    total = dict.fromkeys(STRATA, 0.0)
    for spoken, shares in _languages(clips, mix, tasks):
        for stratum, share in shares.items():
            total[stratum] += len(spoken) * share
    return total


def _languages(
    clips: list[Clip], mix: dict[str, float], tasks: list[str]
) -> Iterator[tuple[list[Clip], dict[str, float]]]:
    """The clips of each language, by name, and the shares that they can meet."""
    languages = defaultdict(list)
    for clip in clips:
        if not is_silent(clip):
            languages[clip["language"]].append(clip)
    for _, spoken in sorted(languages.items()):
        several = len({clip["sentence_id"] for clip in spoken}) > 1
        yield spoken, shares_of(mix, spoken[0]["whisper_language"], tasks, several)


def _quotas(count: int, shares: dict[str, float], owed: dict[str, float]) -> dict[str, int]:
    """How many of a language's clips each stratum gets; `owed`, over all languages, is updated."""
    quotas = {stratum: int(count * share + 1e-9) for stratum, share in shares.items()}
    for stratum, share in shares.items():
        owed[stratum] += count * share - quotas[stratum]
    for _ in range(count - sum(quotas.values())):
        most = max((s for s in shares if shares[s]), key=lambda s: owed[s])
        quotas[most] += 1
        owed[most] -= 1
    return quotas


def shuffle_key(clip: Clip, seed: int) -> str:
    """A number that orders clips at random, by the seed and the clip's identity alone."""
    identity = f"{seed}/{clip['language']}/{clip['recording']}/{clip['fraction']}"
    return hashlib.sha256(identity.encode()).hexdigest()
