"""Which jobs are submitted to a cluster as one: all of a model, where they are so short.

Submitting a job, starting it and asking for it takes longer than most of the work on a tiny model.
What takes long is submitted job by job: nodes share it, and one that dies takes little away.
"""

import math
from collections.abc import Iterable
from typing import Any

from common.files import expanded
from compilation.qb.limits import NPU_TARGETS
from pipeline.needs import NEEDS, checkpoint_shape, clips_of, shape_in

SHORT = 15 * 60  # seconds, of all of a model's jobs on two cores
RULES = (
    *("export_graphs", "calibrate_encoder", "make_golden", "calibrate_decoder"),
    *("quantise_encoder", "quantise_decoder", "choose_float_layers", "assemble_hand_off"),
    *("evaluate", "hear_conditions", "measure_coverage", "rank_layers", "measure_speed"),
)


def short_models(config: dict[str, Any], models: Iterable[str]) -> set[str]:
    """The models whose jobs are so short, as far as their checkpoints are there already.

    None where shares of a calibration set are to be made side by side.
    """
    if config["calibration"]["shards"] > 1:
        return set()
    return {model for model in models if _seconds(config, model) <= SHORT}


def _seconds(config: dict[str, Any], model: str) -> float:
    """How long a model's jobs take together; infinite where it is not known what it is."""
    source = expanded(config["models"][model]["source"])
    shape = checkpoint_shape(model) or shape_in(source)
    if shape is None:
        return math.inf
    clips = clips_of(config)
    needs = [need for key, need in NEEDS.items() if key.split()[0] in RULES]
    return sum(need.seconds * clips[need.use] for need in needs) * shape.whole


def group(rules: Iterable[Any], short: set[str]) -> None:
    """Put the jobs of each of these models in a group.

    A hand-off folder for an NPU waits for the vendor's compiler, which has a node of its own.

    Args:
        rules: A workflow's.
        short: Names of models.
    """

    def of(wildcards: Any) -> str | None:
        here = getattr(wildcards, "target", None) not in NPU_TARGETS
        return f"all_of_{wildcards.model}" if here and wildcards.model in short else None

    for rule in rules:
        if rule.name in RULES:
            rule.group = of
