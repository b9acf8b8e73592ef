"""What the parts in a hand-off folder hear of clips, on the device that they are for."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from calibration.coverage import spoken_in
from calibration.features import encoder_input
from common.cli import UserError
from common.files import is_unchanged, read_json, sha256_of
from compilation.hand_off import sums, vendor
from data.clips import Clip, interleave, read_audio, understood
from evaluation.scoring.sizes import sizes_of
from evaluation.speed.npu_meter import NpuMeter, npu_meter, power_mode, summary
from evaluation.transcription.generate import by_beams
from evaluation.transcription.hear import detect, hear
from evaluation.transcription.models import with_sessions
from evaluation.transcription.pairings import Pairings
from evaluation.transcription.transcribe_clips import Transcribed, transcribe_clips
from runtime.folder import NPU, device_of, sessions_of
from runtime.sessions import DecoderSession

KEPT = ("language", "whisper_language", "seconds")


def clips_for(manifest: dict[str, Any], folder: Path) -> list[Path]:
    """Manifests of the clips in the languages that a hand-off folder was calibrated with.

    Raises:
        UserError: there are none, or no such folder.
    """
    if not folder.is_dir():
        raise UserError(
            f"--clips {folder} is no folder; give a folder such as data/audio_files/evaluation"
        )
    languages = spoken_in(manifest["calibration"]["encoder"]["samples"])
    found = [path for path in sorted(folder.glob("*.jsonl")) if path.stem in languages]
    if not found:
        raise UserError(
            f"{folder} has no manifest of clips (*.jsonl) in {', '.join(languages)}; give a folder"
            " such as data/audio_files/evaluation"
        )
    return found


def check_recordings(clips: list[Clip]) -> None:
    """Refuse recordings that are not those of their manifests, before any is heard.

    Raises:
        UserError: One is missing or another.
    """
    for clip in clips:
        if not is_unchanged(clip["path"], clip["sha256"]):
            raise UserError(
                f"{clip['path']} is missing, or is not the recording that its manifest lists; copy"
                " the folder of --clips again, whole"
            )


def evaluate_folder(folder: Path, clips: Path, beams: int = 1) -> dict[str, Any]:
    """transcripts.json of a folder: what its parts hear of the clips.

    Args:
        folder: The hand-off folder.
        clips: Folder of recordings and their manifests.
        beams: Of the search for a text; 1 is greedy.

    Raises:
        UserError: the folder is not what its sums say, or there are no clips, or none with a text.
    """
    manifest = read_json(folder / "manifest.json")
    sums.check(folder)
    manifests = clips_for(manifest, clips)
    tasks = manifest["calibration"]["decoder"]["settings"]["tasks"]
    encoder, decoder = sessions_of(folder)
    pairings = Pairings.with_files(folder, {"compiled": encoder}, {"compiled": decoder})
    generation, processor = pairings.generation, pairings.processor
    chosen = understood(interleave(manifests), generation)
    check_recordings(chosen)
    by = hear if beams == 1 else by_beams(with_sessions(folder, encoder, decoder), beams)
    warmed_up = device_of(folder) == NPU
    if warmed_up:
        # The first generation of a process may differ from all others on an NPU.
        features = encoder_input(processor.feature_extractor, read_audio(chosen[0]))
        language, states = chosen[0]["whisper_language"], encoder.encode(features)
        by(decoder, states, language, "transcribe", generation, processor)
        print("a first clip was heard once before, for nothing: to warm up", file=sys.stderr)
    meter = _meter(folder) if warmed_up else None
    facts, rows = [], []
    for heard in transcribe_clips(pairings, chosen, tasks, "device", by=by):
        facts.append(_facts(heard, decoder, generation, meter))
        rows += [{**row, "clip": facts[-1]["clip"]} for row in heard.rows]
    power = {}
    if meter:
        meter.close()
        power = {"power": summary([one["npu"] for one in facts])}
    return {
        "model": manifest["model"],
        "target": manifest["target"],
        "folder": str(folder),
        "manifest_sha256": sha256_of(folder / "manifest.json"),
        "sizes": sizes_of(manifest["parts"]),
        "beams": beams,
        "warmed_up": warmed_up,
        **power,
        "power_mode": power_mode(),
        "clips": facts,
        "rows": rows,
    }


def _facts(
    heard: Transcribed, decoder: DecoderSession, generation: SimpleNamespace, meter: NpuMeter | None
) -> dict[str, Any]:
    """What transcripts.json has of a clip, right after it was heard."""
    own = {"clip": heard.clip["path"].name, **{key: heard.clip[key] for key in KEPT}}
    own["states"] = None
    if meter:  # at once: the seconds that it looks at end now, and the device works on
        own["npu"] = meter.last(heard.seconds)
    found = detect(decoder, heard.states["compiled"], generation)
    return own | {"detected": {"compiled": found} if found else None}


def _meter(folder: Path) -> NpuMeter | None:
    """A meter of the device that a folder's encoder runs on, where there is one."""
    config = read_json(folder / "config.json")
    number = int(vendor.places("encoder", config)[0].split(":")[0])
    return npu_meter(config["encoder_target_device"], number)
