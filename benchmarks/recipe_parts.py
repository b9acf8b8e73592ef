"""The parts of benchmarks.recipes: each quantised in one of the ways that are compared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nncf
import numpy as np
import openvino as ov
from nncf.quantization.range_estimator import RangeEstimatorParametersSet

from calibration.greedy import rules_of
from calibration.prompts import prompt_tokens
from compilation.openvino.float_layers import layers_of, value_products
from compilation.openvino.quantise import advanced
from compilation.openvino.samples import decoder_reader, encoder_reader, read_samples
from data.clips import Clip, interleave, understood
from data.whisper import load_generation
from runtime.ir import CHOSEN, FLOAT32, Properties, read_model, save_model
from runtime.stateful import make_stateful
from runtime.tables import TABLES, Tables, load_tables

RANGES = {
    "mean": RangeEstimatorParametersSet.MEAN_MINMAX,
    "histogram": RangeEstimatorParametersSet.HISTOGRAM,
}
ATTENTION = ("scores", "context", "q_proj", "k_proj", "v_proj", "out_proj")  # ends of names


class Recipe(NamedTuple):
    """How a part is quantised; the defaults are the pipeline's w8a8."""

    weights_only: bool = False
    alpha: float = 0.95
    ranges: str = ""  # of RANGES; empty: minimum and maximum of all samples
    accurate_bias: bool = False
    float_layers: tuple[str, ...] = ()  # ends of their names
    clips: int | None = None  # of the calibration set, of each language
    as_chosen: bool = True  # else what 8-bit weights multiply is not quantised as it runs
    tokens: str = ""  # of the decoder's samples, of SEQUENCES; empty: as they are


SEQUENCES: dict[str, Callable[[Tables, list[int], int, int], np.ndarray]] = {
    "no prompt": lambda tables, ids, start, end: tables.embed(np.array([ids[start:]]), start),
    "early": lambda tables, ids, start, end: tables.embed(np.array([ids[start:]])),
    "end": lambda tables, ids, start, end: tables.embed(np.array([[*ids, end]])),
    "tutorial": lambda tables, ids, start, end: tables.embed(np.array([[*ids[start:], end]])),
}


class Model(NamedTuple):
    """What the pipeline has made of a model."""

    graphs: Path
    sets: Path
    checkpoint: Path
    clips: list[Clip]

    @classmethod
    def of(cls, name: str, count: int) -> "Model":
        """A model of this checkout, and the first clips of each language."""
        checkpoint = Path(f"data/checkpoints/{name}.json")
        manifests = sorted(Path("data/audio_files/evaluation").glob("*.jsonl"))
        clips = understood(interleave(manifests), load_generation(checkpoint))
        languages = {clip["language"] for clip in clips}
        sets = Path("calibration/sets") / name
        return cls(Path("runtime/float") / name, sets, checkpoint, clips[: count * len(languages)])


def quantised(graph: ov.Model, samples: list[Any], read: Any, recipe: Recipe) -> ov.Model:
    """An int8 twin of a float graph."""
    names = [name for name in layers_of(graph) if name.endswith(recipe.float_layers)]
    kept = names if recipe.float_layers else []
    if recipe.weights_only:
        return nncf.compress_weights(graph)
    parameters = advanced(recipe.alpha)
    if recipe.ranges:
        parameters.activations_range_estimator_params = RANGES[recipe.ranges]
    scope = [*kept, *(name for name in value_products(graph) if name not in kept)]
    return nncf.quantize(
        graph,
        nncf.Dataset(samples, read),
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        fast_bias_correction=not recipe.accurate_bias,
        ignored_scope=nncf.IgnoredScope(names=scope) if scope else None,
        advanced_parameters=parameters,
    )


def properties_of(recipe: Recipe | None) -> Properties:
    """How a part is run: the float one in float32, others as they are by who has the folder."""
    if recipe is None:
        return FLOAT32
    return CHOSEN if recipe.as_chosen else CHOSEN | {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}


def begin(samples: list[Any], clips: int | None) -> list[Any]:
    """The first clips of each language; all, where no number is given."""
    languages = len({sample["language"] for sample in samples})
    return samples[: clips * languages if clips else None]  # a set has the languages in turns


def encoder_of(model: Model, recipe: Recipe | None, folder: Path) -> Path:
    """The encoder of a recipe."""
    graph = read_model(model.graphs / "encoder.xml")
    if recipe:
        manifest = model.sets / "encoder/manifest.json"
        samples = begin(read_samples(manifest, "encoder"), recipe.clips)
        graph = quantised(graph, samples, encoder_reader(manifest.parent, graph), recipe)
    save_model(graph, folder / "encoder.xml")
    return folder / "encoder.xml"


def decoder_of(model: Model, recipe: Recipe | None, folder: Path) -> Path:
    """The stateful decoder of a recipe."""
    graph = read_model(model.graphs / "decoder.xml")
    if recipe:
        manifest = model.sets / "decoder/manifest.json"
        samples = begin(read_samples(manifest, "decoder"), recipe.clips)
        read = decoder_reader(manifest.parent, graph)
        if recipe.tokens:
            read = with_tokens(model, read, SEQUENCES[recipe.tokens])
        graph = quantised(graph, samples, read, recipe)
    out = folder / "decoder.xml"
    save_model(make_stateful(graph, load_tables(model.graphs / TABLES)), out)
    return out


def with_tokens(model: Model, read: Any, sequence: Any) -> Any:
    """The reader of samples whose token sequences are others."""
    tables = load_tables(model.graphs / TABLES)
    generation = load_generation(model.checkpoint)
    asked = {prompt_tokens("en", task, generation)[-1] for task in ("transcribe", "timestamps")}
    asked |= set(generation.task_to_id.values())
    (end, *_) = rules_of(generation).ends

    def changed(sample: dict[str, Any]) -> dict[str, np.ndarray]:
        ids = sample["token_ids"]
        start = 1 + max(place for place, token in enumerate(ids) if token in asked)
        embeddings = sequence(tables, ids, start, end)
        return read(sample) | {"inputs_embeds": embeddings}

    return changed
