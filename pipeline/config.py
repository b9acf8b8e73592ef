"""The configuration: checked against config.schema.yaml before any work, one sentence a violation.

Messages name the key, its value, what is allowed and the nearest match. What a schema cannot say
(names that refer to other keys, shares that add up) is checked here too.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from common.cli import UserError
from common.model_names import SIGN, split
from common.nearest import nearest
from pipeline.config_values import faults_of_values
from pipeline.variants import laid_over

SCHEMA = Path(__file__).parent.parent / "config.schema.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C, where it is there, is quick
_STANDARD = jsonschema.Draft202012Validator
VALIDATOR = jsonschema.validators.extend(
    _STANDARD,
    # By the standard 4.0 is an integer, but not to the commands that are given it.
    type_checker=_STANDARD.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def check(config: dict[str, Any], languages: Iterable[str], files: Iterable[Path] = ()) -> None:
    """Raise a `UserError` for the first thing wrong with `config`.

    Args:
        config: The merged configuration, as parsed from YAML.
        languages: The FLEURS codes that the project knows.
        files: The files that it was merged from.
    """
    for path in files:
        if twice := _twice(yaml.compose(path.read_text(encoding="utf-8"), LOADER)):
            raise UserError(
                f"{path} has the key `{twice.value}` twice, again in line"
                f" {twice.start_mark.line + 1}; only the last one would count: put the two together"
            )
    schema = yaml.load(SCHEMA.read_text(encoding="utf-8"), LOADER)
    validator = VALIDATOR(schema)
    problems = list(faults_of_values(config)) or _faults_of_schema(config, validator)
    problems = problems or list(_cross_checks(config, languages))
    problems = problems or list(_faults_of_variants(config, validator))
    if problems:
        more = len(problems) - 1
        tail = f" (and {more} more)" if more else ""
        raise UserError(f"config: {problems[0]}{tail}")


def _twice(node: yaml.Node | None) -> yaml.ScalarNode | None:
    """A key that a mapping has already, anywhere below a node of YAML."""
    children = [child for _, child in node.value] if isinstance(node, yaml.MappingNode) else []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in seen:
            return key
        seen.add(key.value)
    return next((found for child in children if (found := _twice(child))), None)


def _cross_checks(config: dict[str, Any], languages: Iterable[str]) -> Iterator[str]:
    """What is wrong between keys that are each well-formed."""
    catalogue = config["models"]
    variants = [SIGN + name for name in config["variants"]]
    for name, (model, variant) in zip(config["build"], map(split, config["build"]), strict=True):
        if model not in catalogue:
            yield (
                f"build names `{name}`, which is not under models{nearest(model, catalogue)};"
                f" allowed: {', '.join(catalogue)}"
            )
        if variant and variant not in variants:
            allowed = f"allowed: {', '.join(variants)}" if variants else "there are none"
            yield (
                f"build names `{name}`, and `{variant}` is not under variants"
                f"{nearest(variant, variants)}; {allowed}"
            )
    known = list(languages)
    lists = {"data.languages": config["data"]["languages"]}
    lists |= {f"models.{name}.languages": m.get("languages", []) for name, m in catalogue.items()}
    for key, names in lists.items():
        for name in names:
            if name not in known:
                yield (
                    f"{key} holds `{name}`, no FLEURS code of a language that Whisper knows"
                    f"{nearest(name, known)}; allowed: the {len(known)} of data/languages.py"
                )
    for name in dict.fromkeys(split(name)[0] for name in config["build"]):
        able = catalogue.get(name, {}).get("languages", config["data"]["languages"])
        if not set(able) & set(config["data"]["languages"]):
            yield (
                f"data.languages has none of the languages that `{name}` can do"
                f" (models.{name}.languages: {', '.join(able)}); add one, or take it out of build"
            )
    yield from _faults_of_mix(config)


def _faults_of_mix(config: dict[str, Any]) -> Iterator[str]:
    mix = config["calibration"]["decoder"]["mix"]
    total = sum(mix.values())
    if not math.isclose(total, 1):
        parts = " + ".join(f"{name} {share}" for name, share in mix.items())
        yield f"calibration.decoder.mix adds up to {total:g} ({parts}); the shares must add up to 1"


def _faults_of_schema(
    config: dict[str, Any], validator: jsonschema.protocols.Validator
) -> list[str]:
    errors = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    return [_sentence(error) for error in errors]


def _faults_of_variants(
    config: dict[str, Any], validator: jsonschema.protocols.Validator
) -> Iterator[str]:
    """What is wrong with the configurations of variants, where the plain one is right."""
    for name, changes in config["variants"].items():
        changed = laid_over(config, changes)
        faults = _faults_of_schema(changed, validator) or _faults_of_mix(changed)
        yield from (f"variants.{name}: {fault}" for fault in faults)


def _sentence(error: jsonschema.ValidationError) -> str:
    """One violation of the schema, in words."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    value, rule = error.instance, error.validator_value
    allowed = error.schema.get("properties", {})
    match error.validator:
        case "additionalProperties":
            name = next(n for n in value if n not in allowed)
            fault = "may not change" if key.startswith("variants.") else "has no key"
            return f"{key} {fault} `{name}`{nearest(name, allowed)}; allowed: {', '.join(allowed)}"
        case "required":
            name = next(n for n in rule if n not in value)
            return f"{key} lacks the key `{name}`"
        case "type":
            return f"{key} is {_show(value)}, and must be {_a(rule)}{_about(error.schema)}"
        case "enum":
            choices = ", ".join(map(str, rule))
            return f"{key} is {_show(value)}{nearest(value, rule)}; allowed: {choices}"
        case "oneOf":
            return _sentence_of_auto(error, key)
        case "minimum" | "maximum":
            word = "least" if error.validator == "minimum" else "most"
            return f"{key} is {_show(value)}, and must be at {word} {rule}{_about(error.schema)}"
        case "not":
            return f"{key} is {_show(value)}; allowed: {error.schema['description']}"
        case "minItems" | "minLength" | "minProperties":
            return f"{key} is empty, and must name at least one{_about(error.schema)}"
        case "uniqueItems":
            twice = next(item for item in value if value.count(item) > 1)
            return f"{key} names `{twice}` twice"
        case "contains":
            return f"{key} is {_show(value)}, and must contain `{rule['const']}`"
        case "pattern":
            return f"{key} has the name {_show(value)}; allowed: letters, digits and . - _"
    return f"{key}: {error.message}"


def _sentence_of_auto(error: jsonschema.ValidationError, key: str) -> str:
    """For `auto` or a list: the fault of the list where there is one, else what is allowed."""
    if isinstance(error.instance, list):
        return _sentence(next(e for e in error.context if e.schema_path[0] == 1))
    items = error.schema["oneOf"][1]["items"]
    choices = items.get("enum", [])
    value = _show(error.instance) + nearest(error.instance, ["auto", *choices])
    listed = ", ".join(choices) or items["description"]
    return f"{key} is {value}; allowed: auto, or a list of {listed}"


def _a(kind: str) -> str:
    """A JSON type in words."""
    words = {"object": "a mapping", "array": "a list", "integer": "an integer", "string": "a text"}
    return words.get(kind, f"a {kind}")


def _about(schema: dict[str, Any]) -> str:
    """The schema's description, in brackets."""
    return f" ({schema['description']})" if "description" in schema else ""


def _show(value: Any) -> str:
    """A value as it would stand in YAML; a text in quotes where it would else be read as none."""
    if isinstance(value, str):
        return (
            f"`{value}`"
            if _reads_as_itself(value)
            else f"`{json.dumps(value, ensure_ascii=False)}`"
        )
    return f"`{str(value).lower()}`"


def _reads_as_itself(text: str) -> bool:
    try:
        return yaml.load(text, LOADER) == text
    except yaml.YAMLError:
        return False
