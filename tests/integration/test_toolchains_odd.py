"""Models that are not a picture in FP32 going in and a picture coming out, by real vendor tools."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.catalog import load
from npubench.domain.records import Artifact, FailureClass
from tests.toolchain_models import made, write_graph

pytestmark = pytest.mark.toolchains


@pytest.fixture(scope="module")
def catalog():
    return load([])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def test_a_grouped_convolution_ends_beside_the_simulator(catalog, models, tmp_path):
    weight = numpy_helper.from_array(np.full((64, 4, 1, 1), 0.1, np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=16)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 64, 28, 28))
    write_graph(models / "grouped.onnx", [node], [x], (1, 64, 28, 28), [weight])
    artifact, _ = made(catalog, models, tmp_path, "rk3566", "grouped")
    assert isinstance(artifact, Artifact), artifact


def test_inputs_of_several_ranks_reach_rockchip_s_simulator(catalog, models, tmp_path):
    weight = np.random.default_rng(0).standard_normal((16, 3, 3, 3), np.float32) / 5
    nodes = [
        helper.make_node("Conv", ["picture", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Add", ["f", "vector"], ["y"]),
    ]
    inputs = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, (1, 3, 32, 32)),
        helper.make_tensor_value_info("vector", TensorProto.FLOAT, (1, 16)),
    ]
    write_graph(models / "two.onnx", nodes, inputs, (1, 16), [numpy_helper.from_array(weight, "w")])
    artifact, backend = made(catalog, models, tmp_path, "rk3588", "two")
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).accuracy.cosine > 0.999


def test_a_model_that_brings_its_scales_keeps_them_at_rockchip(catalog, models, tmp_path):
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32) / 5
    scales = [numpy_helper.from_array(np.float32(0.05), "s"), numpy_helper.from_array(np.int8(0), "z")]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Conv", ["d", "w"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))
    constants = [numpy_helper.from_array(weight, "w"), *scales]
    write_graph(models / "scaled.onnx", nodes, [x], (1, 8, 14, 14), constants)
    artifact, backend = made(catalog, models, tmp_path, "rk3588", "scaled")
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).accuracy.cosine > 0.999


def test_half_precision_going_in_reaches_arm_s_quantizer(catalog, models, tmp_path):
    weight = (np.random.default_rng(0).standard_normal((8, 3, 3, 3)) / 5).astype(np.float16)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT16, (1, 3, 16, 16))
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    constants = [numpy_helper.from_array(weight, "w")]
    write_graph(models / "half.onnx", [node], [x], (1, 8, 14, 14), constants, TensorProto.FLOAT16)
    artifact, backend = made(catalog, models, tmp_path, "ethos-u65-512", "half")
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).accuracy.cosine > 0.999


def test_non_maximum_suppression_is_named_by_arm(catalog, models, tmp_path):
    inputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, (1, 64, 4)),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 3, 64)),
    ]
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["y"])
    constants = [numpy_helper.from_array(np.array([5], np.int64), "most")]
    write_graph(models / "nms.onnx", [node], inputs, (None, 3), constants, TensorProto.INT64)
    failure, _ = made(catalog, models, tmp_path, "ethos-u65-512", "nms")
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("NonMaxSuppression",)


@pytest.mark.parametrize("board", ["rk3588", "ethos-u65-512", "qnn-htp-v73", "openvino-cpu"])
def test_notes_in_a_model_s_file_stop_no_tool(catalog, models, tmp_path, board):
    weight = np.random.default_rng(0).standard_normal((8, 3, 3, 3), np.float32) / 5
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))
    file = models / "noted.onnx"
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    write_graph(file, nodes, [x], (1, 8, 14, 14), [numpy_helper.from_array(weight, "w")])
    noted = onnx.load(file)
    helper.set_model_props(noted, {"simplified": "yes", "author": ""})
    onnx.save(noted, file)
    artifact, _ = made(catalog, models, tmp_path, board, "noted")
    assert isinstance(artifact, Artifact), artifact


def test_an_lstm_runs_on_the_htp_of_a_chip_with_half_precision(catalog, models, tmp_path):
    random = np.random.default_rng(0)
    shapes = {"w": (1, 64, 8), "r": (1, 64, 16), "b": (1, 128)}
    constants = [
        numpy_helper.from_array((random.standard_normal(shape) / 4).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (16, 1, 8))
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=16)
    write_graph(models / "lstm.onnx", [node], [x], (16, 1, 1, 16), constants)
    artifact, backend = made(catalog, models, tmp_path, "qnn-htp-v73", "lstm")
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).accuracy.cosine > 0.99
    # The chip of the first architecture has none, and what is not quantised has nowhere to run.
    (tmp_path / "v68").mkdir()
    old, _ = made(catalog, models, tmp_path / "v68", "qnn-htp-v73", "lstm", htp_arch="68")
    assert old.failure_class is FailureClass.TOOL_ERROR
