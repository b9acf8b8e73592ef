"""Variants: a checkpoint compiled in several ways in one run, and what these ways share.

A name in `build` is that of a model, or a model's and a variant's: `whisper-small@w8` is built of
the configuration with what `variants.w8` says laid over it. In paths of files, {model} is the part
before the sign; {variant} is `@w8`, and empty for the plain model.

What two of them would make of the same settings is made once: its owner is the first one that has
these settings, the plain model or a variant in the order of the configuration, whether it is built
itself or not. So no file moves when a variant joins a build or leaves it.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from snakemake.utils import update_config

from common.model_names import SIGN

PARTS = ("encoder", "decoder")
PLAIN = ""
NPU_SETTINGS = ("recipe", "inference_scheme", "activation_16bits", "overrides")
Config = dict[str, Any]


def laid_over(config: Config, changes: Config) -> Config:
    """A configuration with changes: mappings are merged, lists and values replaced."""
    changed = copy.deepcopy(config)
    update_config(changed, copy.deepcopy(changes))
    return changed


def searched(config: Config) -> list[str]:
    """Parts whose layers that must stay float are searched for."""
    return [part for part in PARTS if config["compilation"][part]["keep_float"] == "auto"]


def set_settings(config: Config, part: str) -> list[Any]:
    """What the configuration says of a part's calibration set."""
    settings = config["calibration"]
    encoder = [settings["fractions"], settings["silence"]]
    return encoder if part == "encoder" else [encoder, settings["seed"], settings["decoder"]]


def graph_settings(config: Config, part: str) -> list[Any]:
    """And of its graph for an NPU."""
    qb = config["compilation"]["qbcompiler"]
    return [qb["python"], qb["container"], qb["parse_overrides"][part]]


def cpu_settings(config: Config, part: str) -> Config:
    """How a part is quantised for the CPU: SmoothQuant has a part in w8a8 alone."""
    settings = config["compilation"][part]["cpu"]
    return settings if settings["scheme"] == "w8a8" else {"scheme": settings["scheme"]}


def part_settings(config: Config, part: str, target: str) -> list[Any]:
    """And of the part itself, compiled for a target."""
    settings = config["compilation"]
    if target != "cpu":
        own = [settings[part][key] for key in NPU_SETTINGS]
        return [own, graph_settings(config, part), set_settings(config, part)]
    # A search hears both parts, and so is another one where the other part is.
    parts = PARTS if part in searched(config) else (part,)
    used = {one: [cpu_settings(config, one), settings[one]["keep_float"]] for one in parts}
    return [used, {one: set_settings(config, one) for one in parts}]


class Folder(NamedTuple):
    """A hand-off folder of a run, by the wildcards of rules."""

    model: str
    variant: str  # `@w8`; empty for the plain model
    target: str


class Variants:
    """Where a job finds what it takes of another one, which may work on another variant.

    `at` is what the job works on: a folder, or the wildcards of a rule, which are named as its
    fields are.

    Attributes:
        configs: What is built of, by the {variant} of paths; the plain configuration first.
    """

    def __init__(self, config: Config) -> None:
        changed = config["variants"].items()
        self.configs: dict[str, Config] = {PLAIN: config}
        self.configs |= {SIGN + name: laid_over(config, changes) for name, changes in changed}

    def settings(self, at: Folder) -> Config:
        """The configuration that something is built of."""
        return self.configs[at.variant]

    def calibration_set(self, at: Folder, part: str) -> str:
        """Manifest of the calibration set of a part."""
        return f"calibration/sets/{self._set_owner(at, part)}/{part}/manifest.json"

    def golden(self, at: Folder) -> str:
        """The golden clips, which come of an encoder's set."""
        return f"compilation/golden/{self._set_owner(at, 'encoder')}/golden.json"

    def coverage(self, at: Folder) -> str:
        """How far held-out speech is within both sets; a decoder's set comes of an encoder's."""
        return f"evaluation/results/{self._set_owner(at, 'decoder')}/coverage.json"

    def graph(self, at: Folder, part: str) -> str:
        """The graph of a part for an NPU."""
        owner = self._owner(at, graph_settings, part)
        return f"compilation/graphs/{at.model}{owner}/{at.target}/{part}.mblt"

    def part(self, at: Folder, part: str, target: str) -> str:
        """The record of a part compiled for a target."""
        return f"{self._parts(at, part, target)}/{part}.json"

    def float_choice(self, at: Folder, *parts: str) -> list[str]:
        """What a search has found of the layers of any of these parts, if there is to be one."""
        asked = [part for part in parts if part in searched(self.settings(at))]
        return [f"{self._parts(at, part, 'cpu')}/keep_float.json" for part in asked[:1]]

    def part_owner(self, at: Folder, part: str, target: str) -> str:
        """Whose compiled part it is, as {variant}."""
        return self._owner(at, part_settings, part, target)

    def _set_owner(self, at: Folder, part: str) -> str:
        return at.model + self._owner(at, set_settings, part)

    def _parts(self, at: Folder, part: str, target: str) -> str:
        return f"compilation/parts/{at.model}{self.part_owner(at, part, target)}/{target}"

    def _owner(self, at: Folder, settings: Callable[..., Any], *of: str) -> str:
        """The first one whose settings are the same."""
        wanted = settings(self.configs[at.variant], *of)
        return next(name for name, one in self.configs.items() if settings(one, *of) == wanted)


def distinct(asked: list[Folder], variants: Variants) -> tuple[list[Folder], list[str]]:
    """The folders without those whose parts are all another's, and a sentence for each of these.

    A plain model's folder is built in any case, and of variants that are the same the first one's.
    """
    first: dict[Any, Folder] = {}
    sentences = []
    for one in sorted(asked, key=lambda folder: folder.variant != PLAIN):
        parts = [variants.part_owner(one, part, one.target) for part in PARTS]
        other = first.setdefault((one.model, one.target, *parts), one)
        if other != one:
            names = [f"{folder.model}{folder.variant}" for folder in (one, other)]
            same = f"for {one.target} the same as {names[1]}, and not built again"
            sentences.append(f"{names[0]} is {same}")
    return [one for one in asked if one in first.values()], sentences
