"""What the environment must and must not hold."""

import importlib.util
import re
import tomllib

from tests.imports import ROOT


def test_nothing_reports_the_pipelines_use() -> None:
    """OpenVINO and NNCF send usage events where this package is installed."""
    assert importlib.util.find_spec("openvino_telemetry") is None


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [one for group in project["dependency-groups"].values() for one in group]
    named = [one for one in groups if isinstance(one, str)]  # the others include a group
    direct = project["project"]["dependencies"] + named
    pins = project["tool"]["uv"]["constraint-dependencies"]
    assert len(pins) > 100
    for requirement in [*direct, *pins]:
        assert re.fullmatch(r"[\w.\[\]-]+==[\w.+]+( ;.*)?", requirement), requirement
    names = {pin.split("==")[0] for pin in pins}
    assert {requirement.split("==")[0] for requirement in direct} <= names
