"""What the NPU vendor's compiler would be called with, and what is refused before."""

import ast
import sys
from pathlib import Path

import numpy as np
import pytest

from common.files import sha256_of, write_json
from common.source_files import sources
from compilation.qb.arguments_by_version import GENERATIONS, generation_of, table
from compilation.qb.limits import Refused, check_target, scheme_for, targets_of, warnings_on
from compilation.qb.recipes import Make, Wish
from compilation.qb.samples import check_samples
from tests.imports import ROOT

VENDOR = (
    "torch",
    "transformers",
)  # what the compiler's interpreter has beside the standard library
CONFIG = {"num_mel_bins": 80, "d_model": 8, "max_source_positions": 1500}


def wish(part: str = "encoder", **changes: object) -> Wish:
    """A wish for ARIES by the vendor's newest recipe."""
    whole = Wish(part, "aries-rb", 80, 3000, "validated", "all", "gpu", [])
    return whole._replace(**changes)


def makers(value: object) -> set[str]:
    """The names of all makers in a description."""
    if isinstance(value, dict):
        return set().union(*map(makers, value.values())) if value else set()
    return {value.maker} | makers(value.arguments) if isinstance(value, Make) else set()


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        *(("1.0.1", "1.0"), ("1.0.2", "1.0"), ("1.1.2+aries2", "1.1"), ("1.2.0", "1.2")),
        *(("1.3.0", "1.3, 1.4"), ("1.3.1rc1", "1.3, 1.4"), ("1.4.0", "1.3, 1.4")),
    ],
)
def test_each_version_has_its_generation(version: str, generation: str) -> None:
    assert generation_of(version) == (GENERATIONS[generation], "")


def test_newer_versions_are_called_as_the_newest_and_it_is_said() -> None:
    generation, note = generation_of("2.0.0")
    assert generation is GENERATIONS["1.3, 1.4"]
    assert note == "qbcompiler 2.0.0 is newer than 1.4, and is called as 1.4 is"
    with pytest.raises(Refused, match=r"0\.12\.0 is older than 1\.0"):
        generation_of("0.12.0")


def test_the_tutorials_calls_of_1_0_1() -> None:
    generation, _ = generation_of("1.0.1")
    encoder = wish(recipe="tutorial", scheme="global4")
    decoder = wish("decoder", recipe="tutorial", scheme="single")
    assert generation.parse(encoder) == {"backend": "torch", "target": "encoder", "device": "cpu"}
    assert generation.parse(decoder) == {"backend": "hf", "target": "decoder", "device": "cpu"}
    assert generation.quantise(encoder) == {"device": "cuda", "inference_scheme": "global4"}
    llm = Make(":get_llm_config", {"llm_config_apply": True, "use_full_seq_length": True})
    assert generation.quantise(decoder) == {
        "device": "cuda",
        "inference_scheme": "single",
        "llm_config": llm,
    }


def test_from_1_2_on_the_target_is_named_and_from_1_3_on_the_part() -> None:
    for version in ("1.2.0", "1.3.0"):
        generation, _ = generation_of(version)
        for part in ("encoder", "decoder"):
            for arguments in (generation.parse(wish(part)), generation.quantise(wish(part))):
                assert arguments["target_device"] == "aries-rb"
    newest = GENERATIONS["1.3, 1.4"]
    example = Make("torch:zeros", {"size": [1, 128, 3000]})
    assert newest.parse(wish(mels=128))["feed_dict"] == {"input_features": example}
    shorter = newest.parse(wish(frames=1000))["feed_dict"]["input_features"]
    assert shorter.arguments["size"] == [1, 80, 1000]
    decoder = newest.parse(wish("decoder"))
    assert decoder["dynamic_axes"] == {"inputs_embeds": [1], "cache_position": [0]}
    assert decoder["model_part"] == "decoder" and "feed_dict" not in decoder


@pytest.mark.parametrize("version", ["1.2.0", "1.3.0"])
def test_the_validated_recipe(version: str) -> None:
    generation, _ = generation_of(version)
    encoder, decoder = (generation.quantise(wish(part)) for part in ("encoder", "decoder"))
    for arguments in (encoder, decoder):
        names = makers(arguments)
        assert not [name for name in names if "SpinR1" in name]
        assert "configs:EquivalentTransformationConfig.SpinR2" in names
        assert "configs:BitConfig.Transformer.MixedPrecision.Activation" in names
    assert "llm_config" not in encoder and "calibration_config" not in encoder
    assert decoder["calibration_config"].arguments == {"output": 0, "mode": 0}
    hessian = {"1.2.0": "optq_config", "1.3.0": "hessian_quant_config"}[version]
    assert decoder[hessian].arguments["apply"] is True and hessian not in encoder
    small = generation.quantise(wish("decoder", target="regulus-rb", scheme="single"))
    limits = small["llm_config"].arguments["attributes"].arguments
    assert limits["max_sequence_length"] == limits["max_cache_length"] == 1024
    assert "max_cache_length" not in decoder["llm_config"].arguments["attributes"].arguments


@pytest.mark.parametrize("version", ["1.0.2", "1.1.2"])
def test_older_versions_refuse_the_validated_recipe(version: str) -> None:
    generation, _ = generation_of(version)
    with pytest.raises(Refused, match=r"`validated` needs qbcompiler 1\.2 .*encoder\.recipe"):
        generation.quantise(wish())


@pytest.mark.parametrize("version", ["1.0.2", "1.1.2", "1.2.0", "1.3.0"])
@pytest.mark.parametrize("recipe", ["tutorial", "validated"])
def test_named_layers_are_kept_in_16_bits(version: str, recipe: str) -> None:
    generation, _ = generation_of(version)
    if recipe == "validated" and version < "1.2":
        return
    arguments = generation.quantise(wish(recipe=recipe, activation_16bits=["score"]))
    assert "activation_16bits=['score']" in repr(list(arguments.values()))


def test_schemes_that_device_or_version_lack_are_refused() -> None:
    assert scheme_for("encoder", "all", "aries-rb", "1.0.2") == "all"
    assert scheme_for("encoder", "all", "regulus-rb", "1.2.0") == "single"
    with pytest.raises(Refused, match=r"`all` needs qbcompiler 1\.0\.2 .*encoder.*to global4"):
        scheme_for("encoder", "all", "aries-rb", "1.0.1")
    with pytest.raises(
        Refused, match=r"has one core and no scheme `global4`; set compilation\.dec"
    ):
        scheme_for("decoder", "global4", "regulus-rb", "1.3.0")
    assert targets_of("1.1.2") == ["aries-rb"]
    with pytest.raises(Refused, match=r"regulus-rb needs qbcompiler 1\.2"):
        check_target("regulus-rb", "1.1.2")


def test_versions_beside_the_compiler_are_looked_at() -> None:
    good = {"torch": "2.7.1+cpu", "numpy": "1.26.4"}
    assert warnings_on(good) == []
    assert "built for 2.7.1" in warnings_on(good | {"torch": "2.8.0"})[0]
    with pytest.raises(Refused, match=r"numpy 2\.1\.0 .* install numpy 1\.26"):
        warnings_on(good | {"numpy": "2.1.0"})
    with pytest.raises(Refused, match="has no torch"):
        warnings_on(good | {"torch": None})


def encoder_list(folder: Path, array: np.ndarray) -> Path:
    """The list of a set of one sample."""
    np.save(folder / "a.npy", array)
    (folder / "list.txt").write_text(f"{folder / 'a.npy'}\n", encoding="utf-8")
    return folder / "list.txt"


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.zeros((1, 3000, 80), np.float64), "holds <f8 in C order, not <f4 in C"),
        (
            np.zeros((1, 3000, 80), np.float32, order="F"),
            "holds <f4 in Fortran order, not <f4 in C",
        ),
        (np.zeros((1, 80, 3000), np.float32), r"has the shape \[1, 80, 3000\]"),
        (np.zeros((3000, 80), np.float32), r"has the shape \[3000, 80\]"),
    ],
)
def test_samples_that_the_compiler_would_choke_on_are_named(
    tmp_path: Path, array: np.ndarray, problem: str
) -> None:
    with pytest.raises(Refused, match=rf"a\.npy {problem}.*delete the set's manifest"):
        check_samples(encoder_list(tmp_path, array), "encoder", CONFIG)


def test_samples_are_as_long_as_the_checkpoints_window(tmp_path: Path) -> None:
    listing = encoder_list(tmp_path, np.zeros((1, 1000, 80), np.float32))
    assert check_samples(listing, "encoder", CONFIG | {"max_source_positions": 500}) == 1
    with pytest.raises(Refused, match=r"has the shape \[1, 1000, 80\]"):
        check_samples(listing, "encoder", CONFIG)


def test_files_that_are_missing_cut_or_no_arrays_are_named(tmp_path: Path) -> None:
    listing = encoder_list(tmp_path, np.zeros((1, 3000, 80), np.float32))
    assert check_samples(listing, "encoder", CONFIG) == 1
    path = tmp_path / "a.npy"
    entry = {"file": "a.npy", "sha256": sha256_of(path)}
    write_json(tmp_path / "manifest.json", {"samples": [entry]})
    assert check_samples(listing, "encoder", CONFIG) == 1
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(Refused, match=r"a\.npy was changed since the set was made"):
        check_samples(listing, "encoder", CONFIG)
    path.write_bytes(whole[:-4])
    with pytest.raises(Refused, match=r"a\.npy has \d+ bytes, not \d+"):
        check_samples(listing, "encoder", CONFIG)
    path.write_bytes(b"nothing")
    with pytest.raises(Refused, match=r"a\.npy is not a \.npy file"):
        check_samples(listing, "encoder", CONFIG)
    path.unlink()
    with pytest.raises(Refused, match=r"a\.npy is missing"):
        check_samples(listing, "encoder", CONFIG)


def test_what_runs_beside_the_compiler_needs_nothing_else_and_python_3_10() -> None:
    for file in sources("compilation.qb.compile"):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"), feature_version=(3, 10))
        typing_only = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        functions = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == "save_npy"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in typing_only | functions:
                continue
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                first = name.split(".")[0]
                own = first in ("common", "compilation")
                assert own or first in sys.stdlib_module_names or first in VENDOR, (file, name)


def test_the_docs_hold_the_table() -> None:
    docs = (ROOT / "docs/npu.md").read_text(encoding="utf-8")
    assert table() in docs
