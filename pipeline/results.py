"""All that a run makes up to each stage: what its targets ask for.

Not only the last files: Snakemake makes no missing file that merely stands between others which are
there. What a job that failed took away would be missed by nobody, and the same command, given
again, would find old results good.
"""

from collections.abc import Collection
from typing import Any

from compilation.qb.limits import NPU_TARGETS
from pipeline.build import Build
from pipeline.flags import labelled
from pipeline.speech import USES
from pipeline.variants import PARTS


def data(build: Build) -> list[str]:
    """Speech and checkpoints."""
    found = [f"data/checkpoints/{model}.json" for model in build.models]
    for use in USES:
        clips = {one for model in build.models for one in build.clips(use, model)}
        found += _speech(build, use, clips)
    return list(dict.fromkeys(found))


def _speech(build: Build, use: str, clips: Collection[str]) -> list[str]:
    """Manifests of clips of a use, and what these are chosen from."""
    speech = build.speech
    languages = [one for one in speech.languages if f"data/audio_files/{use}/{one}.jsonl" in clips]
    chosen_from = [speech.files(use, one) for one in languages]
    return [f"{speech.folder}/dataset.json", *chosen_from, *speech.english(use), *sorted(clips)]


def labels(build: Build, config: dict[str, Any]) -> list[str]:
    """What is said in the calibration clips of all languages."""
    model = config["data"]["labels"]["model"]
    clips = {f"data/audio_files/calibration/{one}.jsonl" for one in build.speech.languages}
    checkpoint = [] if model == "reference" else ["data/labels/checkpoint.json"]
    texts = ["data/transcriptions.json", "data/translations.json"]
    return [*_speech(build, "calibration", clips), *checkpoint, *texts]


def calibration(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, float graphs and calibration sets."""
    found, variants = data(build), build.variants
    if any(labelled(variants.settings(one)) for one in build.folders):
        found += labels(build, config)
    shards = config["calibration"]["shards"] if config["calibration"]["shards"] > 1 else 0
    found += [f"runtime/float/{model}/manifest.json" for model in build.models]
    for one in build.folders:
        found += [variants.calibration_set(one, part) for part in PARTS]
        sets = variants.calibration_set(one, "decoder").rpartition("/")[0]
        found += [f"{sets}/shards/{shard + 1}_of_{shards}.json" for shard in range(shards)]
    return list(dict.fromkeys(found))


def compiled(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, the compiled parts and the hand-off folders."""
    found, variants = calibration(build, config), build.variants
    for one in build.folders:
        found.append(variants.golden(one))
        records = [variants.part(one, part, one.target) for part in PARTS]
        found += records
        if one.target in NPU_TARGETS:
            found.append(f"compilation/checkpoints/{one.model}/manifest.json")
            found += [f"{variants.graph(one, part)}.json" for part in PARTS]
            found += [f"{record.removesuffix('.json')}.mxq.json" for record in records]
        else:
            found += variants.float_choice(one, *PARTS)
        found.append(f"compiled/{one.model}{one.variant}/{one.target}/manifest.json")
    return list(dict.fromkeys(found))


def archives(build: Build) -> list[str]:
    """The hand-off folders, each in one file."""
    return [f"compiled/{one.model}{one.variant}-{one.target}.tar.zst" for one in build.folders]


def evaluation(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, the quality of what this machine can run; for others, see evaluation/run.py."""
    found = compiled(build, config)
    names = ["transcripts.json", "quality.json", "speed.json", "report.html", "passed.txt"]
    names += ["conditions.json"] * any(config["evaluation"]["conditions"].values())
    for one in build.folders:
        found.append(build.variants.coverage(one))
        if one.target in build.evaluated():
            place = f"{one.model}{one.variant}/{one.target}"
            found += [f"evaluation/results/{place}/{name}" for name in (*names, "layers.json")]
            found.append(f"compiled/{place}/evaluation.json")
    return list(dict.fromkeys(found))


def last(build: Build) -> list[str]:
    """What a run tells of at its end: hand-off folders, and their quality."""
    places = [f"{one.model}{one.variant}/{one.target}" for one in build.folders]
    found = [f"compiled/{place}/manifest.json" for place in places]
    return [*found, *(f"evaluation/results/{place}/quality.json" for place in places)]
