"""The float checkpoint that makes the decoder's calibration set: all of it that the steps ask."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from common.files import read_json
from data.cache import local_folder
from data.whisper import facts_of, load_generation, load_tokenizer
from runtime.float_sessions import FloatSessions, float_sessions
from runtime.tables import TABLES, Tables, load_tables


class FloatWhisper(NamedTuple):
    """A checkpoint and its float graphs, loaded; a part takes memory once its session begins."""

    checkpoint: dict[str, Any]  # what identifies it
    config: dict[str, Any]
    generation: SimpleNamespace
    tokenizer: Tokenizer
    tables: Tables
    sessions: FloatSessions
    made_by: list[Any]  # the graphs and what runs them, for keys


def load_float_whisper(checkpoint: Path, graphs: Path) -> FloatWhisper:
    """The float checkpoint.

    Args:
        checkpoint: Manifest of the checkpoint.
        graphs: Manifest of its float graphs.
    """
    sessions = float_sessions(graphs, checkpoint)
    return FloatWhisper(
        checkpoint=facts_of(checkpoint),
        config=read_json(local_folder(checkpoint) / "config.json"),
        generation=load_generation(checkpoint),
        tokenizer=load_tokenizer(checkpoint),
        tables=load_tables(graphs.parent / TABLES),
        sessions=sessions,
        made_by=[read_json(graphs), sessions.device],
    )
