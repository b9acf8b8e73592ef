"""README.md of a hand-off folder: a model card, and what a device engineer wants to know first.

It is made of the folder's other files alone, so it can be written again when the model has been
evaluated and evaluation.json has come to them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
import yaml

from calibration.coverage import spoken_in
from common.files import read_json, write_text
from compilation.hand_off.expect import AT_LEAST, POSITIONS
from compilation.hand_off.provenance import gives_last_token_only
from data.languages import FLEURS_TO_WHISPER
from runtime.folder import CPU, device_of

TEMPLATE = Path(__file__).with_name("readme.md.j2")


def write(folder: Path) -> None:
    """Write README.md from the folder's other files."""
    manifest, config = read_json(folder / "manifest.json"), read_json(folder / "config.json")
    golden, path = read_json(folder / "golden/golden.json"), folder / "evaluation.json"
    evaluation = read_json(path) if path.is_file() else None
    clip = golden["clips"][0]
    environment = jinja2.Environment(
        undefined=jinja2.ChainableUndefined, keep_trailing_newline=True
    )
    environment.filters["shapes"] = shapes_of
    environment.filters["cell"] = _cell
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        matter=yaml.safe_dump(
            front_matter(manifest, evaluation), sort_keys=False, allow_unicode=True
        ),
        manifest=manifest,
        config=config,
        golden=golden,
        evaluation=evaluation,
        cpu=manifest["target"] == "cpu",
        languages=languages_of(manifest),
        kept_float={
            part: record["settings"].get("keep_float", [])
            for part, record in manifest["parts"].items()
        },
        clip=clip,
        multilingual=len(clip["prompt"]) > 2,  # it names a language and a task
        at_least=AT_LEAST,
        seconds=config["max_source_positions"] // POSITIONS,
        last_token_only=gives_last_token_only(manifest["parts"]["decoder"]),
        words=gives_times_of_words(folder),
        kept=int(clip["seconds"] * POSITIONS) + 1,
        tasks=manifest["calibration"]["decoder"]["settings"]["tasks"],
    )
    write_text(folder / "README.md", text)


def gives_times_of_words(folder: Path) -> bool:
    """Whether the checkpoint says which heads align; for an NPU, a graph of them is there, too."""
    heads = read_json(folder / "generation_config.json").get("alignment_heads")
    return bool(heads) and (device_of(folder) == CPU or (folder / "alignment.xml").is_file())


def shapes_of(shapes: Iterable[list[int | str]], dtype: str) -> str:
    """float32 `[1, L, 768]` and the like, joined; what has two axes is token ids, int64."""
    kinds = [("int64" if len(shape) == 2 else dtype, shape) for shape in shapes]
    return " and ".join(f"{kind} `[{', '.join(map(str, shape))}]`" for kind, shape in kinds)


def _cell(text: str) -> str:
    """A text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def front_matter(manifest: dict[str, Any], evaluation: dict[str, Any] | None) -> dict[str, Any]:
    """What the Hub reads at the head of a model card."""
    checkpoint, dataset = manifest["checkpoint"], manifest["dataset"]
    matter: dict[str, Any] = {"language": languages_of(manifest)}
    if manifest["license"]:
        matter["license"] = manifest["license"]
    if checkpoint["commit"]:  # a Hub repository
        matter |= {"base_model": checkpoint["source"], "base_model_relation": "quantized"}
    if dataset["commit"]:
        matter["datasets"] = [dataset["source"]]
    matter |= {"pipeline_tag": "automatic-speech-recognition", "metrics": ["wer", "cer"]}
    matter["library_name"] = "openvino" if manifest["target"] == "cpu" else "transformers"
    matter["tags"] = ["whisper", "speech", "int8", manifest["target"]]
    if evaluation and evaluation["metrics"]:
        task = {"type": "automatic-speech-recognition"}
        data = {"type": dataset["source"], "name": dataset["source"]}
        results = [{"task": task, "dataset": data, "metrics": evaluation["metrics"]}]
        matter["model-index"] = [{"name": manifest["model"], "results": results}]
    return matter


def languages_of(manifest: dict[str, Any]) -> list[str]:
    """Whisper codes of the languages that it was calibrated with."""
    spoken = spoken_in(manifest["calibration"]["encoder"]["samples"])
    codes = {FLEURS_TO_WHISPER.get(language) for language in spoken}
    return sorted(code for code in codes if code)
