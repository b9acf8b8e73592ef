"""What happens when somebody asks: a recording is heard by one after the other, and looked into."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from common.cli import UserError
from evaluation.page import cases
from evaluation.page.heard import Heard, Settings, Why
from evaluation.page.models import COMPILED, DEVICE, FLOAT, Model, Workers
from evaluation.page.recording import Recording
from evaluation.page.texts import Column
from evaluation.page.worker import Stopped

NOTES = {FLOAT: "32 bits, this CPU", COMPILED: "8 bits, this CPU", DEVICE: "this NPU"}
PAUSE = 0.1  # seconds between two looks at a text that grows
HEARING, WAITING, STOPPED = "hearing", "waiting", "stopped"


class Result(NamedTuple):
    """What is kept of a recording that was heard."""

    model: str
    recording: Path
    seconds: float
    settings: Settings
    columns: list[Column]


class Listening:
    """The models, their processes, and who is being served; a context, at whose end all end.

    Args:
        models: What there is to listen to.
        cases: Folder that recordings are kept in.
    """

    def __init__(self, models: list[Model], cases: Path) -> None:
        self.models = {model.name: model for model in models}
        self._cases = cases
        self._ending = ExitStack()
        self._workers: dict[str, Workers] = {}
        self._served = ""  # the session whose job is being done
        self._leaving: set[str] = set()  # sessions whose job shall not begin

    def __enter__(self) -> "Listening":
        self._of(next(iter(self.models))).begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def hear(
        self, session: str, name: str, recording: Recording, settings: Settings
    ) -> Iterator[list[Column]]:
        """The columns again and again, as texts grow; the compiled model hears first.

        Args:
            session: Whose job it is; see `stop`.
            name: Of the model.
            recording: What is heard.
            settings: What is asked for.
        """
        model, workers = self.models[name], self._of(name)
        columns = {kind: Column(kind, NOTES[kind], state=WAITING) for kind in model.kinds}
        if session in self._leaving:
            yield [one._replace(state=STOPPED) for one in columns.values()]
            return
        self._served = session
        try:
            for kind in reversed(model.kinds):
                columns[kind] = columns[kind]._replace(state=HEARING)
                yield list(columns.values())
                for column in self._heard(columns[kind], workers, recording, settings):
                    columns[kind] = column
                    yield list(columns.values())
            if settings.language is None and model.languages:
                yield self._with_probabilities(columns, workers, recording)
        except Stopped:
            stopped = [one._replace(state=one.state and STOPPED) for one in columns.values()]
            yield stopped
        finally:
            self._served = ""

    def why(self, session: str, result: Result, recording: Recording, begin: float) -> Why | None:
        """A look into one window of what was heard; None where it was stopped.

        Raises:
            UserError: The model's float parts are not here.
        """
        parts = self._of(result.model).parts()
        if parts is None:
            raise UserError(
                f"{result.model} has no float graphs here (runtime/float/); ask where it was built"
            )
        asked = result.settings
        detected = next((one.heard.language for one in result.columns if one.heard), None)
        language = asked.language or detected
        self._served = session
        try:
            return parts.answer("why", recording.audio, begin, language, asked.task)
        except Stopped:
            return None
        finally:
            self._served = ""

    def keep(self, result: Result, language: str | None, texts: dict[str, str]) -> Path:
        """Save a case; see evaluation.page.cases."""
        detected = next((one.heard.language for one in result.columns if one.heard), None)
        folders = self.models[result.model].folders
        heard = {
            str(folders.get(one.kind, f"{result.model} {one.kind}")): one.heard.text
            for one in result.columns
            if one.heard
        }
        spoken = language or detected or "en"
        return cases.save(self._cases, result.recording, spoken, texts, result.settings, heard)

    def allow(self, session: str) -> None:
        """A session asks for something, whatever it has stopped before."""
        self._leaving.discard(session)

    def stop(self, session: str) -> None:
        """End a session's job, or keep it from beginning."""
        self._leaving.add(session)
        if self._served == session:
            for workers in self._workers.values():
                workers.stop()

    def _of(self, name: str) -> Workers:
        """The processes of one model; those of the others end, for the sake of memory."""
        for other, workers in self._workers.items():
            if other != name:
                workers.stop()
        if name not in self._workers:
            made = Workers(self.models[name])
            self._workers[name] = self._ending.enter_context(made)
        return self._workers[name]

    def _with_probabilities(
        self, columns: dict[str, Column], workers: Workers, recording: Recording
    ) -> list[Column]:
        """The columns, and how likely the languages are that were detected, where that is known."""
        kinds = [FLOAT, next(kind for kind in columns if kind != FLOAT)]
        try:
            parts = workers.parts()
            shares = parts.answer("languages", recording.audio) if parts else {}
        except UserError:  # which `why` says: the texts are there all the same
            shares = {}
        for kind, (language, share) in zip(kinds, shares.values(), strict=False):
            if (heard := columns[kind].heard) and heard.language == language:
                columns[kind] = columns[kind]._replace(probability=share)
        return list(columns.values())

    def _heard(
        self, column: Column, workers: Workers, recording: Recording, settings: Settings
    ) -> Iterator[Column]:
        """A column as its text grows, not more often than somebody can see."""
        shown = time.monotonic()
        for said in workers.of(column.kind).ask("hear", recording.audio, settings):
            if isinstance(said, Heard):
                yield column._replace(heard=said, state="")
                return
            column = column._replace(said=column.said + said, pieces=column.pieces + 1)
            if time.monotonic() - shown >= PAUSE:
                shown = time.monotonic()
                yield column
