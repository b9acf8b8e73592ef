"""From a Whisper checkpoint to quantised, checked, hand-over-ready models.

snakemake --cores 8               everything that config.yaml's `build` names
snakemake --cores 8 calibration   up to one stage: data, calibration, compiled, evaluation
snakemake --cores 8 archive       the hand-off folders, each in one file
"""

import json
import os
import re
import sys
import time
from contextlib import suppress
from glob import escape, glob
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

from common.cli import UserError
from common.config import check
from common.running import announce, hold, sentences
from compilation.qb.limits import NPU_TARGETS
from compilation.targets import compiler_version, resolve
from data.languages import FLEURS_TO_WHISPER
from data.local import local_layout, local_split


configfile: "config.yaml"


try:
    check(config, FLEURS_TO_WHISPER)
    SOURCE = Path(config["data"]["source"]).expanduser()
    # A folder of own audio, which has no splits and no parallel English sentences.
    OWN_AUDIO = SOURCE.is_dir() and local_layout(SOURCE) == "files"
except UserError as error:
    raise WorkflowError(str(error)) from None

START = time.time()
QB = config["compilation"]["qbcompiler"]
# Another version of the NPU vendor's compiler compiles again.
COMPILER = QB["container"] or compiler_version(QB["python"])
try:
    TARGETS, REASON = resolve(
        config["compilation"]["targets"], COMPILER, QB["python"], QB["container"]
    )
    methods = {method.name for method in workflow.deployment_settings.deployment_method}
    if QB["container"] and set(TARGETS) & set(NPU_TARGETS) and "APPTAINER" not in methods:
        raise UserError(
            "compilation.qbcompiler.container names an image, which is used with `--sdm apptainer` only; add that to"
            " the command (docs/npu.md), or empty the key"
        )
except UserError as error:
    raise WorkflowError(str(error)) from None

# Calibration clips come from the split of config `data`, evaluation clips from that of `evaluation`.
# Within one split the sentences are halved between the two uses.
STAGES = {"calibration": "data", "evaluation": "evaluation"}
SPLITS = {use: config[stage]["split"] for use, stage in STAGES.items()}
HALVED = OWN_AUDIO or SPLITS["calibration"] == SPLITS["evaluation"]
POOLS = {
    "calibration": "calibration",
    "evaluation": "evaluation" if HALVED else "all",
}


def clips(use, model):
    """Manifests of a model's clips, a language each."""
    languages = config["data"]["languages"]
    able = config["models"][model].get("languages", languages)
    return [
        f"data/audio_files/{use}/{language}.jsonl" for language in languages if language in able
    ]


def tasks(model):
    """The tasks that a model was trained for."""
    return config["models"][model].get("tasks", ["transcribe", "translate"])


def versions(*packages):
    """Installed versions: another version re-runs the rules that name it in their params."""
    return [f"{package} {version(package)}" for package in packages]


def installed(package):
    """The version of a package that need not be there, or nothing."""
    with suppress(PackageNotFoundError):
        return versions(package)
    return []


def local_speech(language, split):
    """A language's files where the dataset is a local folder: a change re-runs."""
    with suppress(UserError):  # what is missing, the job will say
        if SOURCE.is_dir():
            return [str(SOURCE / path) for path in local_split(SOURCE, language, split)]
    return []


def local_checkpoint(source):
    """A checkpoint's files where it is a local folder: a change re-runs."""
    folder = escape(os.path.expanduser(source))
    kinds = ("*.json", "*.safetensors", "merges.txt")
    return sorted(path for kind in kinds for path in glob(f"{folder}/{kind}"))


include: "data/rules.smk"
include: "data/labels.smk"
include: "runtime/rules.smk"
include: "calibration/rules.smk"
include: "compilation/openvino/rules.smk"
include: "compilation/qb/rules.smk"
include: "compilation/hand_off/rules.smk"
include: "evaluation/rules.smk"
include: "evaluation/measures.smk"


wildcard_constraints:
    model="[^/]+",
    language="[a-z0-9_]+",
    split="train|validation|test",
    use="calibration|evaluation",
    target="[a-z0-9-]+",
    shard="[0-9]+",
    shards="[0-9]+",


rule data:
    """Speech and checkpoints."""
    input:
        expand("data/checkpoints/{model}.json", model=config["build"]),
        [clips(use, model) for use in SPLITS for model in config["build"]],


rule calibration:
    """The calibration sets."""
    input:
        expand(
            "calibration/sets/{model}/{part}/manifest.json",
            model=config["build"],
            part=["encoder", "decoder"],
        ),


rule compiled:
    """The hand-off folders."""
    input:
        expand("compiled/{model}/{target}/manifest.json", model=config["build"], target=TARGETS),


rule archive:
    """The hand-off folders, each in one file."""
    input:
        expand("compiled/{model}-{target}.tar.zst", model=config["build"], target=TARGETS),


rule evaluation:
    """The quality of the hand-off folders for the CPU; for others, see evaluation/run.py."""
    input:
        expand("evaluation/results/{model}/coverage.json", model=config["build"]),
        expand(
            "evaluation/results/{model}/{target}/{result}",
            model=config["build"],
            target=[target for target in TARGETS if target not in NPU_TARGETS],
            result=["quality.json", "report.html", "passed.txt"],
        ),


rule all:
    """Everything: the default."""
    default_target: True
    input:
        rules.compiled.input,
        rules.evaluation.input,


onstart:
    announce()
    try:
        hold(Path(".snakemake/run.lock"))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    print(REASON, file=sys.stderr)


def new_results():
    """What this run was asked for and has made."""
    made = [path for path in map(Path, rules.all.input) if path.is_file()]
    return [path for path in made if path.stat().st_mtime >= START]


def print_tables():
    """The tables of what this run has evaluated."""
    if quality := [str(path) for path in new_results() if path.name == "quality.json"]:
        shell("python -m evaluation.report.table {quality:q}")


onsuccess:
    print_tables()
    for path in new_results():
        if path.parent.name in NPU_TARGETS:
            print(f"hand-off folder: {path.parent}", file=sys.stderr)


onerror:
    print_tables()
    print("\n".join(["", *sentences(Path("logs"), START)]), file=sys.stderr)
