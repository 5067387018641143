"""Weights of operators: numbers of one sequence are drawn once, and what is written is what ONNX would write."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from npubench.domain.specs import NodeSpec, OperatorSpec, TensorSpec, WeightSpec
from npubench.exporters import operators
from npubench.exporters.operators import weight_values


@pytest.fixture(autouse=True)
def nothing_drawn(monkeypatch):
    monkeypatch.setattr(operators, "_drawn", {})


def weight(*shape, dtype="float32", name="w"):
    return WeightSpec(TensorSpec(name, shape, dtype))


def test_a_weight_does_not_depend_on_those_drawn_before():
    alone = {}
    for shape in ((40, 3), (400, 300), (7,), (900, 300)):
        operators._drawn.clear()
        alone[shape] = weight_values(weight(*shape), seed=3)
    operators._drawn.clear()
    for shape in ((400, 300), (40, 3), (900, 300), (7,)):
        np.testing.assert_array_equal(weight_values(weight(*shape), seed=3), alone[shape])
    assert not np.array_equal(weight_values(weight(7, name="v"), seed=3), alone[(7,)])
    assert not np.array_equal(weight_values(weight(7), seed=4), alone[(7,)])


def test_more_numbers_than_are_kept_are_drawn_for_this_weight_alone(monkeypatch):
    expected = weight_values(weight(300), seed=0)
    monkeypatch.setattr(operators, "KEPT_NUMBERS", 100)
    operators._drawn.clear()
    np.testing.assert_array_equal(weight_values(weight(300), seed=0), expected)
    assert operators._drawn == {}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_large_weight_is_in_the_file_and_not_in_what_is_described(tmp_path, dtype):
    spec = OperatorSpec(
        name="matmul",
        op="MatMul",
        opset=17,
        inputs=(TensorSpec("x", (1, 200), dtype),),
        outputs=("y",),
        nodes=(NodeSpec("MatMul", ("x", "w"), ("y",)),),
        weights=(weight(200, 100, dtype=dtype),),
        seed=5,
    )
    path = tmp_path / "model.onnx"
    described = operators.write(spec, path)
    (written,) = onnx.load(path).graph.initializer
    assert written == numpy_helper.from_array(weight_values(spec.weights[0], 5), "w")
    assert not described.graph.initializer[0].raw_data
    operators.OperatorExporter().export(spec, tmp_path, tmp_path / "log")
    assert onnx.load(path).graph.output[0].type.tensor_type.shape.dim[1].dim_value == 100
