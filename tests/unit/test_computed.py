"""In what ONNX Runtime computed, by its optimised graph and a profiled run."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.backends.onnxruntime import computed as graph
from npubench.backends.onnxruntime import quantise
from npubench.backends.onnxruntime.processors import ARM, X86, X86_VNNI
from npubench.domain.records import Accuracy, Computed, Kernels, Shares
from npubench.domain.specs import Precision
from npubench.measure.onnx_session import of_threads
from npubench.reporting.data.provenance import own_facts
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.table import to_csv
from npubench.reporting.sanity.validity import float_macs, kernels_differ
from tests.sample_results import figures, result


def save(path, nodes, inputs, outputs, weights=(), opset=17):
    values = [[helper.make_tensor_value_info(*one) for one in some] for some in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *values, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return path


def weight(name, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return numpy_helper.from_array(values.astype(np.float32), name)


def computed(model, feeds, scratch):
    graph.profiled(model, feeds, scratch, of_threads(0))
    return graph.computed(scratch, {name: array.shape for name, array in feeds.items()})


def sample(*shape):
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """Two convolutions with a sum, nodes without names: 10 channels, so that blocks of 8 or 16 are padded."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "b"], ["d"], pads=[1] * 4),
        helper.make_node("Add", ["r", "d"], ["y"]),
    ]
    floats = TensorProto.FLOAT
    path = tmp_path_factory.mktemp("residual") / "net.onnx"
    weights = [weight("a", 10, 3, 3, 3), weight("b", 10, 10, 3, 3, seed=1)]
    return save(path, nodes, [("x", floats, [1, 3, 8, 8])], [("y", floats, [1, 10, 8, 8])], weights)


def quantised(model, folder, processor):
    target = folder / f"{processor.code}.onnx"
    settings = quantise.quantise_static(model, target, folder, [{"x": sample(1, 3, 8, 8)}], processor)
    return target, settings


def test_fp32_is_all_float(residual, tmp_path):
    found = computed(residual, {"x": sample(1, 3, 8, 8)}, tmp_path)
    assert found["operators"] == found["macs"] == {"integer": 0.0, "floating": 1.0}


@pytest.mark.parametrize("processor", [X86, X86_VNNI])
def test_unsigned_activations_are_computed_in_integers_on_x86(residual, tmp_path, processor):
    target, settings = quantised(residual, tmp_path, processor)
    found = computed(target, {"x": sample(1, 3, 8, 8)}, tmp_path)
    assert found["macs"] == {"integer": 1.0, "floating": 0.0}
    assert found["operators"]["integer"] > 0.5, "what is left is the conversion at both ends"
    assert (settings["activations"], settings["processor"]) == ("uint8", processor.name)


def test_without_vnni_two_products_fit_into_sixteen_bits(residual, tmp_path):
    target, settings = quantised(residual, tmp_path, X86)
    weights = [
        numpy_helper.to_array(one)
        for one in onnx.load(target).graph.initializer
        if one.name in {"a_quantized", "b_quantized"}
    ]
    assert len(weights) == 2
    assert 2 * 255 * max(int(np.abs(one.astype(int)).max()) for one in weights) < 2**15
    assert settings["weights"] == "int7 symmetric"


def test_arm_gets_signed_activations_of_eight_bits(residual, tmp_path):
    target, settings = quantised(residual, tmp_path, ARM)
    types = {one.data_type for one in onnx.load(target).graph.initializer if one.name.endswith("zero_point")}
    assert TensorProto.UINT8 not in types
    assert (settings["activations"], settings["weights"]) == ("int8", "int8 symmetric")


def test_what_is_left_in_float_is_told_by_its_macs(tmp_path):
    """A quantised convolution of 64 x 27 MACs an element beside a matrix product that stays in float."""
    floats = TensorProto.FLOAT
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "s", "v", "s", "z"], ["c"], pads=[1] * 4),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(0.1, np.float32), "s"),
        numpy_helper.from_array(np.array(128, np.uint8), "z"),
        numpy_helper.from_array(np.array(0, np.int8), "v"),
        numpy_helper.from_array(np.ones((4, 3, 3, 3), np.int8), "w"),
        weight("m", 8, 81),
    ]
    path = save(
        tmp_path / "half.onnx", nodes, [("x", floats, [1, 3, 8, 8])], [("y", floats, [1, 4, 8, 81])], weights
    )
    found = computed(path, {"x": sample(1, 3, 8, 8)}, tmp_path)
    integer, floating = 4 * 64 * 27, 4 * 8 * 81 * 8
    assert found["macs"]["integer"] == pytest.approx(integer / (integer + floating))


def test_bodies_of_loops_count_as_often_as_they_run(tmp_path):
    floats = TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("MatMul", ["state", "w"], ["next"]), helper.make_node("Identity", ["on"], ["more"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", floats, [2, 4])],
        [helper.make_tensor_value_info("more", TensorProto.BOOL, []), helper.make_tensor_value_info("next", floats, [2, 4])],
    )  # fmt: skip
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)]
    weights = [numpy_helper.from_array(np.array(3), "n"), weight("w", 4, 4)]
    path = save(tmp_path / "loop.onnx", nodes, [("x", floats, [2, 4])], [("y", floats, [2, 4])], weights)
    assert computed(path, {"x": sample(2, 4)}, tmp_path)["macs"] == {"integer": 0.0, "floating": 1.0}


def test_a_graph_without_products_has_no_share_of_macs(tmp_path):
    floats = TensorProto.FLOAT
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    path = save(tmp_path / "relu.onnx", nodes, [("x", floats, [2, 4])], [("y", floats, [2, 4])])
    found = computed(path, {"x": sample(2, 4)}, tmp_path)
    assert found == {"operators": {"integer": 0.0, "floating": 1.0}, "macs": None}


def test_indices_are_no_values(tmp_path):
    whole = TensorProto.INT64
    nodes = [helper.make_node("Shape", ["x"], ["y"])]
    path = save(tmp_path / "shape.onnx", nodes, [("x", TensorProto.FLOAT, [2, 4])], [("y", whole, [2])])
    assert computed(path, {"x": sample(2, 4)}, tmp_path) is None


MOSTLY_FLOAT = Computed(Shares(integer=0.6, floating=0.4), Shares(integer=0.3, floating=0.7))


def int8(**changes):
    return result("net", Precision.INT8, figures=figures(9.0, **changes))


def test_int8_that_is_float_for_the_most_part_is_doubted():
    (doubt,) = float_macs(int8(computed=MOSTLY_FLOAT))
    assert doubt.evidence == ("70.0% of the MACs were computed in float",)
    half = replace(MOSTLY_FLOAT, macs=Shares(integer=0.5, floating=0.5))
    fine = [int8(computed=half), int8(computed=replace(MOSTLY_FLOAT, macs=None)), int8()]
    in_fp32 = result("net", figures=figures(9.0, computed=MOSTLY_FLOAT))
    assert [doubt for row in (*fine, in_fp32) for doubt in float_macs(row)] == []


@pytest.mark.parametrize(
    ("fused", "plain", "doubted"), [(0.8106, 0.9727, 1), (0.97, 0.974, 0), (None, 0.9, 0)]
)
def test_fused_kernels_that_compute_something_else_are_doubted(fused, plain, doubted):
    accuracy = Accuracy(fused, None, None, kernels=Kernels(fused, plain))
    assert len(list(kernels_differ(int8(accuracy=accuracy)))) == doubted


def test_shares_and_both_cosines_are_in_every_view():
    accuracy = Accuracy(0.81, None, None, kernels=Kernels(0.81, 0.97))
    row = int8(computed=MOSTLY_FLOAT, accuracy=accuracy)
    facts = dict(own_facts(row))
    assert (
        facts["measured computed in"]
        == "operators: integers 60.0%, float 40.0%; MACs: integers 30.0%, float 70.0%"
    )
    assert "cosine 0.81 by fused kernels, 0.97 without optimisation" in facts["measured accuracy"]
    assert row_of(row)["computed"]["macs"]["floating"] == 0.7
    names = to_csv([row_of(row)]).splitlines()[0].split(",")
    assert {"computed.macs.floating", "accuracy.kernels.unoptimised_cosine"} <= set(names)
