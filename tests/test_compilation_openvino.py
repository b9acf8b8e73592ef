"""OpenVINO: float graphs equal the checkpoint, int8 parts are close, small and reproducible."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from common.cli import UserError
from common.files import read_json, save_npy, sha256_of, write_json
from compilation.openvino import quantise
from compilation.openvino.float_layers import check_layers, layers_of
from runtime import graphs as float_graphs
from runtime.graphs import decoder_graph, encoder_graph
from runtime.ir import CHOSEN, compile_model, read_model, save_model
from runtime.openvino_sessions import OpenVinoDecoder, OpenVinoEncoder, float_decoder
from runtime.stateful import ALIGNMENT, make_stateful
from runtime.tables import NAMES, TABLES, Tables, load_tables
from tests.test_float16 import EXACT, SIZE, chain

ROOT = Path(__file__).parent.parent
LENGTH = 12  # tokens of the sequences compared
PARTS = ("encoder", "decoder")

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


def random_whisper(**changes: int) -> WhisperForConditionalGeneration:
    """A small Whisper in which every weight matters, norms and biases included."""
    torch.manual_seed(0)
    settings = {
        "vocab_size": 130,
        "num_mel_bins": 80,
        "d_model": 64,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 96,
        "max_source_positions": 50,
        "max_target_positions": 32,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "decoder_start_token_id": 1,
        "init_std": 0.1,
    }
    model = WhisperForConditionalGeneration(WhisperConfig(**settings | changes))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval().requires_grad_(False)


def make_sample(model: WhisperForConditionalGeneration, seed: int) -> dict[str, np.ndarray]:
    """Inputs of both parts for one utterance, and the logits that the checkpoint gives."""
    config, decoder = model.config, model.model.decoder
    random = torch.Generator().manual_seed(seed)
    frames = 2 * config.max_source_positions
    features = torch.randn(1, config.num_mel_bins, frames, generator=random)
    ids = torch.randint(config.vocab_size, (1, LENGTH), generator=random)
    states = model.model.encoder(features).last_hidden_state
    arrays = {
        "features": features.transpose(1, 2),
        "ids": ids,
        "states": states,
        "embeds": decoder.embed_tokens(ids) + decoder.embed_positions.weight[:LENGTH],
        "logits": model.proj_out(decoder(ids, encoder_hidden_states=states).last_hidden_state),
    }
    return {name: array.contiguous().numpy() for name, array in arrays.items()}


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.fixture(scope="module")
def model() -> WhisperForConditionalGeneration:
    return random_whisper()


@pytest.fixture(scope="module")
def sample(model: WhisperForConditionalGeneration) -> dict[str, np.ndarray]:
    return make_sample(model, seed=100)


@pytest.fixture(scope="module")
def inputs(model: WhisperForConditionalGeneration, tmp_path_factory) -> Path:
    """A folder with a checkpoint, its manifest, and calibration sets of six samples."""
    folder = tmp_path_factory.mktemp("inputs")
    model.save_pretrained(folder / "checkpoint")
    source = str(folder / "checkpoint")
    manifest = {"source": source, "revision": None, "commit": None, "files": []}
    write_json(folder / "checkpoint.json", manifest)
    write_sets(folder / "sets", [make_sample(model, seed) for seed in range(6)])
    return folder


def write_sets(folder: Path, samples: list[dict[str, np.ndarray]]) -> None:
    """Calibration sets of both parts, as the stage before writes them."""
    encoder, decoder = [], []
    for index, arrays in enumerate(samples):
        encoder.append(write_array(folder / "encoder", f"e_{index:04d}.npy", arrays["features"]))
        name = f"sample_{index:04d}"
        embeds = write_array(folder / "decoder", f"{name}/embeds.npy", arrays["embeds"])
        states = write_array(folder / "decoder", f"{name}/states.npy", arrays["states"])
        decoder.append({"decoder_hidden_states": embeds, "encoder_hidden_states": states})
    write_json(folder / "encoder" / "manifest.json", {"part": "encoder", "samples": encoder})
    write_json(folder / "decoder" / "manifest.json", {"part": "decoder", "samples": decoder})


def write_array(folder: Path, file: str, array: np.ndarray) -> dict[str, str]:
    save_npy(folder / file, array)
    return {"file": file, "sha256": sha256_of(folder / file)}


def export_parts(inputs: Path, out: Path) -> None:
    float_graphs.main(
        ["--checkpoint", f"{inputs}/checkpoint.json", "--out", f"{out}/graphs/manifest.json"]
    )


def quantise_parts(inputs: Path, out: Path) -> None:
    for part in PARTS:
        quantise.main(quantise_arguments(part, out / "graphs", inputs / "sets", out))


def quantise_arguments(part: str, graphs: Path, sets: Path, out: Path) -> list[str]:
    names = {"--graph": f"{graphs}/{part}.xml", "--calibration": f"{sets}/{part}/manifest.json"}
    names |= {"--part": part, "--out": f"{out}/parts/{part}.xml"}
    return [word for pair in names.items() for word in pair]


@pytest.fixture(scope="module")
def elsewhere(inputs: Path, tmp_path_factory) -> Iterator[tuple[Path, subprocess.Popen]]:
    """The folder in which a second process makes everything, and that process."""
    folder = tmp_path_factory.mktemp("elsewhere")
    code = "import sys; from pathlib import Path; import test_compilation_openvino as t;"
    code += " here, out = map(Path, sys.argv[1:]); t.export_parts(here, out); t.quantise_parts(here, out)"
    changes = {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}
    changes["PYTHONPATH"] = f"{ROOT}:{ROOT}/tests"
    command = [sys.executable, "-c", code, str(inputs), str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | changes, stdout=log, stderr=log)
        yield folder, process
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def graphs(inputs: Path, elsewhere, tmp_path_factory) -> Path:
    """Folder of the float graphs exported in this process, while the other one works."""
    folder = tmp_path_factory.mktemp("built")
    export_parts(inputs, folder)
    return folder / "graphs"


@pytest.fixture(scope="module")
def parts(inputs: Path, graphs: Path) -> Path:
    """Folder of the int8 parts made in this process."""
    quantise_parts(inputs, graphs.parent)
    return graphs.parent / "parts"


@pytest.fixture(scope="module")
def decoder(graphs: Path) -> OpenVinoDecoder:
    return float_decoder(graphs)


def test_encoder_graph_equals_the_checkpoint(graphs, sample) -> None:
    features = sample["features"].transpose(0, 2, 1)
    result = compile_model(graphs / "encoder.xml")({"input_features": features})
    np.testing.assert_allclose(result["last_hidden_state"], sample["states"], atol=2e-5)
    states = OpenVinoEncoder(graphs / "encoder.xml").encode(sample["features"])
    assert np.array_equal(states, result["last_hidden_state"])


def test_decoder_graph_equals_the_checkpoint(graphs, model, sample) -> None:
    heads, layers = model.config.decoder_attention_heads, model.config.decoder_layers
    shape = (1, heads, 0, model.config.d_model // heads)
    past = [f"past_{half}_{layer}" for half in ("key", "value") for layer in range(layers)]
    feed = dict.fromkeys(past, np.zeros(shape, np.float32))
    feed |= {"inputs_embeds": sample["embeds"], "encoder_hidden_states": sample["states"]}
    result = compile_model(graphs / "decoder.xml")(feed)
    np.testing.assert_allclose(result["logits"], sample["logits"], atol=2e-5)
    present = {port.get_any_name() for port in result} - {"logits"}
    assert present == {name.replace("past", "present") for name in past}
    assert result["present_value_1"].shape == (1, heads, LENGTH, shape[-1])


@pytest.mark.parametrize("chunks", [[1] * LENGTH, [5, LENGTH - 5], [4] + [1] * (LENGTH - 4)])
def test_stateful_decoder_equals_the_checkpoint(decoder, sample, chunks) -> None:
    logits = in_pieces(decoder, sample, chunks)
    np.testing.assert_allclose(logits, sample["logits"], atol=2e-5)


def in_pieces(
    decoder: OpenVinoDecoder, sample: dict[str, np.ndarray], chunks: list[int]
) -> np.ndarray:
    """Logits of a sample's tokens, fed so many at a time."""
    decoder.start(sample["states"])
    starts = np.cumsum([0, *chunks[:-1]])
    pieces = np.split(sample["ids"], starts[1:], axis=1)
    steps = [decoder.step(piece, int(at)) for piece, at in zip(pieces, starts, strict=True)]
    return np.concatenate(steps, axis=1)


@pytest.mark.parametrize("cached", [0, 1, 7])
def test_trimmed_states_continue_from_there(decoder, sample, cached) -> None:
    decoder.start(sample["states"])
    decoder.step(sample["ids"][:, :9], 0)
    logits = decoder.step(sample["ids"][:, cached:], cached)
    np.testing.assert_allclose(logits, sample["logits"][:, cached:], atol=2e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_mel_bins": 128, "vocab_size": 131, "decoder_layers": 1},
        {"encoder_layers": 1, "decoder_layers": 3, "d_model": 48, "activation_function": "relu"},
    ],
)
def test_other_checkpoints(changes) -> None:
    model = random_whisper(**changes)
    sample = make_sample(model, seed=0)
    states = OpenVinoEncoder(encoder_graph(model)).encode(sample["features"])
    np.testing.assert_allclose(states, sample["states"], atol=2e-5)
    tables = Tables(*(model.state_dict()[name].numpy() for name in NAMES))
    decoder = OpenVinoDecoder(make_stateful(decoder_graph(model), tables))
    logits = in_pieces(decoder, sample, [LENGTH])
    np.testing.assert_allclose(logits, sample["logits"], atol=2e-5)


def test_several_clips_at_once(decoder, model) -> None:
    samples = [make_sample(model, seed) for seed in range(3)]
    ids, states = (np.concatenate([one[name] for one in samples]) for name in ("ids", "states"))
    decoder.start(states)
    logits = np.concatenate([decoder.step(ids[:, :5], 0), decoder.step(ids[:, 5:], 5)], axis=1)
    expected = np.concatenate([one["logits"] for one in samples])
    np.testing.assert_allclose(logits, expected, atol=2e-5)


@pytest.fixture(scope="module")
def whole(graphs: Path, parts: Path) -> ov.Model:
    """The int8 decoder as it runs."""
    return make_stateful(read_model(parts / "decoder.xml"), load_tables(graphs / TABLES))


def test_int8_parts_are_close_to_the_checkpoint(parts, whole, sample) -> None:
    states = OpenVinoEncoder(parts / "encoder.xml").encode(sample["features"])
    assert cosine(states, sample["states"]) > 0.98
    for chunks in ([LENGTH], [1] * LENGTH):
        logits = in_pieces(OpenVinoDecoder(whole), sample, chunks)
        assert cosine(logits, sample["logits"]) > 0.98


def test_an_utterance_leaves_nothing_to_the_next(whole, model) -> None:
    """In whatever precision this processor runs a hand-off folder."""
    used = OpenVinoDecoder(whole, CHOSEN)
    for seed in range(12):
        sample, chunks = make_sample(model, seed), [4, *[1] * (LENGTH - 4)]
        fresh = in_pieces(OpenVinoDecoder(whole, CHOSEN), sample, chunks)
        assert np.array_equal(in_pieces(used, sample, chunks), fresh)
        assert cosine(fresh, sample["logits"]) > 0.95


def test_the_decoder_is_what_openvino_genai_expects(whole, model) -> None:
    assert [port.get_any_name() for port in whole.inputs] == [
        *("input_ids", "encoder_hidden_states", "beam_idx")
    ]
    assert [port.get_any_name() for port in whole.outputs] == ["logits"]
    assert whole.get_rt_info(["runtime_options", "KV_CACHE_PRECISION"]).astype(str) == "f16"
    scores = [op for op in whole.get_ordered_ops() if ALIGNMENT in names_at(op)]
    assert [op.get_type_name() for op in scores] == ["Add"] * model.config.decoder_layers
    # What is computed once an utterance: of each layer, the keys and the values.
    states = [op.get_variable_id() for op in whole.get_sinks()]
    assert sorted(name for name in states if name.startswith("cross_")) == [
        f"cross_{place}" for place in range(2 * model.config.decoder_layers)
    ]


def names_at(operation: ov.Node) -> set[str]:
    return set().union(*(output.get_names() for output in operation.outputs()))


@pytest.mark.parametrize("halved", [True, False])
def test_tables_are_kept_exactly(graphs, tmp_path, halved) -> None:
    """In float16 where that holds every value."""
    tables = load_tables(graphs / TABLES)
    if halved:
        tables = Tables(*(one.astype(np.float16).astype(np.float32) for one in tables))
    save_model(make_stateful(read_model(graphs / "decoder.xml"), tables), tmp_path / "decoder.xml")
    kept = matrices(tmp_path / "decoder.xml", "f16")
    assert sorted(kept) == sorted(one.shape for one in tables if halved)
    session = OpenVinoDecoder(tmp_path / "decoder.xml")
    config = {"states": np.zeros((1, 50, 64), np.float32), "ids": np.array([[3, 99, 7]])}
    exact = OpenVinoDecoder(make_stateful(read_model(graphs / "decoder.xml"), tables))
    assert np.array_equal(in_pieces(session, config, [3]), in_pieces(exact, config, [3]))


@pytest.mark.parametrize(("name", "kept"), [("encoder", [(50, 64)]), ("decoder", [])])
def test_every_weight_is_stored_as_int8(graphs, parts, name, kept) -> None:
    """`kept`: the encoder's position table, which is added, not multiplied."""
    weights = [*matrices(parts / f"{name}.xml", "i8"), *kept]
    assert matrices(parts / f"{name}.xml", "f32") == kept
    assert sorted(weights) == sorted(matrices(graphs / f"{name}.xml", "f32"))


def test_float32_is_float32_beside_8_bit_weights() -> None:
    """Unless told otherwise, OpenVINO quantises the other factor where the processor can."""
    settings = quantise.Settings("w8", 0, [])
    graph = quantise.quantise(chain(EXACT), [], lambda sample: {}, settings)
    run = compile_model(graph)
    weights = run({"given": np.eye(SIZE, dtype=np.float32)})["result"]
    given = np.random.default_rng(1).standard_normal((5, SIZE)).astype(np.float32)
    assert 1e-3 < np.abs(weights - EXACT.T).max() < 3e-2
    np.testing.assert_allclose(run({"given": given})["result"], given @ weights, atol=1e-4)


def test_the_manifest_says_how_weights_are_stored(graphs, parts) -> None:
    """The weights of this checkpoint are no float16 values, but for some vectors."""
    for part, stored in read_json(graphs / "manifest.json")["weights"].items():
        assert stored["float32"]["bytes"] > 10 * stored["float16"]["bytes"]
        size = (graphs / f"{part}.bin").stat().st_size
        assert 0 <= size - sum(kind["bytes"] for kind in stored.values()) < 1000
        (record,) = read_json(parts / f"{part}.json")["float_weights"]
        float32 = stored["float32"]["bytes"] + 2 * stored["float16"]["bytes"]
        assert record["float32_bytes"] == float32 >= record["bytes"] - 1000


def test_the_operations_of_the_float_graphs(graphs, model) -> None:
    """What a compiler must support: every layer, with its shapes, attributes and how many."""
    found = read_json(graphs / "operations.json")
    assert list(found) == list(PARTS)
    config = model.config
    for part, rows in found.items():
        ordered = operations_in(graphs / f"{part}.xml")
        assert sum(row["count"] for row in rows) == len(ordered)
        assert {row["type"] for row in rows} == {op.get_type_name() for op in ordered}
    first, second = (row for row in found["encoder"] if row["type"] == "Convolution")
    assert first["inputs"] == [f"f32[?,{config.num_mel_bins},100]", "constant f32[64,80,3]"]
    assert (first["outputs"], second["outputs"]) == (["f32[?,64,100]"], ["f32[?,64,50]"])
    assert (first["attributes"]["strides"], second["attributes"]["strides"]) == ([1], [2])
    logits = [row for row in found["decoder"] if row["outputs"] == ["f32[?,?,130]"]]
    assert [(row["type"], row["count"]) for row in logits] == [("MatMul", 1)]
    turned = [row for row in found["encoder"] if row["type"] == "Transpose"]
    orders = [row["inputs"][1].partition(" = ")[2] for row in turned]
    assert orders == ["[0, 2, 1]", "[0, 2, 1, 3]", "[0, 2, 1, 3]"]


def operations_in(path: Path) -> list[ov.Node]:
    """The operations of a graph as it is read, but what it is given, holds and returns."""
    ordered = read_model(path).get_ordered_ops()
    return [op for op in ordered if op.get_type_name() not in ("Constant", "Parameter", "Result")]


def matrices(path: Path, kind: str) -> list[tuple[int, ...]]:
    """Shapes, without axes of size 1, of a graph's constants of one type that are no vectors."""
    constants = ElementTree.parse(path).iterfind("layers/layer[@type='Const']/data")
    sizes = [
        item.get("shape", "").split(",") for item in constants if item.get("element_type") == kind
    ]
    shapes = [
        tuple(int(size) for size in shape if size.strip() not in ("", "1")) for shape in sizes
    ]
    return [shape for shape in shapes if len(shape) > 1]


def test_record_lists_the_files(parts) -> None:
    record = read_json(parts / "decoder.json")
    assert [file["path"] for file in record["files"]] == ["decoder.xml", "decoder.bin"]
    for file in record["files"]:
        path = parts / file["path"]
        assert (path.stat().st_size, sha256_of(path)) == (file["bytes"], file["sha256"])
    assert (record["part"], record["target"], record["samples"]) == ("decoder", "cpu", 6)
    assert set(record["compiler"]) == {"openvino", "nncf"}


def test_another_process_writes_the_same_bytes(parts, elsewhere) -> None:
    here, (there, process) = parts.parent, elsewhere
    assert process.wait() == 0, (there / "log").read_text()
    files = sorted(path.relative_to(here) for path in here.rglob("*.*"))
    assert len(files) == 13
    assert [file for file in files if sha256_of(here / file) != sha256_of(there / file)] == []


def test_a_layer_that_there_is_not_is_refused_with_the_place_of_all_names() -> None:
    graph = chain(EXACT)
    (name,) = layers_of(graph)
    check_layers([name], graph)
    with pytest.raises(UserError, match=rf"did you mean `{name}`\?.*/cpu/layers\.json of an"):
        check_layers([name, f"{name}x"], graph)


def test_names_of_layers_hold_the_module_path(parts) -> None:
    assert 'name="__module.encoder.layers.1.fc1/' in (parts / "encoder.xml").read_text()
    assert (
        'name="__module.decoder.layers.0.encoder_attn.q_proj/'
        in (parts / "decoder.xml").read_text()
    )


def corrupt(path: Path, array: np.ndarray) -> None:
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")


def remove(path: Path, array: np.ndarray) -> None:
    path.unlink()


def cut(path: Path, array: np.ndarray) -> None:
    save_npy(path, array[:, :, :-1])


def widen(path: Path, array: np.ndarray) -> None:
    save_npy(path, array.astype(np.float64))


def spoil(path: Path, array: np.ndarray) -> None:
    array[0, 0, 0] = np.nan
    save_npy(path, array)


@pytest.mark.parametrize(
    ("damage", "listed", "words"),
    [
        (corrupt, False, "sha256"),
        (remove, False, "missing"),
        (cut, True, "shape"),
        (widen, True, "float64"),
        (spoil, True, "finite"),
    ],
)
@pytest.mark.parametrize("part", PARTS)
def test_bad_sample_is_named_and_nothing_is_written(
    graphs, model, tmp_path, part, damage, listed, words
):
    write_sets(tmp_path / "sets", [make_sample(model, seed) for seed in range(2)])
    manifest = tmp_path / "sets" / part / "manifest.json"
    content = read_json(manifest)
    entry = content["samples"][1]
    entry = entry["encoder_hidden_states"] if part == "decoder" else entry
    bad = manifest.parent / entry["file"]
    damage(bad, np.load(bad))
    if listed:
        entry["sha256"] = sha256_of(bad)
        write_json(manifest, content)
    with pytest.raises(UserError) as error:
        quantise.main(quantise_arguments(part, graphs, tmp_path / "sets", tmp_path))
    assert str(bad) in str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.xml")) + list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize("part", PARTS)
def test_8_bit_weights_alone_are_close_to_float(graphs, inputs, sample, tmp_path, part) -> None:
    arguments = quantise_arguments(part, graphs, inputs / "sets", tmp_path)
    quantise.main([*arguments, "--scheme", "w8"])
    record = read_json(tmp_path / f"parts/{part}.json")
    assert record["settings"] == {
        "precision": "int8 weights, float activations",
        "keep_float": [],
    }
    for path in (tmp_path / "parts").glob("*.xml"):
        kinds = [one.get_type_name() for one in read_model(path).get_ordered_ops()]
        assert "FakeQuantize" not in kinds
        size, before = (folder / f"{path.stem}.bin" for folder in (path.parent, graphs))
        assert size.stat().st_size < 0.6 * before.stat().st_size
    if part == "encoder":
        found, exact = (
            OpenVinoEncoder(folder / "encoder.xml").encode(sample["features"])
            for folder in (tmp_path / "parts", graphs)
        )
        assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    name = next(iter(layers_of(read_model(graphs / f"{part}.xml"))))
    kept = [*arguments, "--scheme", "w8", "--keep-float", name]
    sizes = [(tmp_path / f"parts/{part}.bin").stat().st_size]
    quantise.main(kept)
    sizes.append((tmp_path / f"parts/{part}.bin").stat().st_size)
    assert sizes[1] > sizes[0]
    assert read_json(tmp_path / f"parts/{part}.json")["settings"]["keep_float"] == [name]


def test_sets_of_the_other_part_and_absent_files_are_refused(graphs, inputs, tmp_path) -> None:
    arguments = quantise_arguments("encoder", graphs, inputs / "sets", tmp_path)
    swapped = [word.replace("/encoder/manifest", "/decoder/manifest") for word in arguments]
    with pytest.raises(UserError, match="of the decoder, not of the encoder"):
        quantise.main(swapped)
    absent = quantise_arguments("encoder", tmp_path, inputs / "sets", tmp_path)
    with pytest.raises(UserError, match="export the float graph"):
        quantise.main(absent)
    with pytest.raises(UserError, match=r"smooth-quant-alpha is 1\.5"):
        quantise.main([*arguments, "--smooth-quant-alpha", "1.5"])


def test_failed_write_leaves_nothing(graphs, tmp_path, monkeypatch) -> None:
    def full_disk(graph: ov.Model, xml: Path, weights: Path) -> None:
        Path(weights).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ov, "serialize", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_model(ov.Core().read_model(graphs / "encoder.xml"), tmp_path / "encoder.xml")
    assert list(tmp_path.iterdir()) == []
