"""What every sample of a decoder's calibration set is made from: clip, stratum, prompt and text."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from calibration import store, strata, texts
from calibration.texts import Labels
from calibration.variants import SILENCE, is_silent, silent_clip
from calibration.work import Work
from common.cli import UserError
from common.files import read_json
from data.clips import Clip, interleave, understood

GENERATED, LABELS, REFERENCE = TEXTS = ("generated", "labels", "reference")
# What the bytes of the states, and of the decoder's inputs, are computed by.
STATES_CODE = ("calibration.work", "runtime.float_sessions", "runtime.ir", "runtime.parts")
STATES_CODE += ("runtime.openvino_sessions", "runtime.torch_sessions")
INPUTS_CODE = ("calibration.greedy", "runtime.tables")


class Sample(NamedTuple):
    """One sample: `text` says where the tokens after the prompt come from."""

    clip: Clip
    stratum: str
    text: str
    work: Work


class Planner(NamedTuple):
    """What all samples of a set share."""

    generation: SimpleNamespace
    tokenizer: Tokenizer
    positions: int  # of the decoder's position table
    settings: dict[str, Any]
    features: Path  # the encoder set's manifest
    made_by: list[Any]  # facts of the float graphs and of what runs them
    labels: Labels | None = None

    def clips(self, manifests: list[Path]) -> list[tuple[Clip, dict[str, str]]]:
        """The clips of the encoder's set, in its order, each with its entry there.

        Raises:
            UserError: That set was not made from these clips.
        """
        read = understood(interleave(manifests), self.generation)
        known = {str(clip["path"]): clip for clip in read} | {SILENCE: silent_clip()}
        entries = read_json(self.features)["samples"]
        made_from = {(entry["clip"], entry["clip_sha256"]) for entry in entries}
        expected = {(name, clip["sha256"]) for name, clip in known.items()}
        if expected - made_from - {(SILENCE, SILENCE)} or made_from - expected:
            raise UserError(
                f"{self.features} was not made from the same clips; delete it and run the same"
                " command again"
            )
        return [(known[e["clip"]] | {"fraction": e["fraction"]}, e) for e in entries]

    def samples(self, clips: list[tuple[Clip, dict[str, str]]]) -> list[Sample]:
        """The samples of all clips, in order."""
        spoken = [clip for clip, _ in clips if not is_silent(clip)]
        seed, mix = self.settings["seed"], self.settings["mix"]
        tasks = strata.tasks_of(self.generation, self.settings["tasks"])
        drawn = iter(strata.draw(spoken, seed, mix, tasks))
        samples = []
        for clip, entry in clips:
            if is_silent(clip):
                samples.append(self._sample(clip, entry, strata.TRANSCRIBE, GENERATED))
                continue
            stratum = next(drawn)
            prefix = self._before(clip, spoken) if stratum == strata.PREVIOUS else []
            samples.append(self._sample(clip, entry, stratum, self.settings["text"], prefix))
        return samples

    def instead(self, sample: Sample) -> Sample:
        """A sample of the same clip with its human text, for one whose generated text is faulty.

        The silent clip is left with its prompt alone.
        """
        clip, stratum = sample.clip, sample.stratum
        if clip["translation"] is None and stratum == strata.TRANSLATE:
            stratum = strata.TRANSCRIBE
        entry = {"file": sample.work.mel.name, "sha256": sample.work.mel_sha256}
        length = len(strata.prompt_tokens(clip["whisper_language"], stratum, self.generation))
        prefix = sample.work.prompt[:-length] if stratum == strata.PREVIOUS else []
        return self._sample(clip, entry, stratum, REFERENCE, prefix)

    def _sample(
        self,
        clip: Clip,
        entry: dict[str, str],
        stratum: str,
        text: str,
        prefix: list[int] | None = None,
    ) -> Sample:
        asked = strata.prompt_tokens(clip["whisper_language"], stratum, self.generation)
        prompt = [*(prefix or []), *asked]
        limit = min(self.settings["max_new_tokens"], self.positions - len(prompt))
        said = None if text == GENERATED else self._said(clip, stratum, text)[:limit]
        states_key = store.key_of(self.made_by, store.source_of(*STATES_CODE), entry["sha256"])
        key = store.key_of(states_key, store.source_of(*INPUTS_CODE), prompt, said, limit)
        mel = self.features.parent / entry["file"]
        work = Work(mel, entry["sha256"], prompt, said, states_key, key)
        return Sample(clip, stratum, text, work)

    def _said(self, clip: Clip, stratum: str, text: str) -> list[int]:
        if is_silent(clip):
            return []
        written = (
            self.labels.text(clip, stratum) if text == LABELS else texts.reference(clip, stratum)
        )
        return texts.given(written, clip, stratum, self.tokenizer, self.generation)

    def _before(self, clip: Clip, clips: list[Clip]) -> list[int]:
        """Prompt tokens of the text before a clip: another sentence of its language.

        Of the next clip with another sentence, in an order shuffled by the seed.
        """
        alike = [one | {"fraction": 1.0} for one in clips if one["language"] == clip["language"]]
        keys = {strata.shuffle_key(one, self.settings["seed"]): one for one in alike}
        mine = strata.shuffle_key(clip | {"fraction": 1.0}, self.settings["seed"])
        ring = sorted(key for key in keys if keys[key]["sentence_id"] != clip["sentence_id"])
        other = keys[next((key for key in ring if key > mine), ring[0])]
        return texts.previous(other, self.tokenizer, self.generation, self.positions)
