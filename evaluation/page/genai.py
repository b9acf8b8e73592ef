"""OpenVINO GenAI hears a recording, as it does for who receives a folder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from openvino_genai import StreamingStatus, WhisperPipeline

from common.child_process import run_module
from common.files import read_json
from common.memory import peak_bytes
from data.audio import RATE
from evaluation.page import float_folder
from evaluation.page.heard import Heard, Settings, Timed
from runtime.ir import CHOSEN, FLOAT32

WINDOW = 30 * RATE  # samples; longer audio is walked through by timestamps


class GenAI:
    """A folder in OpenVINO's layout, ready to hear.

    Args:
        folder: A hand-off folder for the CPU, or that of a float model.
        is_float: Whether it runs in float32, or as OpenVINO chooses.
    """

    def __init__(self, folder: Path, is_float: bool = False) -> None:
        generation = read_json(folder / "generation_config.json")
        self._words = bool(generation.get("alignment_heads"))
        properties: dict[Any, Any] = {**(FLOAT32 if is_float else CHOSEN)}
        if self._words:
            properties["word_timestamps"] = True
        self._pipeline = WhisperPipeline(folder, "CPU", **_named(properties))
        self._pipeline.generate(np.zeros(RATE, np.float32))  # a first time takes longer than others

    def hear(self, audio: np.ndarray, settings: Settings, say: Callable[[str], None]) -> Heard:
        """What is said in a recording.

        Args:
            audio: float32 [time], 16 kHz, of any length.
            settings: What is asked for.
            say: Takes each further piece of the text: a token, or in long audio a window's.
        """
        timed = settings.timestamps or len(audio) > WINDOW
        asked: dict[str, Any] = {"return_timestamps": timed}
        if self._words:
            asked["word_timestamps"] = True
        if self._pipeline.get_generation_config().is_multilingual:
            asked["task"] = settings.task
            asked |= {"language": settings.language} if settings.language else {}

        def stream(piece: str) -> StreamingStatus:
            say(piece)
            return StreamingStatus.RUNNING

        begin = time.perf_counter()
        found = self._pipeline.generate(audio, streamer=stream, **asked)
        seconds = time.perf_counter() - begin
        figures = found.perf_metrics
        return Heard(
            text=found.texts[0].strip(),
            segments=[Timed(one.text, one.start_ts, one.end_ts) for one in found.chunks or []],
            words=[Timed(one.word, one.start_ts, one.end_ts) for one in found.words or []],
            language=found.language.strip("<|>") or None,
            seconds=seconds,
            first_token=figures.get_ttft().mean / 1000,
            tokens_per_second=figures.get_throughput().mean,
            real_time_factor=seconds * RATE / len(audio),
            peak_bytes=peak_bytes(),
        )


def float_genai(graphs: Path, folder: Path, home: Path) -> GenAI:
    """The float model of a hand-off folder, from a folder that is made where there is none.

    Args:
        graphs: Manifest of the checkpoint's float graphs.
        folder: The hand-off folder.
        home: The folder to make, by another process: its memory is not that of hearing.

    Raises:
        UserError: It could not be made.
    """
    if not (home / float_folder.DONE).is_file():
        given = ("--graphs", graphs, "--folder", folder, "--out", home)
        run_module(float_folder.__name__, *given, what="the float model could not be prepared")
    return GenAI(home, is_float=True)


def _named(properties: dict[Any, Any]) -> dict[str, Any]:
    """Properties by their names in OpenVINO."""
    return {str(key() if callable(key) else key): value for key, value in properties.items()}
