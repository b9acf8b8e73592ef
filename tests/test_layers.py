"""The damage of each int8 layer is its own; layers that are to stay float do."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import soundfile
from openvino import opset13

from common.cli import UserError
from common.files import listed, read_json, read_jsonl, sha256_of, write_json, write_jsonl
from compilation.openvino import quantise
from compilation.openvino.float_layers import layers_of, value_products
from data.clips import interleave
from data.whisper import load_tokenizer
from evaluation.layers import rank
from evaluation.layers.cut import by_name
from evaluation.layers.part_inputs import inputs_of
from runtime.ir import read_model, save_model
from runtime.tables import TABLES, load_tables
from tests.conftest import graphs_of, make_clips
from tests.test_calibration import make_sets

PARTS = ("encoder", "decoder")
FC1 = "encoder.layers.0.fc1"
CONV2 = "encoder.conv2"
OUT_PROJ = "decoder.layers.1.self_attn.out_proj"
KEYS = "decoder.layers.0.encoder_attn.k_proj"

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@pytest.fixture(scope="module")
def sets(tmp_path_factory, checkpoint: Path, clip_manifests: list[Path]) -> Path:
    """Folder of the calibration sets of the random checkpoint."""
    folder = tmp_path_factory.mktemp("sets")
    make_sets(folder, checkpoint, clip_manifests)
    given = {"checkpoint": str(checkpoint), "clips": list(map(str, clip_manifests))}
    write_json(folder / "given.json", given)
    return folder


@pytest.fixture(scope="module")
def graphs(checkpoint: Path) -> Path:
    """Manifest of its float graphs."""
    return graphs_of(checkpoint)


def test_texts_are_fed_as_calibration_feeds_them(
    checkpoint: Path, graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a space only in languages that have spaces."""
    monkeypatch.setattr("calibration.given_texts.UNSPACED", ["ko"])  # the checkpoint knows none
    manifests = [make_clips(tmp_path, f"{code}_x", code, 1) for code in ("ko", "de")]
    tokenizer, tables = load_tokenizer(checkpoint), load_tables(graphs.with_name(TABLES))
    for clip, arrays in inputs_of(checkpoint, graphs, interleave(manifests), "test"):
        space = " " if clip["whisper_language"] == "de" else ""
        said = tokenizer.encode(space + clip["transcription"], add_special_tokens=False).ids
        embeddings = arrays["embeddings"]
        place = embeddings.shape[1] - len(said)  # behind the prompt
        expected = tables.embed(np.array([said]), place)
        np.testing.assert_array_equal(embeddings[:, place:], expected)


def quantised(part: str, graphs: Path, sets: Path, out: Path, *options: str) -> Path:
    """Quantise a part into a folder; its record."""
    files = {"graph": graphs.with_name(f"{part}.xml"), "calibration": sets / part / "manifest.json"}
    files["out"] = out / f"{part}.xml"
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    quantise.main(["--part", part, *words, *options])
    return files["out"].with_suffix(".json")


@pytest.fixture(scope="module")
def parts(graphs: Path, sets: Path, tmp_path_factory) -> Path:
    """Folder of its int8 parts."""
    folder = tmp_path_factory.mktemp("parts")
    for part in ("encoder", "decoder"):
        quantised(part, graphs, sets, folder)
    return folder


def measure(graphs: Path, sets: Path, parts: Path, *names: str) -> dict[str, list[dict[str, Any]]]:
    """What layers.json says of the layers of int8 parts."""
    out = parts / "layers.json"
    given = read_json(sets / "given.json")
    lists = {"parts": [parts / f"{name}.json" for name in names], "clips": given["clips"]}
    lists |= {"checkpoint": [given["checkpoint"]]}
    words = [word for name, paths in lists.items() for word in (f"--{name}", *map(str, paths))]
    rank.main(["--graphs", str(graphs), *words, "--samples", "2", "--out", str(out)])
    content = read_json(out)
    assert content["model"] == graphs.parent.name
    assert content["clips"] == ["de_de_0000.wav", "en_us_0000.wav"]
    return content["parts"]


@pytest.fixture(scope="module")
def damage(graphs: Path, sets: Path, parts: Path) -> dict[str, list[dict[str, Any]]]:
    """What layers.json says of the int8 parts."""
    return measure(graphs, sets, parts, "encoder", "decoder")


def kinds_above(node: ov.Node, stop: dict[str, ov.Node]) -> set[str]:
    """Types of what is right above a layer that the float graph has not, and of its constants."""
    kinds = set()
    for value in node.input_values():
        above = value.get_node()
        if above.get_type_name() == "Constant":
            kinds.add(above.get_element_type().get_type_name())
        elif above.get_friendly_name() not in stop:
            kinds |= {above.get_type_name()} | kinds_above(above, stop)
    return kinds


def test_layers_are_listed_by_damage(graphs, parts, damage) -> None:
    assert list(damage) == list(PARTS)
    for name, rows in damage.items():
        graph = read_model(graphs.with_name(f"{name}.xml"))
        in_float = set(value_products(graph))
        assert len(in_float) == (2 if name == "decoder" else 0)  # one a layer
        assert {row["layer"] for row in rows} == set(layers_of(graph)) - in_float
        figures = [row["sqnr_db"] for row in rows]
        assert figures == sorted(figures)
        assert all(5 < figure < 80 for figure in figures)
        constants = [
            node
            for node in read_model(parts / f"{name}.xml").get_ordered_ops()
            if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.i8
        ]
        assert sum(row["bytes"] for row in rows) == sum(c.get_byte_size() for c in constants)


def scale_weights(node: ov.Node, factor: float) -> None:
    """Make the stored weights of a layer mean `factor` times what they should."""
    scaling = node.input_value(1).get_node()
    assert scaling.get_type_name() == "Multiply"
    scale = scaling.input_value(1).get_node()
    wrong = opset13.constant((scale.data * factor).astype(np.float32))
    scaling.input(1).replace_source_output(wrong.output(0))


def too_large(node: ov.Node) -> None:
    """Weights 100 times as large."""
    scale_weights(node, 100)


def wrong_scale(node: ov.Node) -> None:
    """Weights of one power of two too many."""
    scale_weights(node, 2)


def ranges_of_zeros(node: ov.Node) -> None:
    """The activations' ranges that calibration with zeros gives."""
    quantising = node.input_value(0).get_node()
    assert quantising.get_type_name() == "FakeQuantize"
    for port in quantising.inputs()[1:]:
        limit = port.get_source_output().get_node()
        port.replace_source_output(opset13.constant(limit.data * np.float32(1e-6)).output(0))


def broken(parts: Path, name: str, layer: str, damage: Callable, out: Path) -> None:
    """A copy of the int8 parts in which one layer of one graph is damaged."""
    shutil.copytree(parts, out)
    graph = read_model(parts / f"{name}.xml")
    damage(layers_of(graph)[layer])
    save_model(graph, out / f"{name}.xml")
    record = out / f"{name}.json"
    content = read_json(record)
    content["files"] = listed(out, [file["path"] for file in content["files"]])
    write_json(record, content)


@pytest.mark.parametrize(
    ("name", "layer", "how"),
    [
        ("encoder", FC1, too_large),
        ("encoder", FC1, ranges_of_zeros),
        ("encoder", CONV2, wrong_scale),
        ("decoder", OUT_PROJ, wrong_scale),
        ("decoder", OUT_PROJ, ranges_of_zeros),
        ("decoder", KEYS, too_large),
    ],
)
def test_a_broken_layer_and_no_other_is_found(
    graphs, sets, parts, damage, tmp_path, name, layer, how
) -> None:
    broken(parts, name, layer, how, tmp_path / "broken")
    found = measure(graphs, sets, tmp_path / "broken", name)[name]
    assert found[0]["layer"] == layer
    assert found[0]["sqnr_db"] < 1
    before = {row["layer"]: row["sqnr_db"] for row in damage[name]}
    for row in found[1:]:
        assert row["sqnr_db"] == pytest.approx(before[row["layer"]], abs=0.1)


@pytest.fixture(scope="module")
def kept(graphs: Path, sets: Path, tmp_path_factory) -> Path:
    """Folder of an int8 decoder in which two layers stay float."""
    folder = tmp_path_factory.mktemp("kept")
    quantised("decoder", graphs, sets, folder, "--keep-float", OUT_PROJ, KEYS, KEYS)
    return folder


@pytest.mark.parametrize("layer", [OUT_PROJ, KEYS])
def test_layers_kept_float_are_float(graphs, parts, kept, layer) -> None:
    """Nothing but SmoothQuant's scales, which cancel out, is left of quantising them."""
    stop = by_name(read_model(graphs.with_name("decoder.xml")))
    before, after = (
        kinds_above(layers_of(read_model(folder / "decoder.xml"))[layer], stop)
        for folder in (parts, kept)
    )
    assert {"FakeQuantize", "i8"} <= before
    assert after <= {"f32", "Multiply"}


def test_layers_kept_float_are_recorded_and_listed_no_more(graphs, sets, kept, damage) -> None:
    assert read_json(kept / "decoder.json")["settings"]["keep_float"] == [OUT_PROJ, KEYS]
    for name, rows in measure(graphs, sets, kept, "decoder").items():
        rest = {row["layer"] for row in damage[name]} - {OUT_PROJ, KEYS}
        assert {row["layer"] for row in rows} == rest


def keys_of(path: Path, states: np.ndarray) -> np.ndarray:
    """What a decoder's graph makes of encoder states: the keys of the first cross-attention."""
    graph = read_model(path)
    given = graph.input("encoder_hidden_states").get_node()
    return rank.runner(by_name(graph), [given], [KEYS])({"encoder_hidden_states": states})[KEYS]


def test_a_layer_kept_float_loses_nothing(graphs, sets, parts, kept, damage) -> None:
    """The layer of the cross keys is fed the states themselves, so its value shows its noise."""
    sample = read_json(sets / "decoder/manifest.json")["samples"][0]["encoder_hidden_states"]
    states = np.load(sets / "decoder" / sample["file"])
    float_keys, int8_keys, kept_keys = (
        keys_of(folder / "decoder.xml", states) for folder in (graphs.parent, parts, kept)
    )
    signal = rank.squares(float_keys)
    before, after = (
        rank.sqnr(signal, rank.squares(keys - float_keys)) for keys in (int8_keys, kept_keys)
    )
    own = next(row["sqnr_db"] for row in damage["decoder"] if row["layer"] == KEYS)
    assert before == pytest.approx(own, abs=1)
    assert after > 100 > before


def test_layers_that_a_search_chose_are_float(graphs, sets, tmp_path) -> None:
    chosen = {"encoder": ["encoder.conv2"], "decoder": [OUT_PROJ, KEYS]}
    write_json(tmp_path / "keep_float.json", chosen)
    given = ("--keep-float-of", str(tmp_path / "keep_float.json"))
    record = quantised("decoder", graphs, sets, tmp_path / "chosen", *given)
    assert read_json(record)["settings"]["keep_float"] == [OUT_PROJ, KEYS]
    named = quantised("decoder", graphs, sets, tmp_path / "named", "--keep-float", OUT_PROJ, KEYS)
    assert read_json(named) == read_json(record)


def test_a_range_that_is_too_narrow_is_seen(graphs, sets, tmp_path, clip_manifests) -> None:
    """Calibrated with silence, its layers are fine on silence, and damaged by speech."""
    checkpoint = Path(read_json(sets / "given.json")["checkpoint"])
    clips = tmp_path / "clips"
    clips.mkdir()
    lines = [line | {"file": "a.wav"} for line in read_jsonl(clip_manifests[0])[:1]]
    soundfile.write(clips / "a.wav", np.zeros(16_000), 16_000, "PCM_16")
    lines[0]["sha256"] = sha256_of(clips / "a.wav")
    write_jsonl(clips / "de_de.jsonl", lines)
    make_sets(tmp_path, checkpoint, [clips / "de_de.jsonl"])
    quantised("encoder", graphs, tmp_path, tmp_path / "parts")
    rows = measure(graphs, sets, tmp_path / "parts", "encoder")["encoder"]
    assert rows[0]["sqnr_db"] < 15, rows


def test_keeping_nothing_float_changes_no_byte(graphs, sets, parts, tmp_path) -> None:
    quantised("encoder", graphs, sets, tmp_path, "--keep-float")
    assert read_json(tmp_path / "encoder.json") == read_json(parts / "encoder.json")
    for file in ("encoder.xml", "encoder.bin"):
        assert sha256_of(tmp_path / file) == sha256_of(parts / file)


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_an_unknown_layer_is_refused_in_a_sentence(graphs, sets, tmp_path, part) -> None:
    name = f"{part}.layer.0.fc1"
    with pytest.raises(UserError) as error:
        quantised(part, graphs, sets, tmp_path, "--keep-float", name)
    assert f"`{name}`" in str(error.value)
    assert f"did you mean `{part}.layers.0.fc1`" in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_parts_of_other_graphs_or_changed_files_are_refused(graphs, sets, parts, tmp_path) -> None:
    folder = tmp_path / "parts"
    shutil.copytree(parts, folder)
    record = read_json(folder / "encoder.json")
    record["float_weights"][0]["sha256"] = "0" * 64
    write_json(folder / "encoder.json", record)
    with pytest.raises(UserError, match="not made from the float graphs"):
        measure(graphs, sets, folder, "encoder")
    (folder / "decoder.bin").write_bytes(b"")
    with pytest.raises(UserError, match="was changed"):
        measure(graphs, sets, folder, "decoder")


def test_decibels() -> None:
    assert rank.sqnr(100, 1) == pytest.approx(20)
    assert rank.sqnr(1, 0) == pytest.approx(144.5, abs=0.1)
    assert rank.sqnr(1, float("nan")) is None
    assert rank.sqnr(1, float("inf")) is None
    assert rank.sqnr(0, 1) is None
