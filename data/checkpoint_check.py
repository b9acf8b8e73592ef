"""One look at a checkpoint's small files, before any work: whether they are of one Whisper.

Seconds and no gigabyte: neither torch nor transformers is imported.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from common.cli import UserError
from data import checkpoint_tokenizer
from data.checkpoint_config import ACTIVATIONS, SIZES, size_of
from data.checkpoint_generation import check_age, check_generation, effective_generation

Json = dict[str, Any]
RATE = 16_000  # samples a second
# What transformers takes where the feature extractor's file is silent.
EXTRACTOR = {"feature_size": 80, "sampling_rate": RATE, "chunk_length": 30, "hop_length": 160}
EXTRACTOR |= {"n_fft": 400}
WINDOWS = ("n_fft", "hop_length")  # of these, no other value was ever trained with
FRAMES = 2  # mel frames a position of the encoder: the stride of its second convolution
EXTRACTORS = ("preprocessor_config.json", "processor_config.json")


class Look(NamedTuple):
    """What was seen of a checkpoint's small files."""

    config: Json
    changed: dict[str, str]  # text of the files that take part otherwise than as they are
    said: list[str]  # what was changed, a sentence each


def look(files: dict[str, Path], where: str, heads: list[Any] | None = None) -> Look:
    """Compare the small files of a checkpoint with one another.

    Args:
        files: Paths by name.
        where: The checkpoint's name, for messages.
        heads: `alignment_heads` of its base, for a generation configuration that has none.

    Raises:
        UserError: Two of them contradict each other, with both values and the file to mend; or one
            cannot be read.
    """

    content = {
        name: read_json_of(path, name, where)
        for name, path in files.items()
        if path.suffix == ".json"
    }
    read = content.__getitem__
    config = read("config.json")
    _check_config(config, where)
    extractors = {name: read(name) for name in EXTRACTORS if name in files}
    for name, one in extractors.items():
        if not isinstance(found := one.get("feature_extractor", {}), dict):
            raise UserError(
                f"{name} of {where} says feature_extractor {json.dumps(found)}, which says nothing"
                f" of features: mend {name}, or delete it"
            )
    if not is_extractor(extractors.get(EXTRACTORS[1], {})):
        extractors.pop(EXTRACTORS[1], None)
    _check_extractor(extractors, config, where)
    tokenizer, said = checkpoint_tokenizer.effective_tokenizer(files, read, where)
    ids = checkpoint_tokenizer.token_ids(tokenizer)
    _check_vocabulary(ids, config, where)
    generation = read("generation_config.json")
    check_age(generation, where)
    check_generation(generation, ids, config, where)
    own = {"alignment_heads": heads} | generation if heads else generation
    effective, left_out = effective_generation(own, ids, config)
    quiet = _without_dither(extractors)
    left_out += ["generation_config.json: alignment_heads are those of the base"] * (
        own != generation
    )
    changed = {}
    if said:
        changed["tokenizer.json"] = json.dumps(tokenizer, ensure_ascii=False)
    if "tokenizer.json" not in files:
        name = "tokenizer_config.json"
        own = read(name) if name in files else {}
        made = checkpoint_tokenizer.settings_of(tokenizer) | own
        changed[name] = json.dumps(made, ensure_ascii=False, indent=2) + "\n"
    if left_out:
        changed["generation_config.json"] = json.dumps(effective, indent=2) + "\n"
    changed |= {name: json.dumps(one, indent=2) + "\n" for name, one in quiet.items()}
    said += [f"{name}: dither is set to 0" for name in quiet]
    return Look(config, changed, said + left_out)


def read_json_of(path: Path, name: str, where: str) -> Json:
    """The object in a checkpoint's JSON file.

    Raises:
        UserError: It is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON and of UTF-8
        raise UserError(f"{name} of {where} is not JSON ({error}): replace it") from error
    if not isinstance(content, dict):
        raise UserError(f"{name} of {where} holds no JSON object: replace it")
    return content


def is_extractor(processor: Json) -> bool:
    """Whether a processor_config.json says how features are made; before 2025, none did."""
    return isinstance(processor.get("feature_extractor"), dict)


def _check_config(config: Json, where: str) -> None:
    """Refuse sizes that no Whisper has, and weights that are packed."""
    if packed := config.get("quantization_config"):
        method = packed.get("quant_method", "some method") if isinstance(packed, dict) else packed
        raise UserError(
            f"config.json of {where} has a quantization_config ({method}): its weights are"
            " quantised already; name the checkpoint that it was made from"
        )
    activation = config.get("activation_function", "gelu")
    if activation not in ACTIVATIONS:
        raise UserError(
            f"config.json of {where} says activation_function {json.dumps(activation)}, which the"
            " library does not know; every published Whisper says gelu: mend config.json"
        )
    for key, usual in SIZES.items():
        value = config.get(key, usual)
        if not isinstance(value, int) or value < 1:
            raise UserError(
                f"config.json of {where} says {key} {json.dumps(value)}, which is no size: mend"
                " config.json, or take the one that was saved with the weights"
            )
    width = size_of(config, "d_model")
    for part in ("encoder", "decoder"):
        heads = size_of(config, f"{part}_attention_heads")
        if width % heads:
            raise UserError(
                f"config.json of {where} says d_model {width} and {part}_attention_heads {heads},"
                " which does not divide it: mend config.json"
            )


def _check_extractor(found: dict[str, Json], config: Json, where: str) -> None:
    """Compare the feature extractor with the input that config.json gives the model."""
    mels, positions = size_of(config, "num_mel_bins"), size_of(config, "max_source_positions")
    for name, content in found.items():
        own = content.get("feature_extractor", content)
        values = EXTRACTOR | {key: own[key] for key in EXTRACTOR if key in own}
        frames = _frames(values)
        wrong = {
            "sampling_rate": (values["sampling_rate"] == RATE, f"Whisper hears {RATE} a second"),
            "feature_size": (
                values["feature_size"] == mels,
                f"config.json says num_mel_bins {mels}",
            ),
            "hop_length" if values["hop_length"] != EXTRACTOR["hop_length"] else "chunk_length": (
                frames == FRAMES * positions,
                f"config.json says max_source_positions {positions}, which are {FRAMES * positions}"
                f" frames and not {frames}",
            ),
        }
        for key, (fits, model) in wrong.items():
            if not fits:
                raise UserError(
                    f"{name} of {where} says {key} {json.dumps(values[key])}, but {model}: mend"
                    f" {name}, or config.json where the weights are of the other's size"
                )
        for key in WINDOWS:
            if values[key] != EXTRACTOR[key]:
                raise UserError(
                    f"{name} of {where} says {key} {json.dumps(values[key])}, but every Whisper"
                    f" says {EXTRACTOR[key]}: mend {name}"
                )


def _without_dither(found: dict[str, Json]) -> dict[str, Json]:
    """Those of the feature extractor's files that add noise, without: no two runs would agree."""
    quiet = {}
    for name, content in found.items():
        own = content.get("feature_extractor", content)
        if own.get("dither"):
            own = own | {"dither": 0.0}
            quiet[name] = content | {"feature_extractor": own} if is_extractor(content) else own
    return quiet


def _frames(extractor: Json) -> int:
    """Mel frames of one window; 0 where a size is none."""
    seconds, rate, hop = (extractor[key] for key in ("chunk_length", "sampling_rate", "hop_length"))
    sizes = all(isinstance(one, int | float) and one > 0 for one in (seconds, rate, hop))
    return int(seconds * rate // hop) if sizes else 0


def _check_vocabulary(ids: dict[str, int], config: Json, where: str) -> None:
    """Refuse tokens for which the model has no row."""
    rows = size_of(config, "vocab_size")
    token = max(ids, key=lambda one: ids[one])
    if ids[token] >= rows:
        raise UserError(
            f"the tokenizer of {where} has the token {token} with the id {ids[token]}, but"
            f" config.json says that there are {rows} (vocab_size): take the tokenizer's files that"
            " were saved with the model"
        )
