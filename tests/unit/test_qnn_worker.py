"""What QNN's worker changes in a graph before it quantises, on ONNX Runtime here."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

SHAPE = (1, 8, 5, 5)


@pytest.fixture
def worker(monkeypatch, tmp_path):
    source = Path(__file__).parents[2] / "npubench/backends/qnn/worker.py"
    spec = importlib.util.spec_from_file_location("qnn_worker", source)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    yield module
    sys.modules.pop("worker_frame", None)


def save(path, nodes, outputs):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)
    found = [helper.make_tensor_value_info(name, dtype, None) for name, dtype in outputs.items()]
    graph = helper.make_graph(nodes, "g", [x], found)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def run(path, names=None):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    data = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    return dict(
        zip(
            names or (one.name for one in session.get_outputs()), session.run(names, {"x": data}), strict=True
        )
    )


def test_indices_that_leave_the_graph_are_narrowed_with_their_names_and_values(worker):
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("ArgMax", ["r"], ["most"], axis=1),
        helper.make_node("ArgMin", ["r"], ["least"], axis=1),
        # Reads what leaves the graph, and wants it as wide as it was.
        helper.make_node("Cast", ["most"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Shape", ["x"], ["shape"]),
    ]
    wide, real = TensorProto.INT64, TensorProto.FLOAT
    save("m.onnx", nodes, {"most": wide, "real": real, "least": wide, "shape": wide})
    path, narrowed = worker.narrow_outputs("m.onnx")
    before, after = run("m.onnx"), run(path)
    assert narrowed == ["most", "least"]
    assert list(after) == list(before)
    assert {name: array.dtype for name, array in after.items()} == {
        **{"most": np.int32, "least": np.int32},
        **{"real": np.float32, "shape": np.int64},
    }
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_a_graph_without_them_is_left_as_it_is(worker):
    save("m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"y": TensorProto.FLOAT})
    assert worker.narrow_outputs("m.onnx") == ("m.onnx", [])


def test_softmax_gets_the_range_that_the_calibration_data_give_it(worker):
    nodes = [helper.make_node("Softmax", ["x"], ["s"], axis=1), helper.make_node("Relu", ["s"], ["y"])]
    save("m.onnx", nodes, {"y": TensorProto.FLOAT})
    random = np.random.default_rng(1)
    calibration = [{"x": random.standard_normal(SHAPE, np.float32)} for _ in range(3)]
    (override,) = worker._softmax_ranges("m.onnx", calibration)["s"]
    exponents = [np.exp(sample["x"]) for sample in calibration]
    greatest = max(float((one / one.sum(axis=1, keepdims=True)).max()) for one in exponents)
    assert (override["rmin"], override["rmax"]) == (0, pytest.approx(greatest, rel=1e-5))
    assert worker._softmax_ranges("m.onnx", [{"x": np.full(SHAPE, np.nan, np.float32)}]) == {}


def test_a_relu_alone_is_quantised_and_clips_what_its_input_holds(worker):
    save("m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {"y": TensorProto.FLOAT})
    random = np.random.default_rng(1)
    calibration = [{"x": random.standard_normal(SHAPE, np.float32)} for _ in range(3)]
    assert worker._quantise("m.onnx", calibration)
    scales = {
        one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(worker.QUANTISED).graph.initializer
    }
    # With the range of the output the input's zero would be 0, and its negative numbers lost before the Relu.
    assert 100 < scales["x_zero_point"] < 156
    assert scales["y_zero_point"] == 0
    ours, theirs = run(worker.QUANTISED)["y"], run("m.onnx")["y"]
    assert np.abs(ours - theirs).max() <= float(scales["x_scale"])
