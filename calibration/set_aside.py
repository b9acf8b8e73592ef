"""Setting aside what the checkpoint said of a clip where it is empty, in loops, or cut off."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tokenizers import Tokenizer

from calibration.clips import is_silent
from calibration.decoder_samples import with_human_text
from calibration.decoder_texts import decode
from calibration.float_whisper import FloatWhisper
from calibration.sample import GENERATED, Sample, with_kept
from common.cli import UserError
from common.repetition import loop_in
from data.whisper import is_timestamp


def set_aside_faulty(
    samples: list[Sample], whisper: FloatWhisper, settings: dict[str, Any], cache: Path
) -> tuple[list[Sample], list[dict[str, Any]]]:
    """The samples, those with a faulty text replaced; and a list of these, with the reason.

    What replaces one is the same clip with its human text: languages, strata and clips stay. The
    silent clip is left with its prompt alone, and does not count.

    Args:
        samples: All, decoded.
        whisper: Said the texts; embeds what replaces them.
        settings: `set_aside` and what a sample is made by.
        cache: Folder of what is kept.

    Raises:
        UserError: More than the share `set_aside` of the settings are faulty.
    """
    found = [_fault(sample, whisper) for sample in samples]
    faults = {index: fault for index, fault in enumerate(found) if fault}
    spoken = {index: fault for index, fault in faults.items() if not is_silent(samples[index].clip)}
    aside = [_entry(samples[index], fault) for index, fault in spoken.items()]
    _check_share(aside, len(samples), settings["set_aside"])
    human = [with_human_text(samples[index], whisper, settings) for index in faults]
    decoded = decode(with_kept(human, cache), whisper, settings["max_new_tokens"], cache)
    replaced = dict(zip(faults, decoded, strict=True))
    return [replaced.get(index, sample) for index, sample in enumerate(samples)], aside


def fault_of(tokens: list[int], tokenizer: Tokenizer, generation: SimpleNamespace) -> str | None:
    """Why a generated text is of no use, or None: it is empty, or it repeats itself."""
    first = generation.no_timestamps_token_id + 1
    spoken = [token for token in tokens if not is_timestamp(token, tokenizer, first)]
    text = tokenizer.decode(spoken).strip()
    if not text:
        return "empty"
    loop = loop_in(text)
    return f"repeats itself ({loop.stretch!r}, {loop.times} times)" if loop else None


def _fault(sample: Sample, whisper: FloatWhisper) -> str | None:
    """What is wrong with the text of a sample, if it was generated."""
    if sample.text != GENERATED:
        return None
    generated = sample.token_ids[len(sample.prompt) :]
    fault = fault_of(generated, whisper.tokenizer, whisper.generation)
    cut = len(sample.token_ids) == len(whisper.tables.positions)
    return "was cut off at the last position" if cut and not fault else fault


def cut_off(samples: list[Sample], max_new_tokens: int) -> int:
    """How many generated texts did not end by themselves, but where `max_new_tokens` ends them."""
    generated = [sample for sample in samples if sample.text == GENERATED]
    return sum(len(one.token_ids) == len(one.prompt) + max_new_tokens for one in generated)


def _entry(sample: Sample, fault: str) -> dict[str, Any]:
    """What the manifest says of a text that was set aside."""
    return {
        "clip": str(sample.clip["path"]),
        "fraction": sample.clip["fraction"],
        "language": sample.clip["language"],
        "stratum": sample.stratum,
        "reason": fault,
        "token_ids": sample.token_ids,
    }


def _check_share(aside: list[dict[str, Any]], count: int, allowed: float) -> None:
    """Refuse a checkpoint that says nothing of use for more than the allowed share of samples."""
    if len(aside) <= allowed * count:
        return
    first = aside[0]
    fault = "is empty" if first["reason"] == "empty" else first["reason"]
    raise UserError(
        f"what the checkpoint says is of no use for {len(aside)} of {count} samples:"
        f" {first['clip']} ({first['stratum']}) {fault}; listen to it, take out"
        " languages that the checkpoint cannot do (models.<name>.languages), set"
        " calibration.decoder.text to reference, or allow more than"
        f" {allowed:g} in calibration.decoder.set_aside"
    )
