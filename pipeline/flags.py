"""What commands are given of the configuration: flags by name, as Snakemake compares values."""

import json
from pathlib import Path
from typing import Any

from common.folders import folder_at
from pipeline.build import Build
from pipeline.speech import USES
from pipeline.variants import PARTS, cpu_settings, searched

Flags = list[Any]


def fetched(entry: dict[str, Any]) -> Flags:
    """Where a checkpoint or a data set is, of its entry in the configuration.

    A local folder has no revision, and is the same one however it is spelled.
    """
    source, base = entry["source"], entry.get("base")
    return [
        *("--source", _plain(source)),
        *([] if folder_at(source) else ["--revision", entry.get("revision", "main")]),
        *(["--base", _plain(base)] if base else []),
    ]


def _plain(source: str) -> str:
    """A local folder's path as it is shortest, with its ~; another source as it is."""
    return str(Path(source)) if folder_at(source) else source


def prepare(config: dict[str, Any], build: Build, use: str) -> Flags:
    """How the clips of a use are chosen."""
    data, own = config["data"], config[USES[use]]
    return [
        *("--samples", own["samples_per_language"], "--silence", data["silence_dbfs"]),
        *("--seed", data["seed"], "--pool", build.speech.pools[use]),
    ]


def encoder_set(config: dict[str, Any]) -> Flags:
    """What the encoder's calibration set is to be."""
    settings = config["calibration"]
    return [
        *("--fractions", *settings["fractions"]),
        *(["--silence"] if settings["silence"] else []),
    ]


def labelled(config: dict[str, Any]) -> bool:
    """Whether the texts of the decoder's set are those that `snakemake labels` writes."""
    return config["calibration"]["decoder"]["text"] == "labels"


def decoder_set(config: dict[str, Any], tasks: list[str]) -> Flags:
    """What the decoder's calibration set of a model with these tasks is to be."""
    settings = config["calibration"]["decoder"]
    return [
        *("--seed", config["calibration"]["seed"], "--mix"),
        *(f"{stratum}={share}" for stratum, share in settings["mix"].items()),
        *("--text", settings["text"], "--max-new-tokens", settings["max_new_tokens"]),
        *("--set-aside", settings["set_aside"], "--tasks", *tasks),
    ]


def parse_overrides(config: dict[str, Any], part: str) -> str:
    """Arguments of the NPU compiler's first step, over those of its version."""
    return json.dumps(config["compilation"]["qbcompiler"]["parse_overrides"][part])


def hours(config: dict[str, Any]) -> float:
    """How long one call of the NPU compiler may take."""
    return config["compilation"]["qbcompiler"]["timeout_hours"]


def npu_part(config: dict[str, Any], part: str) -> Flags:
    """How a part is quantised for NPUs."""
    settings = config["compilation"][part]
    return [
        *("--recipe", settings["recipe"], "--scheme", settings["inference_scheme"]),
        *("--activation-16bits", *settings["activation_16bits"]),
        *("--overrides", json.dumps(settings["overrides"])),
    ]


def scheme(config: dict[str, Any], part: str) -> str:
    """In how many bits a part is compiled for the CPU."""
    return config["compilation"][part]["cpu"]["scheme"]


def cpu_part(config: dict[str, Any], part: str, chosen: list[str]) -> Flags:
    """How a part is quantised for the CPU; `chosen` is what a search has found, if there is one."""
    flags: Flags = []
    for name, value in cpu_settings(config, part).items():
        flags += [f"--{name.replace('_', '-')}", value]
    return [*flags, *keep_float(config, part, chosen)]


def keep_float(config: dict[str, Any], part: str, chosen: list[str]) -> Flags:
    """Which layers of a part stay float."""
    if chosen:
        return ["--keep-float-of", *chosen]
    return ["--keep-float", *config["compilation"][part]["keep_float"]]


def float_search(config: dict[str, Any]) -> Flags:
    """Which layers that must stay float are searched for, and how long."""
    settings, wanted = config["compilation"], searched(config)
    kept = {part: settings[part]["keep_float"] for part in PARTS if part not in wanted}
    recipes = {part: cpu_settings(config, part) for part in PARTS}
    return [
        *("--search", *wanted, "--kept", json.dumps(kept)),
        *("--recipes", json.dumps(recipes)),
        *("--tries", settings["keep_float_tries"]),
        *("--gate", gate(config)),
    ]


def license_of(build: Build, model: str) -> Flags:
    """The licence of a checkpoint, where the configuration says it."""
    found = build.model(model).get("license")
    return ["--license", found] if found else []


def gate(config: dict[str, Any]) -> str:
    """What a compiled model must keep."""
    return json.dumps(config["evaluation"]["gate"])


def conditions(config: dict[str, Any]) -> Flags:
    """What is heard besides the clips, one by one."""
    asked = config["evaluation"]["conditions"]
    return [
        *("--long", asked["long"], "--noise-db", *asked["noise_db"]),
        *(["--silence"] if asked["silence"] else []),
        *(["--timestamps"] if asked["timestamps"] else []),
    ]


def published(build: Build, model: str) -> str:
    """Speeds of a model that others have published."""
    return json.dumps(build.model(model).get("published", []))
