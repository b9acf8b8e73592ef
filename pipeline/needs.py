"""What each job needs of a machine, by what it works on: threads, memory, time, disk, a GPU.

Memory is what was measured at real dimensions (benchmarks/needs.py; docs/cluster.md has the table),
and a little more. Time is a limit for a scheduler, several times what two cores take.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from snakemake.common.tbdstring import TBDString

from common.cli import UserError
from common.files import read_json
from data.cache import local_folder

THREADS = 8  # which a job makes good use of, where a run is not told how many there are
CHECKPOINT = "data/checkpoints/{}.json"
LABELS = Path("data/labels/checkpoint.json")
VALUE = 4e-9  # GB of a float32


class Shape(NamedTuple):
    """The size of a checkpoint, in GB of float32 values."""

    encoder: float = 0.0  # weights
    decoder: float = 0.0  # weights, token and position tables among them
    cache: float = 0.0  # keys and values with which a clip of 30 s is decoded to its last token

    @property
    def whole(self) -> float:
        """All weights."""
        return self.encoder + self.decoder


def shape_of(config: dict[str, Any]) -> Shape:
    """The size of a Whisper, by its config.json."""
    width, mels = config["d_model"], config["num_mel_bins"]
    frames, tokens = config["max_source_positions"], config["max_target_positions"]
    attention = 4 * width**2  # projections of one attention
    front = 3 * width * (mels + width) + frames * width  # convolutions and positions
    encoder = config["encoder_layers"] * (attention + 2 * width * config["encoder_ffn_dim"])
    decoder = config["decoder_layers"] * (2 * attention + 2 * width * config["decoder_ffn_dim"])
    tables = width * (config["vocab_size"] + tokens)
    cache = 2 * config["decoder_layers"] * width * (frames + tokens)
    return Shape((front + encoder) * VALUE, (decoder + tables) * VALUE, cache * VALUE)


class Need(NamedTuple):
    """What the jobs of a rule need."""

    memory: Callable[[Shape], float]  # GB
    seconds: float = 0.0  # for a clip, by a checkpoint of 1 GB
    use: str = "calibration"  # of these clips
    disk: Callable[[Shape], float] = lambda shape: 0.1  # GB that it writes
    sized: bool = True  # whether it matters what the checkpoint is, and so has to be there


def light(gigabytes: float) -> Need:
    """Of jobs of seconds, whatever the checkpoint."""
    return Need(lambda shape: gigabytes, sized=False)


def decoding(shape: Shape) -> float:
    """GB where the encoder runs, and then the decoder, in batches of at most 0.9 GB of caches."""
    return max(
        0.4 + 1.05 * shape.encoder, 0.5 + 1.65 * shape.decoder + min(0.9, 12.3 * shape.cache)
    )


NEEDS = {
    "resolve_dataset": light(0.2),
    "fetch_speech": light(0.2),
    "prepare_audio": light(0.6),
    "fetch_checkpoint": light(0.5),
    "fetch_label_checkpoint": light(0.5),
    "label_clips by texts": light(0.2),
    "label_clips by checkpoint": Need(lambda s: 1.1 + 1.3 * s.whole + 8 * s.cache, 15),
    "export_graphs": Need(lambda s: 1.1 + 1.6 * s.whole, disk=lambda s: s.whole),
    "calibrate_encoder": Need(lambda s: 0.7, 1, disk=lambda s: 3),
    "calibrate_decoder": Need(decoding, 10, disk=lambda s: 5),
    "calibrate_decoder_shard": Need(decoding, 10, disk=lambda s: 5),
    "quantise_encoder w8": Need(lambda s: 0.8 + 1.65 * s.encoder, 1, disk=lambda s: s.encoder),
    "quantise_encoder w8a8": Need(lambda s: 0.83 + 4.6 * s.encoder, 10, disk=lambda s: s.encoder),
    "quantise_decoder w8": Need(lambda s: 0.8 + 1.65 * s.decoder, 1, disk=lambda s: s.decoder),
    "quantise_decoder w8a8": Need(lambda s: 0.88 + 4.45 * s.decoder, 10, disk=lambda s: s.decoder),
    "choose_float_layers": Need(
        lambda s: 1.3 + max(4.6 * s.encoder, 4.45 * s.decoder) + s.whole,
        100,
        disk=lambda s: s.whole,
    ),
    "place_checkpoint": light(0.2),
    "parse_npu_part": Need(lambda s: 4 + 4 * s.whole, disk=lambda s: s.whole),
    "quantise_npu_part": Need(lambda s: 4 + 4 * s.whole, disk=lambda s: s.whole),
    "check_npu_part": light(0.5),
    "make_golden": Need(lambda s: 0.27 + 2.1 * s.whole),
    "assemble_hand_off": Need(lambda s: 1.1 + 0.65 * s.whole, disk=lambda s: s.whole),
    "archive_hand_off": Need(lambda s: 0.3, disk=lambda s: s.whole),
    "evaluate": Need(lambda s: 1.15 + 3.05 * s.whole, 15, "evaluation"),
    "hear_conditions": Need(lambda s: 1.15 + 3.05 * s.whole, 15, "evaluation"),
    "measure_coverage": Need(lambda s: 0.78 + 0.72 * s.whole, 3, "evaluation"),
    "rank_layers": Need(lambda s: 1.35 + 2.05 * s.whole, 15, "evaluation"),
    "measure_speed": Need(lambda s: 1.1 + 1.45 * s.whole, 3, "evaluation"),
    "score": light(0.3),
    "check_gate": light(0.1),
    "describe_hand_off": light(0.1),
    "write_report": light(0.3),
}
OWN = 0.3  # GB for Snakemake's processes beside a job that is submitted
GPU = ("parse_npu_part", "quantise_npu_part")


def threads(cores: int | None) -> int:
    """How many a job uses that can use many.

    All that the run has, for libraries start a thread for each CPU that they may run on: two such
    jobs side by side would be in each other's way.

    Args:
        cores: Of the run; None where its jobs run elsewhere, and nobody says on what.
    """
    return cores or THREADS


def resources(
    config: dict[str, Any], rule: str, way: Callable[[Any], str] | None = None
) -> dict[str, Any]:
    """A rule's resources, as functions for Snakemake: mem_mb, disk_mb, runtime (minutes), gpu.

    They are not known before the checkpoint is there. A job that was killed gets twice as much
    memory and time when it is tried again.

    Args:
        config: The merged configuration.
        rule: A key of NEEDS, or what such keys begin with.
        way: What they end in, by a job's wildcards.
    """
    clips = clips_of(config)
    hours = config["compilation"]["qbcompiler"]["timeout_hours"] if rule in GPU else 0.5

    def stated(value: Callable[[Need, Shape], float]) -> Callable[..., int | TBDString]:
        def of(wildcards: Any, attempt: int) -> int | TBDString:
            need = NEEDS[f"{rule} {way(wildcards)}" if way else rule]
            model = getattr(wildcards, "model", None)
            shape = checkpoint_shape(model) if need.sized else Shape()
            return TBDString() if shape is None else round(value(need, shape) * 2 ** (attempt - 1))

        return of

    def minutes(need: Need, shape: Shape) -> float:
        return 60 * hours + clips[need.use] * need.seconds * shape.whole / 60

    return {
        "mem_mb": stated(lambda need, shape: 1000 * (need.memory(shape) + OWN)),
        "disk_mb": stated(lambda need, shape: 1000 * need.disk(shape)),
        "runtime": stated(minutes),
        # Said where one is needed alone: some executors take a 0 for a wish.
        **({"gpu": 1} if rule in GPU else {}),
    }


def clips_of(config: dict[str, Any]) -> dict[str, int]:
    """How many clips there are, at most, by their use."""
    languages, samples = len(config["data"]["languages"]), config["data"]["samples_per_language"]
    return {
        "calibration": languages * samples * len(config["calibration"]["fractions"]),
        "evaluation": languages * config["evaluation"]["samples_per_language"],
    }


def checkpoint_shape(model: str | None) -> Shape | None:
    """Of a model's checkpoint, or that of the labels; None before it is there."""
    manifest = Path(CHECKPOINT.format(model)) if model else LABELS
    if not manifest.is_file():
        return None
    try:
        # What is wrong with it, the job itself says.
        return shape_in(local_folder(manifest)) or Shape()
    except (UserError, OSError, ValueError, KeyError):
        return Shape()


def shape_in(folder: Path) -> Shape | None:
    """Of the checkpoint in a folder; None where there is none that can be read."""
    try:
        return shape_of(read_json(folder / "config.json"))
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None
