"""Graphs as kernels: sizes worked out by hand, what is fused, what is refused."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.domain.errors import UsageError
from npubench.graph.walk import infer_shapes
from npubench.predict.kernels import Kernel, counted, kernels_of


def _model(nodes, inputs, weights=(), outputs=("y",)):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in dict(weights).items()],
    )
    return infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def _conv(source, weight, target, **attributes):
    return helper.make_node("Conv", [source, weight], [target], **attributes)


def _node(operator, sources, target, **attributes):
    return helper.make_node(operator, sources, [target], **attributes)


def test_dense_convolution_with_its_activation_is_one_kernel():
    nodes = [_conv("x", "w", "c", pads=[1, 1, 1, 1], strides=[2, 2]), _node("Relu", ["c"], "y")]
    (kernel,) = kernels_of(_model(nodes, {"x": [1, 16, 8, 8]}, {"w": [32, 16, 3, 3]}))
    # 32 x 4 x 4 outputs, each 16 x 9 products.
    expected = Kernel("Conv kxk", 512 * 144, 1024, 4608, 512, taps=9, channels_in=16, channels_out=32)
    assert kernel == expected
    assert kernel.fused == ("Relu",)
    assert (kernel.pixels, kernel.activations) == (16, 1536)


@pytest.mark.parametrize(
    ("weight", "group", "operator"),
    [
        ([32, 16, 1, 1], 1, "Conv 1x1"),
        ([32, 16, 3, 3], 1, "Conv kxk"),
        ([32, 4, 3, 3], 4, "Conv grouped"),
        ([32, 1, 3, 3], 16, "Conv depthwise"),
        ([16, 1, 1, 1], 16, "Conv depthwise"),
    ],
)
def test_kinds_of_convolution(weight, group, operator):
    model = _model([_conv("x", "w", "y", group=group)], {"x": [1, 16, 8, 8]}, {"w": weight})
    assert [kernel.operator for kernel in kernels_of(model)] == [operator]


def test_residual_sum_stays_a_kernel_and_takes_the_activation():
    nodes = [_conv("x", "w", "c"), _node("Add", ["c", "x"], "s"), _node("Relu", ["s"], "y")]
    kernels = kernels_of(_model(nodes, {"x": [1, 4, 2, 2]}, {"w": [4, 4, 1, 1]}))
    assert [(one.operator, one.fused) for one in kernels] == [("Conv 1x1", ()), ("Add", ("Relu",))]
    assert (kernels[1].read, kernels[1].written) == (32, 16)


def test_activation_of_a_tensor_that_others_read_is_its_own_kernel():
    nodes = [_conv("x", "w", "c"), _node("Relu", ["c"], "r"), _node("Add", ["c", "r"], "y")]
    kernels = kernels_of(_model(nodes, {"x": [1, 4, 2, 2]}, {"w": [4, 4, 1, 1]}))
    assert [one.operator for one in kernels] == ["Conv 1x1", "Relu", "Add"]


def test_swish_behind_a_convolution_is_part_of_it():
    nodes = [_conv("x", "w", "c"), _node("Sigmoid", ["c"], "g"), _node("Mul", ["c", "g"], "y")]
    (kernel,) = kernels_of(_model(nodes, {"x": [1, 4, 2, 2]}, {"w": [4, 4, 1, 1]}))
    assert kernel.fused == ("Sigmoid", "Mul")


def test_batch_normalisation_is_folded_behind_a_convolution_only():
    norm = {name: [4] for name in ("s", "b", "m", "v")}
    behind = [_conv("x", "w", "c"), _node("BatchNormalization", ["c", *norm], "y")]
    before = [_node("BatchNormalization", ["x", *norm], "n"), _conv("n", "w", "y")]
    weights = {"w": [4, 4, 1, 1], **norm}
    folded = kernels_of(_model(behind, {"x": [1, 4, 2, 2]}, weights))
    alone = kernels_of(_model(before, {"x": [1, 4, 2, 2]}, weights))
    assert [one.operator for one in folded] == ["Conv 1x1"]
    assert [one.operator for one in alone] == ["BatchNormalization", "Conv 1x1"]


@pytest.mark.parametrize(("last", "gate"), [("Add", "Mul by a gate before a sum"), ("Sub", "Mul by a gate")])
def test_gates_are_told_by_what_reads_them(last, gate):
    nodes = [
        _node("GlobalAveragePool", ["x"], "p"),
        _node("Mul", ["x", "p"], "m"),
        _node(last, ["m", "x"], "y"),
    ]
    kernels = kernels_of(_model(nodes, {"x": [1, 4, 2, 2]}))
    assert [one.operator for one in kernels] == ["GlobalAveragePool", gate, last]
    assert (kernels[1].read, kernels[1].written) == (20, 16)


def test_products_with_weights_and_of_activations_are_told_apart_and_views_are_free():
    nodes = [
        _node("Flatten", ["x"], "f"),
        _node("Gemm", ["f", "w", "b"], "h"),
        _node("MatMul", ["h", "z"], "y"),
    ]
    kernels = kernels_of(_model(nodes, {"x": [1, 4, 2, 2], "z": [8, 3]}, {"w": [16, 8], "b": [8]}))
    assert [(one.operator, one.macs) for one in kernels] == [("MatMul", 128), ("MatMul of activations", 24)]
    assert kernels[0].weights == 136


def test_equal_kernels_are_counted():
    nodes = [_conv("x", "w", "a"), _conv("a", "w", "b"), _node("Relu", ["b"], "y")]
    kernels = kernels_of(_model(nodes, {"x": [1, 4, 2, 2]}, {"w": [4, 4, 1, 1]}))
    assert [*counted(kernels).values()] == [2]


def test_sizes_that_are_not_fixed_are_refused_with_the_place():
    model = _model([_node("Relu", ["x"], "y")], {"x": ["n", 4]})
    with pytest.raises(UsageError, match=r"size of 'y' at Relu does not follow .* fixed shapes"):
        kernels_of(model)


def test_loops_are_refused():
    body = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["out"])],
        "b",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4])],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    model = infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    with pytest.raises(UsageError, match="runs a graph of its own"):
        kernels_of(model)
