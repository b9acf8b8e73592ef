"""From a Whisper checkpoint to quantised, checked, hand-over-ready models.

snakemake --cores 8               everything that config.yaml's `build` names
snakemake --cores 8 calibration   up to one stage: data, calibration, compiled, evaluation
snakemake --cores 8 archive       the hand-off folders, each in one file
"""

import re
import sys
from functools import partial

sys.path.insert(0, workflow.basedir)

from common.source_files import hashed_sources as sources
from compilation.qb.limits import NPU_TARGETS
from pipeline import flags, groups, machine, results, running
from pipeline.build import Build, installed, versions
from pipeline.needs import resources, threads
from pipeline.variants import PARTS


configfile: "config.yaml"


machine.settle()
machine.limit_cores(workflow.global_resources)
machine.limit_memory(workflow.global_resources)
BUILD = Build(config, workflow.configfiles, workflow.deployment_settings.deployment_method)
THREADS, needs = threads(workflow.global_resources["_cores"].value), partial(resources, config)
VARIANTS, SPEECH = BUILD.variants, BUILD.speech


include: "data/rules.smk"
include: "runtime/rules.smk"
include: "calibration/rules.smk"
include: "compilation/rules.smk"
include: "evaluation/rules.smk"


wildcard_constraints:
    model="|".join(map(re.escape, config["models"])),
    # In brackets: an empty expression would be taken for none.
    variant=f"(?:{'|'.join(map(re.escape, VARIANTS.configs))})",
    language="[a-z0-9_]+",
    split="train|validation|test",
    use="calibration|evaluation",
    target="|".join(["cpu", *NPU_TARGETS]),
    part="|".join(PARTS),


rule data:
    """Speech and checkpoints."""
    input:
        results.data(BUILD),


rule calibration:
    """The calibration sets."""
    input:
        results.calibration(BUILD, config),


rule compiled:
    """The hand-off folders."""
    input:
        results.compiled(BUILD, config),


rule archive:
    """The hand-off folders, each in one file."""
    input:
        rules.compiled.input,
        results.archives(BUILD),


rule evaluation:
    """The quality of the hand-off folders for the CPU; for others, see evaluation/run.py."""
    input:
        results.evaluation(BUILD, config),


rule all:
    """Everything: the default."""
    default_target: True
    input:
        rules.evaluation.input,


if workflow.nodes is not None and not workflow.remote_exec:  # submits jobs, and is none
    groups.group(workflow.rules, groups.short_models(config, BUILD.models))


onstart:
    running.begin(BUILD.reason)


onsuccess:
    running.end(results.last(BUILD))


onerror:
    running.fail(results.last(BUILD))
