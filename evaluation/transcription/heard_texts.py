"""Texts that were heard once, for all evaluations of a checkpoint: its variants, its targets.

What the float model hears does not depend on how a model was compiled, nor what a float part and a
compiled one hear together on how the other part was. What a compiled model hears as a whole is what
an evaluation is to find out, and is heard in each.
"""

import hashlib
import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import numpy as np

from calibration import features
from calibration.array_cache import key_of
from common.files import read_json, sha256_of
from common.line_store import LineStore
from common.source_files import code_hash
from evaluation.scoring.pairs import COMPILED
from evaluation.transcription import hear, long_audio, pairings
from evaluation.transcription.hear import Text

MODULES = tuple(module.__name__ for module in (features, hear, long_audio, pairings))
PACKAGES = ("numpy", "openvino", "tokenizers", "torch", "transformers")


class HeardTexts:
    """Texts by all that they depend on, in a file that evaluations of one checkpoint share.

    Args:
        path: The file.
        graphs: Manifest of the checkpoint's float graphs, which has the hashes of its files.
        compiled: Manifest of the hand-off folder.
    """

    def __init__(self, path: Path, graphs: Path, compiled: Path) -> None:
        self._store = LineStore(path)
        packages = {name: importlib.metadata.version(name) for name in PACKAGES}
        self._facts = [sha256_of(graphs), code_hash(*MODULES), packages]
        records = read_json(compiled)["parts"]
        files = {part: [one["sha256"] for one in own["files"]] for part, own in records.items()}
        self._parts = {("float", part): ["float"] for part in files}
        self._parts |= {("compiled", part): own for part, own in files.items()}

    def text(
        self, pairing: str, audio: np.ndarray, asked: list[str], hear: Callable[[], Text]
    ) -> Text:
        """What a pairing makes of audio: from the file, or heard now.

        Args:
            pairing: Such as `float+compiled`.
            audio: float32 [time], 16 kHz.
            asked: Language and task, and in what way it is heard.
            hear: Hears it.
        """
        if pairing == COMPILED:
            return hear()
        kinds = zip(pairing.split("+"), ("encoder", "decoder"), strict=True)
        parts = [self._parts[kind, part] for kind, part in kinds]
        sound = hashlib.sha256(np.ascontiguousarray(audio).tobytes()).hexdigest()
        key = key_of(*self._facts, parts, sound, asked)
        found = self._store.find(key)
        if found is None:
            text = hear()
            row = text._asdict()
            del row["logits"]  # 200 kB a token
            self._store.add([(key, row)])
            return text
        return Text(**found)
