"""What a run builds, worked out from the configuration before any job.

An exception while Snakemake works out its jobs can end in old results being called good. So all
that may fail is done here, and what rules ask later is only looked up.
"""

from collections.abc import Collection, Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from common.cli import UserError
from common.model_names import split
from compilation.qb.limits import NPU_TARGETS
from compilation.targets import compiler_version, resolve
from data.languages import FLEURS_TO_WHISPER
from pipeline.config import check
from pipeline.local_file_hashes import Contents
from pipeline.speech import Speech, checkpoint_content
from pipeline.variants import Config, Folder, Variants, distinct

MEMORY = Path(".snakemake/content.json")  # of hashes; without it, files are hashed again
Deployed = Collection[DeploymentMethod]


class Build:
    """The models, variants, targets, languages and tasks of a run.

    Attributes:
        models: The models to build, each once, whatever variants of it are built.
        variants: What each variant is built of, and what it shares.
        speech: Where clips come from.
        folders: The hand-off folders to build.
        targets: What they are compiled for.
        reason: Why these targets, in a sentence; a line more for what is not built twice.

    Args:
        config: The merged configuration.
        files: The files that it was merged from.
        deployed: The kinds of software deployment that are switched on.

    Raises:
        WorkflowError: The configuration is wrong, or asks for what is not there.
    """

    def __init__(self, config: dict[str, Any], files: Iterable[str], deployed: Deployed) -> None:
        try:
            check(config, FLEURS_TO_WHISPER, map(Path, files))
            self._config = config
            self.variants = Variants(config)
            names = [split(name) for name in config["build"]]
            self.models: list[str] = list(dict.fromkeys(model for model, _ in names))
            compiled = {name: one["compilation"] for name, one in self.variants.configs.items()}
            self._compilers = _compilers(compiled)
            built = dict.fromkeys(variant for _, variant in names)
            resolved = {
                one: _targets(compiled[one], self._compilers[one], deployed) for one in built
            }
            contents = Contents(MEMORY)
            self.speech = Speech(config, contents)
            self._checkpoints = {one: checkpoint_content(one, contents) for one in self._sources()}
            contents.keep()
        except UserError as error:
            raise WorkflowError(str(error)) from None
        asked = [Folder(*name, target) for name in names for target in resolved[name[1]][0]]
        self.folders, twins = distinct(asked, self.variants)
        self.targets = list(dict.fromkeys(folder.target for folder in self.folders))
        self.reason = "\n".join(dict.fromkeys([*(why for _, why in resolved.values()), *twins]))

    def model(self, name: str) -> dict[str, Any]:
        """A model's entry in the catalogue."""
        return self._config["models"][name]

    def checkpoints(self, model: str) -> list[str]:
        """Where a model's checkpoint is, and the one that it was trained from, if that is named."""
        entry = self.model(model)
        return [entry[key] for key in ("source", "base") if key in entry]

    def _sources(self) -> list[str]:
        """Where all checkpoints of the run are, and that of the labels."""
        found = [source for name in self.models for source in self.checkpoints(name)]
        return [*found, self._config["data"]["labels"]["model"]]

    def content(self, source: str) -> str:
        """A hash of what a checkpoint's local folder holds; empty for the Hub."""
        return self._checkpoints.get(source, "")

    def tasks(self, model: str) -> list[str]:
        """The tasks that a model was trained for."""
        return self.model(model).get("tasks", ["transcribe", "translate"])

    def clips(self, use: str, model: str) -> list[str]:
        """Manifests of a model's clips, a language each."""
        able = self.model(model).get("languages", self.speech.languages)
        languages = [one for one in self.speech.languages if one in able]
        return [f"data/audio_files/{use}/{language}.jsonl" for language in languages]

    def compiler(self, at: Folder) -> str | None:
        """Version of the NPU vendor's compiler, or the image that has it; None without."""
        return self._compilers[at.variant]

    def container(self, at: Folder) -> str | None:
        """The image that has it, if it is in one."""
        return self.variants.settings(at)["compilation"]["qbcompiler"]["container"] or None

    def evaluated(self) -> list[str]:
        """The targets that this machine can evaluate; boards are evaluated by evaluation/run.py."""
        return [target for target in self.targets if target not in NPU_TARGETS]


def _compilers(compilations: dict[str, Config]) -> dict[str, str | None]:
    """The vendor's compiler of each: its version, or the image that has it; None without."""
    asked = {name: one["qbcompiler"] for name, one in compilations.items()}
    pythons = {qb["python"] for qb in asked.values() if not qb["container"]}
    found = {python: compiler_version(python) for python in pythons}
    return {name: qb["container"] or found[qb["python"]] for name, qb in asked.items()}


def _targets(
    compilation: Config, compiler: str | None, deployed: Deployed
) -> tuple[list[str], str]:
    """The targets, and why these."""
    qb = compilation["qbcompiler"]
    targets, why = resolve(compilation["targets"], compiler, qb["python"], qb["container"])
    needed = qb["container"] and set(targets) & set(NPU_TARGETS)
    if needed and DeploymentMethod.APPTAINER not in deployed:
        raise UserError(
            "compilation.qbcompiler.container names an image, which is used with `--sdm apptainer`"
            " only; add that to the command (docs/npu.md), or empty the key"
        )
    return targets, why


def versions(*packages: str) -> list[str]:
    """Installed versions: another version re-runs the rules that name it in their params."""
    return [f"{package} {_version(package)}" for package in packages]


_version = cache(version)  # reads a file


def installed(*packages: str) -> list[str]:
    """Versions of packages that need not be there."""
    found = []
    for package in packages:
        try:
            found += versions(package)
        except PackageNotFoundError:
            found.append(f"no {package}")
    return found
