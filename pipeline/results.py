"""All that a run makes up to each stage: what its targets ask for.

Not only the last files: Snakemake makes no missing file that merely stands between others which are
there. What a job that failed took away would be missed by nobody, and the same command, given
again, would find old results good.
"""

from collections.abc import Collection
from typing import Any

from compilation.qb.limits import NPU_TARGETS
from pipeline.build import PARTS, Build
from pipeline.speech import USES


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
    languages, model = config["data"]["languages"], config["data"]["labels"]["model"]
    clips = {f"data/audio_files/calibration/{language}.jsonl" for language in languages}
    checkpoint = [] if model == "reference" else ["data/labels/checkpoint.json"]
    texts = ["data/transcriptions.json", "data/translations.json"]
    return [*_speech(build, "calibration", clips), *checkpoint, *texts]


def calibration(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, float graphs and calibration sets."""
    found, settings = data(build), config["calibration"]
    if settings["decoder"]["text"] == "labels":
        found += labels(build, config)
    shards = settings["shards"] if settings["shards"] > 1 else 0
    for model in build.models:
        sets = f"calibration/sets/{model}"
        found.append(f"runtime/float/{model}/manifest.json")
        found += [f"{sets}/{part}/manifest.json" for part in PARTS]
        found += [f"{sets}/decoder/shards/{one + 1}_of_{shards}.json" for one in range(shards)]
    return found


def compiled(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, the compiled parts and the hand-off folders."""
    found = calibration(build, config)
    for model in build.models:
        found.append(f"compilation/golden/{model}/golden.json")
        if set(build.targets) & set(NPU_TARGETS):
            found.append(f"compilation/checkpoints/{model}/manifest.json")
        for target in build.targets:
            parts, graphs = (f"compilation/{one}/{model}/{target}" for one in ("parts", "graphs"))
            found += [f"{parts}/{part}.json" for part in PARTS]
            if target in NPU_TARGETS:
                found += [f"{graphs}/{part}.mblt.json" for part in PARTS]
                found += [f"{parts}/{part}.mxq.json" for part in PARTS]
            elif build.searched:
                found.append(f"{parts}/keep_float.json")
            found.append(f"compiled/{model}/{target}/manifest.json")
    return list(dict.fromkeys(found))


def evaluation(build: Build, config: dict[str, Any]) -> list[str]:
    """With them, the quality of what this machine can run; for others, see evaluation/run.py."""
    found = compiled(build, config)
    names = ["transcripts.json", "quality.json", "speed.json", "report.html", "passed.txt"]
    names += ["conditions.json"] * any(config["evaluation"]["conditions"].values())
    for model in build.models:
        found.append(f"evaluation/results/{model}/coverage.json")
        for target in build.evaluated():
            results = f"evaluation/results/{model}/{target}"
            found += [f"{results}/{name}" for name in (*names, "layers.json")]
            found.append(f"compiled/{model}/{target}/evaluation.json")
    return list(dict.fromkeys(found))


def last(build: Build) -> list[str]:
    """What a run tells of at its end: hand-off folders, and their quality."""
    pairs = [(model, target) for model in build.models for target in build.targets]
    found = [f"compiled/{model}/{target}/manifest.json" for model, target in pairs]
    return [*found, *(f"evaluation/results/{'/'.join(pair)}/quality.json" for pair in pairs)]
