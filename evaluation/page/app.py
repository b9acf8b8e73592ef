"""What the page does when somebody asks: the functions behind its buttons."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from common.cli import UserError
from data.audio import RATE, pcm_of, write_wav
from evaluation.page import reasons, texts, timeline
from evaluation.page.clips import EvaluationClip
from evaluation.page.heard import Settings
from evaluation.page.listening import Listening, Result
from evaluation.page.recording import Recording, peaks, read


class Page:
    """The page's functions.

    Args:
        listening: The models.
        home: A folder for what is served; it goes with the page.
    """

    def __init__(self, listening: Listening, home: Path) -> None:
        self._listening = listening
        self._home = home

    def hear(
        self,
        model: str,
        path: str | None,
        language: str,
        task: str,
        timestamps: bool,
        said: str,
        english: str,
        request: gr.Request,
    ) -> Iterator[tuple[Any, ...]]:
        """Texts, sound and result of a recording, again and again."""
        yield texts.note("reading the recording"), "", "", None
        settings = Settings(language or None, task, timestamps)
        reference = english if task == "translate" else said
        try:
            if not path:
                raise UserError("there is no recording yet; speak, drop a file, or choose a clip")
            recording = read(Path(path))
            heard = self._listening.hear(request.session_hash, model, recording, settings)
            yield from self._shown(heard, model, recording, settings, reference)
        except UserError as error:
            yield texts.refused(error), "", "", None

    def _shown(
        self,
        heard: Iterator[list[texts.Column]],
        model: str,
        recording: Recording,
        settings: Settings,
        reference: str,
    ) -> Iterator[tuple[Any, ...]]:
        """What `hear` shows: the sound as soon as one has heard all of it."""
        address, drawn = self._served(recording), peaks(recording.audio)
        for columns in heard:
            shown = texts.panel(columns, settings, reference, recording.seconds)
            if any(one.state == "hearing" for one in columns):
                yield shown, gr.skip(), gr.skip(), gr.skip()
                continue
            code = texts.language_of(columns, settings)
            lanes = [timeline.lane(one, columns, code, recording.seconds) for one in columns]
            sound = timeline.sound(address, recording.seconds, drawn, lanes)
            result = Result(model, recording.path, recording.seconds, settings, columns)
            yield shown, sound + timeline.segments(columns, code), gr.skip(), result

    def why(
        self, result: Result | None, begin: float, said: str, english: str, request: gr.Request
    ) -> Iterator[Any]:
        """A look into one window of what was heard last."""
        if result is None:
            yield texts.refused("let a recording be heard first")
            return
        yield texts.note("looking into it")
        try:
            recording = read(result.recording)
            start = min(max(begin or 0.0, 0.0), max(recording.seconds - 1, 0.0))
            why = self._listening.why(request.session_hash, result, recording, start)
        except UserError as error:
            yield texts.refused(error)
            return
        if why is None:
            yield texts.note("stopped")
            return
        reference = english if result.settings.task == "translate" else said
        is_whole = recording.seconds <= why.seconds
        code = texts.language_of(result.columns, result.settings)
        window = recording.audio[int(start * RATE) : int((start + why.seconds) * RATE)]
        yield reasons.panel(why, peaks(window), code, reference if is_whole else "")

    def keep(self, result: Result | None, language: str, said: str, english: str) -> str:
        """Save what was heard last as a case."""
        if result is None:
            return texts.refused("let a recording be heard first")
        try:
            kept = self._listening.keep(
                result, language, {"transcribe": said, "translate": english}
            )
        except UserError as error:
            return texts.refused(error)
        return texts.note(f"saved: {kept}, and its line in {kept.parent}/index.jsonl")

    def begin(self, request: gr.Request) -> tuple[Any, Any]:
        """A job was asked for, and may have to wait: it can be stopped."""
        self._listening.allow(request.session_hash)
        return gr.update(interactive=False), gr.update(visible=True)

    def end(self, result: Result | None) -> tuple[Any, ...]:
        """A job has ended; what can be asked for next."""
        further = gr.update(visible=result is not None)
        window = gr.update(visible=result is not None and result.seconds > texts.WINDOW)
        return gr.update(interactive=True), gr.update(visible=False), further, window, ""

    def clip(self, clip: EvaluationClip) -> tuple[str, str, str, str, str, str]:
        """Recording, language, task, and what is said, of a clip of the evaluation."""
        place = self._home / "clips" / clip.path.name
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(clip.path, place)
        texts_of = {"transcribe": "", "translate": "", clip.task: clip.reference}
        return str(place), clip.whisper_language, clip.task, *texts_of.values(), clip.reference

    def another(self, said: str, english: str, reference: str) -> tuple[str, str]:
        """What is said, when another recording is brought: not what the last clip said."""
        return "" if said == reference else said, "" if english == reference else english

    def stop(self, request: gr.Request) -> None:
        """End this visitor's job, or keep it from beginning."""
        self._listening.stop(request.session_hash)

    def _served(self, recording: Recording) -> str:
        """Where a browser gets a recording, as it was heard: a WAV that every browser plays."""
        path = self._home / f"{recording.path.parent.name}_{recording.path.stem}.wav"
        write_wav(path, pcm_of(recording.audio))
        return f"gradio_api/file={quote(str(path))}"
