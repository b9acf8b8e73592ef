"""What there is to listen to: of each model, its float parts and the folders that were built."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError
from common.files import read_json
from common.model_names import split
from compilation.hand_off import sums
from evaluation.page.clips import EvaluationClip, worst_first
from evaluation.page.worker import Worker
from runtime.folder import CPU, device_of
from runtime.npu_sessions import has_npu

FLOAT, COMPILED, DEVICE = "float", "compiled", "device"


class Model(NamedTuple):
    """One model, and what runs it."""

    name: str
    folders: dict[str, Path]  # hand-off folders: the CPU's as `compiled`, the NPU's as `device`
    graphs: Path | None  # manifest of the float graphs, where they are
    languages: list[str]  # Whisper codes; none where it is English-only
    has_words: bool  # whether the checkpoint says which heads align, and so when words are said
    clips: list[EvaluationClip]

    @property
    def kinds(self) -> list[str]:
        """What hears: float first."""
        return [*([FLOAT] if self.graphs else []), *self.folders]


def models_of(folders: list[Path]) -> list[Model]:
    """Models, each with those of the folders that are its own.

    The float graphs and the evaluation are those of the repository that a folder is in:
    `compiled/{model}/{target}/`.

    Raises:
        UserError: A folder is no hand-off folder or a damaged one, or nothing is here that could
            run any.
    """
    found: dict[str, dict[str, Path]] = {}
    for folder in folders:
        kind = COMPILED if device_of(folder) == CPU else DEVICE
        if kind == COMPILED or has_npu():
            sums.check_loaded(folder)
            found.setdefault(read_json(folder / "manifest.json")["model"], {})[kind] = folder
    if not found:
        raise UserError(
            f"{', '.join(map(str, folders)) or 'compiled/'}: there is no folder for the CPU, and no"
            " NPU here; build one: `snakemake --cores all compiled`, `compilation.targets: [cpu]`"
        )
    return [_model(name, by_kind) for name, by_kind in found.items()]


def _model(name: str, folders: dict[str, Path]) -> Model:
    ordered = {kind: folders[kind] for kind in (COMPILED, DEVICE) if kind in folders}
    folder = next(iter(ordered.values()))
    root = folder.resolve().parents[2]
    graphs = root / "runtime/float" / split(name)[0] / "manifest.json"
    generation = read_json(folder / "generation_config.json")
    known = [token.strip("<|>") for token in generation.get("lang_to_id", {})]
    results = root / "evaluation/results" / name / folder.name / "transcripts.json"
    return Model(
        name=name,
        folders=ordered,
        graphs=graphs if graphs.is_file() else None,
        languages=known if generation.get("is_multilingual") else [],
        has_words=bool(generation.get("alignment_heads")),
        clips=worst_first(results, root),
    )


class Workers:
    """The processes of one model; a context, at whose end they are ended.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._home = tempfile.TemporaryDirectory(prefix="float-")
        self._workers: dict[str, Worker] = {}

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._home.cleanup()

    def of(self, kind: str) -> Worker:
        """What hears by the float, the compiled or the device's parts."""
        if kind not in self._workers:
            self._workers[kind] = self._made(kind)
        return self._workers[kind]

    def parts(self) -> Worker | None:
        """What looks into float and compiled parts; None where the float ones are not here."""
        if self._model.graphs is None:
            return None
        if "parts" not in self._workers:
            folder = next(iter(self._model.folders.values()))
            made = Worker("evaluation.page.explain.Parts", self._model.graphs, folder)
            self._workers["parts"] = made
        return self._workers["parts"]

    def begin(self) -> None:
        """Let all that hear be loaded."""
        for kind in self._model.kinds:
            self.of(kind).begin()

    def stop(self) -> None:
        """End what any of them does."""
        for worker in list(self._workers.values()):
            worker.stop()

    def _made(self, kind: str) -> Worker:
        folder = next(iter(self._model.folders.values()))
        if kind == FLOAT:
            home = Path(self._home.name) / self._model.name
            return Worker("evaluation.page.genai.float_genai", self._model.graphs, folder, home)
        if kind == COMPILED:
            return Worker("evaluation.page.genai.GenAI", self._model.folders[kind])
        return Worker("evaluation.page.device.Device", self._model.folders[kind])
