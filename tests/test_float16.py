"""Float graphs on disk: in float16 where that is exact, and in float32 again when they are read."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from runtime.ir import compile_model, read_model, save_model, store_float16

SIZE = 64
EXACT = np.random.default_rng(0).standard_normal((SIZE, SIZE)).astype(np.float16).astype(np.float32)


def with_one(value: float) -> np.ndarray:
    """The matrix with one value changed."""
    changed = EXACT.copy()
    changed[7, 9] = value
    return changed


def chain(*matrices: np.ndarray) -> ov.Model:
    """What is multiplied by each matrix in turn."""
    given = ops.parameter([-1, SIZE], ov.Type.f32, "given")
    given.output(0).get_tensor().set_names({"given"})
    node = given
    for place, matrix in enumerate(matrices):
        node = ops.matmul(node, ops.constant(matrix, name=f"weights.{place}"), False, True)
    result = ops.result(node)
    result.output(0).get_tensor().set_names({"result"})
    return ov.Model([result], [given])


def weights_of(model: ov.Model) -> dict[str, np.ndarray]:
    """A model's constants by name."""
    ordered = [op for op in model.get_ordered_ops() if op.get_type_name() == "Constant"]
    return {op.get_friendly_name(): op.data.copy() for op in ordered}


# Between two float16 values; beyond the largest; less than half of the smallest.
@pytest.mark.parametrize("value", [1 + 2**-12, 70000.0, 2.0**-26])
def test_a_constant_with_one_other_value_stays_float32(tmp_path: Path, value: float) -> None:
    graph = chain(EXACT, with_one(value))
    cells = EXACT.size
    assert store_float16(graph) == {
        "float16": {"constants": 1, "bytes": 2 * cells},
        "float32": {"constants": 1, "bytes": 4 * cells},
    }
    save_model(graph, tmp_path / "graph.xml")
    stored = weights_of(ov.Core().read_model(tmp_path / "graph.xml"))
    assert {name: one.dtype for name, one in stored.items()} == {
        "weights.0": np.float16,
        "weights.1": np.float32,
    }


def test_what_is_read_is_what_was_stored_to_the_last_bit(tmp_path: Path) -> None:
    """Values, names, operations, and what is computed; the edges of float16 among them."""
    edges = [65504.0, -65504.0, 2.0**-24, -(2.0**-24), -0.0, np.inf, 1 + 2**-10]
    matrices = [EXACT, EXACT, *map(with_one, edges[2:5])]
    every = [*matrices, *map(with_one, edges)]
    before, kept = weights_of(chain(*every)), chain(*every)
    assert store_float16(kept)["float32"]["constants"] == 0
    save_model(kept, tmp_path / "graph.xml")
    read = weights_of(read_model(tmp_path / "graph.xml"))
    assert read.keys() == before.keys()
    for name, one in before.items():
        assert read[name].dtype == np.float32 and read[name].tobytes() == one.tobytes()
    small = chain(*matrices)
    given = np.random.default_rng(1).standard_normal((5, SIZE)).astype(np.float32)
    expected = compile_model(small)({"given": given})["result"]
    operations = [op.get_type_name() for op in small.get_ordered_ops()]
    store_float16(small)
    save_model(small, tmp_path / "small.xml")
    model = read_model(tmp_path / "small.xml")
    assert [op.get_type_name() for op in model.get_ordered_ops()] == operations
    assert compile_model(model)({"given": given})["result"].tobytes() == expected.tobytes()
    assert (tmp_path / "small.bin").stat().st_size <= 2 * EXACT.size * len(matrices)
