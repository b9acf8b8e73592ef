"""Setting aside what the checkpoint said of a clip where it is empty or repeats itself."""

from pathlib import Path
from typing import Any

from calibration import store
from calibration.plan import GENERATED, Planner, Sample
from calibration.texts import fault_of
from calibration.variants import is_silent
from common.cli import UserError


def without_faults(
    samples: list[Sample], planner: Planner, kept: Path
) -> tuple[list[Sample], list[dict[str, Any]]]:
    """The samples, those with a faulty text replaced; and a list of these, with the reason.

    What replaces one is the same clip with its human text: languages, strata and clips stay. The
    silent clip is left with its prompt alone, and does not count.

    Args:
        samples: All, generated and stored.
        planner: Makes the replacements, which are still to be stored.
        kept: The store.

    Raises:
        UserError: More than the share `set_aside` of the settings are faulty.
    """
    final, aside = [], []
    for sample in samples:
        said, reason = _fault(sample, planner, kept)
        final.append(planner.instead(sample) if reason else sample)
        if reason and not is_silent(sample.clip):
            aside.append(
                {
                    "clip": str(sample.clip["path"]),
                    "fraction": sample.clip["fraction"],
                    "language": sample.clip["language"],
                    "stratum": sample.stratum,
                    "reason": reason,
                    "token_ids": [*sample.work.prompt, *said],
                }
            )
    allowed = planner.settings["set_aside"]
    if len(aside) > allowed * len(samples):
        first = aside[0]
        raise UserError(
            f"what the checkpoint says is of no use for {len(aside)} of {len(samples)} samples:"
            f" {first['clip']} ({first['stratum']}) {_is(first['reason'])}; listen to it, take out"
            " languages that the checkpoint cannot do (models.<name>.languages), set"
            " calibration.decoder.text to reference, or allow more than"
            f" {allowed:g} in calibration.decoder.set_aside"
        )
    return final, aside


def _fault(sample: Sample, planner: Planner, kept: Path) -> tuple[list[int], str | None]:
    """What the checkpoint said, and what is wrong with it."""
    if sample.text != GENERATED:
        return [], None
    said = store.record_of(kept, sample.work.key)["token_ids"][len(sample.work.prompt) :]
    return said, fault_of(said, planner.tokenizer, planner.generation)


def _is(reason: str) -> str:
    return "is empty" if reason == "empty" else reason
