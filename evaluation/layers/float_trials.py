"""The tries of search_keep_float: parts compiled, heard and judged, each in its process."""

import importlib.metadata
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from common.child_process import run_module
from common.files import read_json, sha256_of, write_json
from common.source_files import code_hash
from compilation.openvino import quantise
from evaluation.layers import rank, transcribe_trial
from evaluation.scoring.gate import judge
from evaluation.scoring.gate_sentences import let_through, said
from evaluation.scoring.task_statistics import by_task, scored

PACKAGES = ("nncf", "openvino", "torch", "transformers")
KEY = "key.json"


class Heard(NamedTuple):
    """What transcribe_trial.py has written."""

    rows: list[dict[str, Any]]
    real_time_factor: float  # seconds for all tasks on a second of speech


class Try(NamedTuple):
    """What came of some layers that were kept float."""

    passed: bool
    sentence: str
    bytes: int  # of both parts' weight files
    real_time_factor: float


@dataclass(frozen=True)
class Search:
    """What a search compiles, hears and asks for; `work` is the folder that its tries are in."""

    checkpoint: Path
    graphs: Path
    calibration: dict[str, Path]  # of each part
    clips: list[Path]
    tasks: list[str]
    gate: dict[str, float]
    searched: list[str]  # parts whose layers may stay float
    kept: dict[str, list[str]]  # layers that do in any case
    recipes: dict[str, dict[str, Any]]  # how each part is quantised
    work: Path

    def begin(self) -> None:
        """Keep the tries of an earlier search of the same; drop those of any other."""
        listing = self.work / KEY
        if not listing.is_file() or read_json(listing) != self._key():
            shutil.rmtree(self.work, ignore_errors=True)
            write_json(listing, self._key())

    def end(self) -> None:
        """Drop the parts of the last try; what was heard in all of them stays."""
        shutil.rmtree(self._parts(), ignore_errors=True)

    def _key(self) -> dict[str, Any]:
        files = [self.checkpoint, self.graphs, *self.calibration.values(), *self.clips]
        return {
            "files": {str(path): sha256_of(path) for path in files},
            "code": code_hash(quantise.__name__, rank.__name__, transcribe_trial.__name__),
            "tasks": self.tasks,
            "searched": self.searched,
            "kept": self.kept,
            "recipes": self.recipes,
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        }

    def heard_float(self) -> Heard:
        """What the float graphs hear."""
        return self._heard(self.work / "float.json", [])

    def attempt(self, names: dict[str, list[str]]) -> Try:
        """Compile with these layers float, hear, judge; what was done before is not done again."""
        count = sum(map(len, names.values()))
        out, sizes = self.work / f"{count}.json", self.work / f"{count}.bytes.json"
        if not (out.is_file() and sizes.is_file()):
            self._compile_all(names)
            write_json(sizes, sum(path.stat().st_size for path in self._parts().glob("*.bin")))
        compiled = self._heard(out, ["--parts", self._parts()])
        rows = [scored(row) for row in merged(self.heard_float().rows, compiled.rows)]
        passed, sentence = enough(judge(by_task(rows), self.gate))
        return Try(passed, sentence, read_json(sizes), compiled.real_time_factor)

    def damage(self) -> dict[str, Any]:
        """layers.json of the parts as they are compiled where no layer stays float but `kept`."""
        out = self.work / "layers.json"
        if not out.is_file():
            # Gone, where an earlier search was content with them, and now more is asked.
            self._compile_all({})
            records = [self._parts() / f"{part}.json" for part in self.calibration]
            given = ["--checkpoint", self.checkpoint, "--graphs", self.graphs]
            given += ["--parts", *records, "--clips", *self.clips, "--out", out]
            run_module(rank.__name__, *given, what="the damage of the layers could not be measured")
        return read_json(out)

    def _parts(self) -> Path:
        return self.work / "parts"

    def _compile_all(self, names: dict[str, list[str]]) -> None:
        for part in self.calibration:
            self._compile(part, [*self.kept.get(part, []), *names.get(part, [])])

    def _compile(self, part: str, names: list[str]) -> None:
        """Make a part, where it is not there with just these layers float."""
        out = self._parts() / f"{part}.xml"
        record = out.with_suffix(".json")
        if record.is_file() and read_json(record)["settings"]["keep_float"] == names:
            return
        graph = self.graphs.with_name(f"{part}.xml")
        given = ["--part", part, "--graph", graph, "--calibration", self.calibration[part]]
        for flag, value in self.recipes.get(part, {}).items():
            given += [f"--{flag.replace('_', '-')}", value]
        given += ["--out", out, "--keep-float", *names]
        failed = f"the {part} with {len(names)} layers float was not compiled"
        run_module(quantise.__name__, *given, what=failed)

    def _heard(self, out: Path, given: Iterable[Any]) -> Heard:
        if not out.is_file():
            files = ["--checkpoint", self.checkpoint, "--graphs", self.graphs, *given]
            clips = ["--clips", *self.clips, "--tasks", *self.tasks, "--out", out]
            run_module(
                transcribe_trial.__name__, *files, *clips, what="the clips could not be heard"
            )
        heard = read_json(out)
        return Heard(heard["rows"], heard["seconds"] / heard["audio_seconds"])


def enough(gate: dict[str, Any]) -> tuple[bool, str]:
    """Whether a try is good enough, and the sentence.

    A gate lets through what a few clips leave open. Not so here: over all languages, the figures
    themselves must keep their bounds, or other clips would soon refuse what was found on these.
    """
    open_ones = [check for check in gate["checks"] if not check["language"] and not check["kept"]]
    through = let_through(gate)
    if through and open_ones:
        return False, f"too few clips to tell, but {said(open_ones[0])}"
    return through, gate["sentence"]


def merged(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of float and of compiled parts, heard of the same clips in the same order, as one."""
    told = ("texts", "tokens", "at_limit")
    return [
        {**one, **{key: {**one[key], **two[key]} for key in told}}
        for one, two in zip(before, after, strict=True)
    ]
