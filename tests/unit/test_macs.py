"""MACs against a count: an operator on ones sums to one for each multiply-accumulate it does."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from npubench.graph.macs import macs_of_nodes

OPSETS = [helper.make_opsetid("", 18)]


def macs(node, shapes):
    return macs_of_nodes([node], shapes)


def counted(op, *shapes, **attributes):
    """MACs by formula and by running the operator on ones."""
    names = [f"x{i}" for i in range(len(shapes))]
    node = helper.make_node(op, names, ["y"], **attributes)
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(names, shapes, strict=True)
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph([node], "g", inputs, [output]), opset_imports=OPSETS)
    feed = {n: np.ones(s, np.float32) for n, s in zip(names, shapes, strict=True)}
    (result,) = ReferenceEvaluator(model).run(None, feed)
    return macs(node, {**dict(zip(names, shapes, strict=True)), "y": result.shape}), result.sum(
        dtype=np.float64
    )


small = st.integers(1, 3)


@settings(max_examples=60, deadline=None)
@given(
    *(small, small, small, small), st.tuples(small, small), st.tuples(small, small), st.tuples(small, small),
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
)  # fmt: skip
def test_convolutions_of_any_kind(batch, group, inner, outer, kernel, strides, dilations, size):
    out = [
        (s - d * (k - 1) - 1) // t + 1 for s, k, t, d in zip(size, kernel, strides, dilations, strict=True)
    ]
    assume(min(out) >= 1)
    ours, ones = counted(
        "Conv", (batch, group * inner, *size), (group * outer, inner, *kernel),
        group=group, strides=strides, dilations=dilations, kernel_shape=kernel,
    )  # fmt: skip
    assert ours == ones


def convolution(size, weight, out, op="Conv", domain="", names=("x", "w")):
    node = helper.make_node(op, list(names), ["y"], domain=domain)
    return macs(node, {"x": size, "w": weight, "y": out})


def test_padding_is_counted_as_hardware_does_it():
    assert convolution((1, 3, 224, 224), (64, 3, 3, 3), (1, 64, 222, 222)) == 3 * 9 * 64 * 222 * 222
    assert convolution((1, 8, 4, 4), (8, 1, 3, 3), (1, 8, 4, 4)) == 8 * 9 * 16


def test_quantised_forms_count_like_floating_ones():
    expected = 3 * 9 * 4 * 36
    shapes = ((1, 3, 8, 8), (4, 3, 3, 3), (1, 4, 6, 6))
    assert convolution(*shapes, op="ConvInteger") == expected
    assert (
        convolution(*shapes, op="QLinearConv", names=("x", "xs", "xz", "w", "ws", "wz", "ys", "yz"))
        == expected
    )
    assert convolution(*shapes, op="FusedConv", domain="com.microsoft") == expected
    product = helper.make_node("QLinearMatMul", ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"])
    assert macs(product, {"a": (2, 5), "b": (5, 7), "y": (2, 7)}) == 70


@pytest.mark.parametrize("transposed", [0, 1])
def test_matrix_products(transposed):
    ours, ones = counted("Gemm", (5, 2) if transposed else (2, 5), (5, 7), transA=transposed)
    assert ours == ones == 70


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((2, 5), (5, 7)),
        ((3, 2, 5), (5, 7)),
        ((4, 1, 2, 5), (3, 5, 7)),
        ((5,), (5, 7)),
        ((2, 5), (5,)),
        ((5,), (5,)),
    ],
)
def test_broadcast_matrix_products(left, right):
    ours, ones = counted("MatMul", left, right)
    assert ours == ones


def test_transposed_convolutions():
    half, ones = counted("ConvTranspose", (1, 2, 5, 5), (2, 3, 3, 3), strides=[2, 2])
    assert half == ones
    grouped = helper.make_node("ConvTranspose", ["x", "w"], ["y"], group=2)
    assert macs(grouped, {"x": (1, 4, 5, 5), "w": (4, 3, 3, 3), "y": (1, 6, 11, 11)}) == 2 * half


@pytest.mark.parametrize(
    "equation", ["ij,jk->ik", "bij,bjk->bik", "i,j->ij", "ij,ij->", "bhid, bhjd -> bhij"]
)
def test_einsum_of_two_operands(equation):
    sizes = dict(zip("ijkbhd", (2, 3, 4, 5, 6, 7), strict=True))
    left, right = equation.partition("->")[0].replace(" ", "").split(",")
    ours, ones = counted(
        "Einsum", tuple(sizes[i] for i in left), tuple(sizes[i] for i in right), equation=equation
    )
    assert ours == ones


@pytest.mark.parametrize(("left", "right"), [((2, 1), (3, 4)), ((2, 3), (1, 4)), ((2, 3), (3, 4))])
def test_einsum_broadcasts_an_index_of_size_1(left, right):
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation="ij,jk->ik")
    assert macs(node, {"a": left, "b": right, "y": (2, 4)}) == 2 * 3 * 4


@pytest.mark.parametrize("equation", ["...ij,jk->...ik", "ij,jk,kl->il", "ijk,jk"])
def test_einsum_that_is_not_counted_is_unknown(equation):
    node = helper.make_node("Einsum", ["a", "b"], ["y"], equation=equation)
    assert macs(node, {"a": (2, 3), "b": (3, 4), "y": (2, 4)}) is None


def test_einsum_of_one_operand_multiplies_nothing():
    assert macs(helper.make_node("Einsum", ["a"], ["y"], equation="ij->ji"), {"a": (2, 3), "y": (3, 2)}) == 0


@pytest.mark.parametrize(("op", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers_use_their_weights_once_a_step(op, gates):
    shapes = {"x": (7, 2, 5), "w": (2, gates * 3, 5), "r": (2, gates * 3, 3)}
    node = helper.make_node(op, ["x", "w", "r"], ["y"], hidden_size=3, direction="bidirectional")
    assert macs(node, shapes) == 7 * 2 * 2 * gates * 3 * (5 + 3)
    assert macs(node, {**shapes, "r": (2, 99, 3)}) is None


def test_attention_is_two_products_over_all_keys():
    node = helper.make_node("Attention", ["q", "k", "v", "", "past", ""], ["y"])
    shapes = {
        "q": (2, 8, 10, 64),
        "k": (2, 8, 6, 64),
        "v": (2, 8, 6, 32),
        "past": (2, 8, 4, 64),
        "y": (2, 8, 10, 32),
    }
    assert macs(node, shapes) == 2 * 8 * 10 * (6 + 4) * (64 + 32)


def test_what_is_unknown_stays_unknown():
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    assert macs(conv, {"x": (1, 3, 8, 8), "w": (4, 3, 3, 3)}) is None
    assert macs(helper.make_node("LSTM", ["x", "w", "r"], ["y"]), {"x": (1, 2), "w": (1,), "r": (1,)}) is None
    assert macs(helper.make_node("Einsum", ["a"], []), {}) == 0
    assert macs(helper.make_node("Magic", ["x"], ["y"], domain="my.own"), {"x": (1,), "y": (1,)}) is None
    assert macs(helper.make_node("LinearAttention", ["x"], ["y"]), {}) is None


def test_what_multiplies_nothing_counts_nothing():
    nodes = [
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Gelu", ["y"], ["z"], domain="com.microsoft"),
    ]
    assert macs_of_nodes(nodes, {}) == 0


def test_a_branch_hides_how_often_it_runs():
    def branch(op):
        return helper.make_graph(
            [helper.make_node(op, ["a", "b"], ["y"])], "g", [], [helper.make_empty_tensor_value_info("y")]
        )

    shapes = {"a": (2, 2), "b": (2, 2), "y": (2, 2)}
    assert (
        macs(
            helper.make_node("If", ["c"], ["z"], then_branch=branch("Add"), else_branch=branch("Mul")), shapes
        )
        == 0
    )
    assert (
        macs(
            helper.make_node("If", ["c"], ["z"], then_branch=branch("Add"), else_branch=branch("MatMul")),
            shapes,
        )
        is None
    )
