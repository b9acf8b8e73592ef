"""How the call of the NPU vendor's compiler is put together for the version that is installed."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from compilation.qb.child import build, find, numerics, spelled, with_objects
from compilation.qb.limits import Refused
from compilation.qb.recipes import configs


def snake(*, act_order: bool = False, block_size: int = 256) -> dict[str, Any]:
    """As the newest version names them."""
    return {"act_order": act_order, "block_size": block_size}


def camel(*, actOrder: bool = False, blockSize: int = 128) -> dict[str, Any]:
    """As older ones do."""
    return {"actOrder": actOrder, "blockSize": blockSize}


def test_fields_are_sent_under_the_names_that_the_signature_has() -> None:
    given = {"act_order": True, "block_size": 128}
    assert spelled(snake, given) == given
    assert spelled(camel, given) == {"actOrder": True, "blockSize": 128}
    assert spelled(camel, {"perc_damp": 0.01}) == {"perc_damp": 0.01}  # its refusal is the maker's


def test_mappings_of_overrides_become_objects() -> None:
    solver = {"apply": True, "solver": "asymmetric_causal", "attributes": {"alpha": 0.25}}
    made = with_objects({"hessian_quant_config": solver, "buffer_mode": 1, "feed_dict": {}})
    assert made == {
        "hessian_quant_config": configs("HessianQuantConfig", **solver),
        "buffer_mode": 1,
        "feed_dict": {},
    }


def install(monkeypatch: pytest.MonkeyPatch, root: dict[str, Any], inner: dict[str, Any]) -> None:
    """A package with these names, and, where there are any, a module `configs` with those."""
    package = ModuleType("qbcompiler")
    vars(package).update(root, __path__=[])
    monkeypatch.setitem(sys.modules, "qbcompiler", package)
    module = ModuleType("qbcompiler.configs")
    vars(module).update(inner)
    monkeypatch.setitem(sys.modules, "qbcompiler.configs", module if inner else None)


@pytest.mark.parametrize("at_root", [True, False])
def test_configuration_classes_are_found_in_both_places(
    monkeypatch: pytest.MonkeyPatch, at_root: bool
) -> None:
    names = {"HessianQuantConfig": SimpleNamespace(Attributes=snake if at_root else camel)}
    install(monkeypatch, *((names, {}) if at_root else ({}, names)))
    made = build(configs("HessianQuantConfig.Attributes", act_order=True))
    assert made["act_order" if at_root else "actOrder"] is True
    with pytest.raises(Refused, match="the installed qbcompiler has no OptqConfig"):
        find("configs:OptqConfig")
    with pytest.raises(Refused, match=r"does not take Attributes\(perc_damp=1\)"):
        build(configs("HessianQuantConfig.Attributes", perc_damp=1))


def test_the_record_says_why_two_versions_differ() -> None:
    def newest(model: str, bias_correction: bool = True) -> None: ...
    def before(model: str, layer_bias_correction: bool = False) -> None: ...
    def oldest(model: str) -> None: ...

    corrected = {"bias_correction": True, "weights_fitted_to": "quantised inputs"}
    assert numerics("1.4.0", newest, {}) == corrected
    off = {"bias_correction": False}
    assert numerics("1.4.1", newest, off) == corrected | off
    as_they_are = {"bias_correction": False, "weights_fitted_to": "float inputs"}
    assert numerics("1.3.0", before, {}) == numerics("1.2.0", oldest, {}) == as_they_are
