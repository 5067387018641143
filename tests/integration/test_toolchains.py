"""Real vendor tools on real models; an environment that is missing is installed first."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.boards.local import LocalSession
from npubench.catalog import load
from npubench.domain.errors import UsageError
from npubench.domain.records import Artifact, Failure, FailureClass
from npubench.domain.specs import TimingProtocol
from tests.resnet18 import write_resnet18
from tests.toolchain_models import made, write_graph, write_op

pytestmark = pytest.mark.toolchains
LOG = "log"


@pytest.fixture(scope="module")
def catalog():
    return load([])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_resnet18(folder / "resnet18.onnx")
    pooled = onnx.load(folder / "resnet18.onnx")
    for node in pooled.graph.node:
        if node.op_type == "MaxPool":
            del node.attribute[:]
            node.attribute.extend(
                [helper.make_attribute("kernel_shape", [2, 2]), helper.make_attribute("strides", [2, 2])]
            )
    onnx.save(pooled, folder / "resnet18_pool2.onnx")
    write_op(folder / "softmax.onnx", helper.make_node("Softmax", ["x"], ["y"], axis=1), (1, 1000), (1, 1000))
    argmin = helper.make_node("ArgMin", ["x"], ["y"], axis=1, keepdims=1)
    write_op(folder / "argmin.onnx", argmin, (1, 1000), (1, 1), TensorProto.INT64)
    for name in ("ArgMax", "ArgMin"):
        write_indices_after_conv(folder / f"conv_{name}.onnx", name)
    write_op(folder / "det.onnx", helper.make_node("Det", ["x"], ["y"]), (1, 8, 8), (1,))
    custom = helper.make_node("MyOp", ["x"], ["y"], domain="my")
    write_op(folder / "custom.onnx", custom, (1, 8, 8, 8), (1, 8, 8, 8))
    return folder


def write_indices_after_conv(path: Path, name: str) -> None:
    weight = np.random.default_rng(0).standard_normal((32, 16, 3, 3), np.float32) / 12
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node(name, ["c"], ["y"], axis=1)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 16, 56, 56))
    constants = [numpy_helper.from_array(weight, "w")]
    write_graph(path, nodes, [x], (1, 1, 54, 54), constants, TensorProto.INT64)


@pytest.mark.parametrize(
    ("board", "options", "million_cycles"),
    [
        ("rk3588", {}, 3.08),
        ("rk3566", {}, 6.51),
        ("rv1106", {}, 6.62),
        ("rk3588", {"platform": "rk3562"}, 6.33),
        ("rk3588", {"platform": "rv1103b"}, 19.44),
    ],
)
def test_resnet18_by_rockchip(catalog, models, tmp_path, board, options, million_cycles):
    artifact, backend = made(catalog, models, tmp_path, board, "resnet18", **options)
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.accuracy.cosine >= 0.999
    assert figures.details["cycles_total"] == pytest.approx(million_cycles * 1e6, rel=0.02)


@pytest.mark.parametrize(
    ("board", "milliseconds"), [("ethos-u55-256", 31.7), ("ethos-u65-512", 9.44), ("ethos-u85-512", 6.22)]
)
def test_resnet18_with_plain_pooling_by_arm(catalog, models, tmp_path, board, milliseconds):
    artifact, backend = made(catalog, models, tmp_path, board, "resnet18_pool2")
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.latency_us.mean == pytest.approx(milliseconds * 1000, rel=0.02)
    assert figures.accuracy.cosine >= 0.999


def test_stock_resnet18_arrives_on_the_npu_of_arm_whole(catalog, models, tmp_path):
    artifact, backend = made(catalog, models, tmp_path, "ethos-u55-256", "resnet18")
    figures = backend.estimate(artifact)
    assert set(figures.placement.values()) == {"NPU"}
    assert figures.details["poolings_rewritten"] == 1
    assert figures.accuracy.cosine >= 0.999


def test_resnet18_by_qualcomm(catalog, models, tmp_path):
    artifact, backend = made(catalog, models, tmp_path, "qnn-htp-v73", "resnet18")
    figures = backend.estimate(artifact)
    assert figures.accuracy.cosine >= 0.999
    assert figures.latency_us is None
    assert set(figures.placement.values()) == {"NPU"}


def test_resnet18_by_openvino_is_measured_here(catalog, models, tmp_path):
    artifact, backend = made(catalog, models, tmp_path, "openvino-cpu", "resnet18")
    timing = TimingProtocol(repeat=5, min_duration_s=1.0, rounds=2)
    figures = backend.measure(artifact, LocalSession(), timing, 300.0, tmp_path / LOG)
    assert figures.accuracy.cosine >= 0.999
    assert figures.details["execution_devices"] == ["CPU"]
    assert figures.latency_us.n >= 10
    assert np.isfinite(figures.latency_us.mean)


@pytest.mark.parametrize("board", ["rk3566", "ethos-u55-256", "qnn-htp-v73", "openvino-cpu"])
@pytest.mark.parametrize(("name", "operator"), [("det", "Det"), ("custom", "MyOp")])
def test_what_no_tool_has_is_unsupported_whatever_its_exit_code(
    catalog, models, tmp_path, board, name, operator
):
    failure, _ = made(catalog, models, tmp_path, board, name)
    assert isinstance(failure, Failure), failure
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == (operator,)


@pytest.mark.parametrize(
    ("board", "name", "placement"),
    [
        ("rk3566", "softmax", {"Softmax": "CPU"}),
        ("rk3566", "argmin", {"ArgMin": "CPU"}),
        ("ethos-u55-256", "softmax", {"Softmax": "NPU"}),
        ("ethos-u55-256", "argmin", {"ArgMin": "CPU"}),
        ("qnn-htp-v73", "softmax", {"Softmax": "NPU"}),
        ("qnn-htp-v73", "argmin", {"ArgMin": "NPU"}),
    ],
)
def test_where_an_operator_lands(catalog, models, tmp_path, board, name, placement):
    artifact, backend = made(catalog, models, tmp_path, board, name)
    assert isinstance(artifact, Artifact), artifact
    assert backend.estimate(artifact).placement == placement


@pytest.mark.parametrize("name", ["ArgMax", "ArgMin"])
def test_indices_behind_a_convolution_run_on_the_htp(catalog, models, tmp_path, name):
    artifact, backend = made(catalog, models, tmp_path, "qnn-htp-v73", f"conv_{name}")
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.placement == {"Conv": "NPU", name: "NPU"}
    assert figures.details["outputs_int32"] == ["y"]
    ours, theirs = (np.load(tmp_path / f"job/{kind}-0-0.npy") for kind in ("output", "reference"))
    assert ours.shape == theirs.shape
    assert np.mean(ours == theirs) > 0.9


def test_a_product_with_weights_for_arm_is_more_than_zeros(catalog, models, tmp_path):
    path = models / "matmul.onnx"
    weight = numpy_helper.from_array(np.random.default_rng(0).standard_normal((64, 64), np.float32) / 8, "w")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 49, 64)) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    artifact, backend = made(catalog, models, tmp_path, "ethos-u65-512", "matmul")
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.placement == {"MatMul": "NPU"}
    assert figures.accuracy.cosine >= 0.999


def test_a_relu_alone_runs_on_the_htp_and_clips(catalog, models, tmp_path):
    write_op(models / "relu.onnx", helper.make_node("Relu", ["x"], ["y"]), (1, 8, 8, 8), (1, 8, 8, 8))
    artifact, backend = made(catalog, models, tmp_path, "qnn-htp-v73", "relu")
    assert isinstance(artifact, Artifact), artifact
    figures = backend.estimate(artifact)
    assert figures.placement == {"Relu": "NPU"}
    assert figures.accuracy.cosine >= 0.999


def test_softmax_over_a_thousand_classes_by_qualcomm_has_the_range_of_its_data(catalog, models, tmp_path):
    artifact, backend = made(catalog, models, tmp_path, "qnn-htp-v73", "softmax")
    figures = backend.estimate(artifact)
    assert figures.accuracy.cosine >= 0.999
    assert figures.resolution.steps[0] < 1 / 256


def test_softmax_over_a_thousand_classes_by_arm_is_as_good_as_litert_s_fixed_step_allows(
    catalog, models, tmp_path
):
    artifact, backend = made(catalog, models, tmp_path, "ethos-u55-256", "softmax")
    figures = backend.estimate(artifact)
    told = figures.resolution
    assert told.steps == (1 / 256,)
    assert told.greatest < 0.05
    assert told.cosine < 0.95
    assert figures.accuracy.cosine == pytest.approx(told.cosine, abs=0.02)


def test_a_chip_without_fallback_refuses_argmin(catalog, models, tmp_path):
    failure, _ = made(catalog, models, tmp_path, "rv1106", "argmin")
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("ArgMin",)


def test_an_abort_of_the_compiler_is_a_crash_that_names_its_last_error(
    catalog, models, tmp_path, monkeypatch
):
    monkeypatch.setattr("npubench.backends.rknn.backend.PLATFORMS", ("rk2118",))
    failure, _ = made(catalog, models, tmp_path, "rk3588", "resnet18", platform="rk2118")
    assert failure.failure_class is FailureClass.CRASH
    assert "SIGABRT" in failure.message


def test_no_npu_here_is_told(catalog, models, tmp_path):
    answer, _ = made(catalog, models, tmp_path, "openvino-npu", "softmax")
    if isinstance(answer, Artifact):
        pytest.skip("there is an NPU here")
    assert answer.failure_class is FailureClass.TOOL_MISSING
    assert "no device NPU here" in answer.message


def test_a_name_of_no_platform_is_told(catalog, models, tmp_path):
    with pytest.raises(UsageError, match="not pentium"):
        made(catalog, models, tmp_path, "rk3588", "softmax", platform="pentium")
