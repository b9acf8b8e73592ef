"""Layers that settings name, and where they are looked up."""

import json
from pathlib import Path

import pytest

from compilation.qb.layers import look_up_resolved, named_layers
from compilation.qb.recipes import configs


def test_names_are_found_wherever_settings_have_them() -> None:
    overrides = configs("BitConfig.LayerOverrides", activation_16bits=["a", "b"])
    settings = {
        "inference_scheme": "all",
        "bit_config": configs("BitConfig", layer_overrides=overrides),
        "bias_correction_config": {"attributes": {"exclude_layers": ["c", "a"]}},
        "split_blocks": [1, 2],
    }
    assert named_layers(settings) == ["a", "b", "c"]
    assert named_layers({"llm_config": configs("LlmConfig", apply=True)}) == []


def test_resolved_settings_without_a_name_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "resolved.json"
    assert look_up_resolved(["a"], path) is None
    path.write_text(json.dumps({"bit": {"layerOverrides": {"activation16Bits": ["a"]}}}))
    assert look_up_resolved(["a"], path) is True and capsys.readouterr().err == ""
    assert look_up_resolved(["a", "b"], path) is False
    assert "['b'] are NOT in the settings" in capsys.readouterr().err
