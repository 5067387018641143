"""Kernels and features of small graphs, by numbers worked out by hand."""

import math

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save_model

from npubench.domain.records import Failure
from npubench.graph.features import MACS_BY_KIND, features_of, features_of_file
from npubench.graph.kernels import Activation, Kind, kernels_of
from npubench.graph.walk import infer_shapes


def model(nodes, weights, shape, outputs=("y",)):
    """A model of one input `x`; `weights` gives shapes, or arrays where the numbers matter."""
    arrays = {
        name: value if isinstance(value, np.ndarray) else np.ones(value, np.float32)
        for name, value in weights.items()
    }
    graph = helper.make_graph(
        [helper.make_node(*words, **attributes) for *words, attributes in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def kernels(*words, **more):
    return kernels_of(infer_shapes(model(*words, **more)).graph)


CLASSIFIER = model(
    [
        # 1x3x8x8 -> 1x8x8x8, normalised and cut off at zero
        ("Conv", ["x", "w1"], ["a"], {"pads": [1, 1, 1, 1]}),
        ("BatchNormalization", ["a", "s", "b", "m", "v"], ["bn"], {}),
        ("Relu", ["bn"], ["c"], {}),
        # depthwise, then SiLU in two nodes
        ("Conv", ["c", "w2"], ["d"], {"pads": [1, 1, 1, 1], "group": 8}),
        ("Sigmoid", ["d"], ["gate"], {}),
        ("Mul", ["d", "gate"], ["e"], {}),
        ("Conv", ["e", "w3"], ["f"], {}),
        ("Add", ["f", "c"], ["g"], {}),
        ("Relu", ["g"], ["h"], {}),
        ("GlobalAveragePool", ["h"], ["i"], {}),
        ("Flatten", ["i"], ["j"], {}),
        ("Gemm", ["j", "w4", "b4"], ["y"], {}),
    ],
    {
        **{"w1": (8, 3, 3, 3), "s": (8,), "b": (8,), "m": (8,), "v": (8,)},
        **{"w2": (8, 1, 3, 3), "w3": (8, 8, 1, 1), "w4": (8, 10), "b4": (10,)},
    },
    (1, 3, 8, 8),
)


def test_a_classifier_is_the_kernels_that_a_compiler_makes_of_it():
    whole = kernels_of(infer_shapes(CLASSIFIER).graph)
    assert [(kernel.kind, kernel.operators) for kernel in whole.kernels] == [
        (Kind.DENSE, ("Conv", "BatchNormalization", "Relu")),
        (Kind.DEPTHWISE, ("Conv", "Sigmoid", "Mul")),
        (Kind.POINTWISE, ("Conv",)),
        (Kind.ELEMENTWISE, ("Add", "Relu")),
        (Kind.REDUCE, ("GlobalAveragePool",)),
        (Kind.LINEAR, ("Gemm",)),
    ]
    assert [kernel.activation for kernel in whole.kernels] == [
        *(Activation.RELU, Activation.SILU, Activation.NONE),
        *(Activation.RELU, Activation.NONE, Activation.NONE),
    ]
    assert whole.depth == 4
    assert whole.resizable
    assert not whole.uncounted


def test_features_of_a_classifier():
    found = features_of(CLASSIFIER, "net", "by hand")
    pixels = 8 * 8
    assert (found.name, found.origin, found.shape) == ("net", "by hand", (1, 3, 8, 8))
    assert found.macs_dense == 27 * 8 * pixels
    assert found.macs_depthwise == 9 * 8 * pixels
    assert found.macs_pointwise == 8 * 8 * pixels
    assert found.macs_linear == 80
    assert found.macs == (216 + 72 + 64) * pixels + 80
    assert found.parameters == 216 + 4 * 8 + 72 + 64 + 80 + 10
    assert found.kernels == 6
    assert found.products == 4
    # Four maps of eight channels, pooled features, classes.
    assert found.activation_elements == 4 * 8 * pixels + 8 + 10
    assert found.elements_products == 3 * 8 * pixels + 10
    assert found.elements_depthwise == 8 * pixels
    assert found.elements_elementwise == 8 * pixels
    assert found.elements_reduce == 8 * pixels  # what it reads
    assert found.through_relu == 2 * 8 * pixels
    assert found.through_silu == 8 * pixels
    assert found.largest_elements == 8 * pixels
    assert found.input_elements == 3 * pixels
    assert found.moved_elements == (3 + 8 + 8 + 8 + 8 + 8 + 16 + 8 + 8) * pixels + 8 + 8 + 10
    assert found.weights_dense == 216
    assert found.weights_linear == 90
    assert found.macs_under_16 == (216 + 64) * pixels
    assert found.operators["Relu"] == 2


def test_at_another_input_maps_grow_with_the_pixels_and_the_classifier_does_not():
    small, large = features_of(CLASSIFIER), features_of(CLASSIFIER).at(16, 32)
    assert large.macs == 8 * 352 * 64 + 80
    assert large.macs == sum(getattr(large, name) for name in MACS_BY_KIND)
    assert large.parameters == small.parameters
    assert large.shape == (1, 3, 16, 32)
    assert large.scaled_from == (1, 3, 8, 8)
    assert small.at(8, 8) is small
    assert small.at(0, 8) is None


def test_a_classifier_that_reads_a_whole_map_has_one_input():
    nodes = [("Flatten", ["x"], ["f"], {}), ("Gemm", ["f", "w"], ["y"], {})]
    found = features_of(model(nodes, {"w": (48, 5)}, (1, 3, 4, 4)))
    assert found.macs_linear == 240
    assert not found.resizable
    assert found.at(8, 8) is None


def test_products_of_two_activations_are_attention_and_fix_the_input():
    nodes = [
        ("MatMul", ["x", "wq"], ["q"], {}),
        ("MatMul", ["x", "wk"], ["k"], {}),
        ("Transpose", ["k"], ["kt"], {"perm": [0, 2, 1]}),
        ("MatMul", ["q", "kt"], ["s"], {}),
        ("Softmax", ["s"], ["p"], {"axis": -1}),
        ("MatMul", ["p", "x"], ["y"], {}),
    ]
    found = features_of(model(nodes, {"wq": (6, 6), "wk": (6, 6)}, (1, 5, 6)))
    assert found.macs_linear == 2 * 5 * 6 * 6
    assert found.macs_attention == 2 * 5 * 5 * 6
    assert found.elements_softmax == 25
    assert found.elements_move == 30
    assert found.weights_linear == 72
    assert found.depth == 3
    assert not found.resizable


LAYER_NORM = [
    ("ReduceMean", ["x"], ["mean"], {"axes": [-1]}),
    ("Sub", ["x", "mean"], ["d"], {}),
    ("Pow", ["d", "two"], ["sq"], {}),
    ("ReduceMean", ["sq"], ["var"], {"axes": [-1]}),
    ("Add", ["var", "eps"], ["ve"], {}),
    ("Sqrt", ["ve"], ["std"], {}),
    ("Div", ["d", "std"], ["n"], {}),
    ("Mul", ["n", "gamma"], ["g"], {}),
    ("Add", ["g", "beta"], ["y"], {}),
]


def test_a_layer_norm_in_nine_nodes_is_one_kernel():
    whole = kernels(LAYER_NORM, {"two": (1,), "eps": (1,), "gamma": (6,), "beta": (6,)}, (1, 5, 6))
    (norm,) = whole.kernels
    assert norm.kind is Kind.NORM
    assert (norm.input_elements, norm.output_elements) == (30, 30)
    assert len(norm.operators) == 9


GELU = [
    ("Div", ["c", "root"], ["d"], {}),
    ("Erf", ["d"], ["e"], {}),
    ("Add", ["e", "one"], ["f"], {}),
    ("Mul", ["c", "f"], ["g"], {}),
    ("Mul", ["g", "half"], ["y"], {}),
]
HARD_SWISH = [
    ("Add", ["c", "three"], ["d"], {}),
    ("Clip", ["d", "zero", "six"], ["e"], {}),
    ("Mul", ["c", "e"], ["f"], {}),
    ("Div", ["f", "six"], ["y"], {}),
]
MISH = [
    ("Softplus", ["c"], ["d"], {}),
    ("Tanh", ["d"], ["e"], {}),
    ("Mul", ["c", "e"], ["y"], {}),
]


@pytest.mark.parametrize(
    ("nodes", "activation"),
    [
        (GELU, Activation.GELU),
        (HARD_SWISH, Activation.HARDSWISH),
        (MISH, Activation.CURVED),
        ([("LeakyRelu", ["c"], ["y"], {})], Activation.RELU),
        ([("HardSwish", ["c"], ["y"], {})], Activation.HARDSWISH),
        ([("Tanh", ["c"], ["y"], {})], Activation.SIGMOID),
    ],
)
def test_an_activation_of_several_nodes_goes_into_the_convolution_before_it(nodes, activation):
    conv = ("Conv", ["x", "w"], ["c"], {})
    constants = {name: np.array(1, np.float32) for name in ("root", "one", "half", "three", "zero", "six")}
    (kernel,) = kernels([conv, *nodes], {"w": (4, 3, 1, 1), **constants}, (1, 3, 2, 2)).kernels
    assert kernel.kind is Kind.POINTWISE
    assert kernel.activation is activation
    assert kernel.output_elements == 16


def test_a_convolution_that_another_kernel_reads_too_keeps_its_output_apart():
    nodes = [
        ("Conv", ["x", "w"], ["c"], {}),
        ("Relu", ["c"], ["r"], {}),
        ("MaxPool", ["c"], ["p"], {"kernel_shape": [1, 1]}),
        ("Add", ["r", "p"], ["y"], {}),
    ]
    whole = kernels(nodes, {"w": (4, 3, 1, 1)}, (1, 3, 2, 2))
    assert [kernel.kind for kernel in whole.kernels] == [
        *(Kind.POINTWISE, Kind.ACTIVATION, Kind.POOL, Kind.ELEMENTWISE)
    ]


def test_squeeze_and_excitation_is_a_product_of_two_activations():
    nodes = [
        ("ReduceMean", ["x"], ["m"], {"axes": [2, 3]}),
        ("Conv", ["m", "w"], ["c"], {}),
        ("Sigmoid", ["c"], ["s"], {}),
        ("Mul", ["x", "s"], ["y"], {}),
    ]
    whole = kernels(nodes, {"w": (3, 3, 1, 1)}, (1, 3, 4, 4))
    assert [kernel.kind for kernel in whole.kernels] == [Kind.REDUCE, Kind.POINTWISE, Kind.ELEMENTWISE]
    assert whole.kernels[-1].input_elements == 48 + 3


def test_grouped_and_transposed_convolutions():
    nodes = [
        ("Conv", ["x", "w"], ["a"], {"group": 2}),
        ("ConvTranspose", ["a", "t"], ["y"], {"strides": [2, 2]}),
    ]
    grouped, transposed = kernels(nodes, {"w": (6, 2, 3, 3), "t": (6, 5, 2, 2)}, (1, 4, 5, 5)).kernels
    assert (grouped.kind, grouped.macs, grouped.taps) == (Kind.GROUPED, 18 * 6 * 9, 9)
    assert (transposed.kind, transposed.macs) == (Kind.TRANSPOSED, 20 * 6 * 9)
    assert (transposed.in_channels, transposed.out_channels, transposed.output) == (6, 5, (1, 5, 6, 6))


def test_what_cannot_be_counted_is_named():
    loop = helper.make_node("MyOp", ["x"], ["h"], domain="com.example")
    made = model([("Relu", ["h"], ["y"], {})], {}, (1, 3))
    made.graph.node.insert(0, loop)
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    found = features_of(made)
    assert dict(found.uncounted) == {"com.example.MyOp": 1, "Relu": 1}
    assert not found.resizable


def test_sizes_are_no_activations_and_views_are_no_kernels():
    nodes = [
        ("Shape", ["x"], ["s"], {}),
        ("Gather", ["s", "first"], ["n"], {}),
        ("Concat", ["n", "rest"], ["target"], {"axis": 0}),
        ("Reshape", ["x", "target"], ["r"], {}),
        ("Relu", ["r"], ["y"], {}),
    ]
    weights = {"first": np.array([0], np.int64), "rest": np.array([12], np.int64)}
    (relu,) = kernels(nodes, weights, (1, 3, 2, 2)).kernels
    assert relu.operators == ("Relu",)
    assert math.prod(relu.output) == 12


def test_a_recurrence_of_which_only_the_last_state_is_read():
    weights = {"w": (1, 16, 3), "r": (1, 16, 4)}
    nodes = [("LSTM", ["x", "w", "r"], ["", "y"], {"hidden_size": 4})]
    (kernel,) = kernels(nodes, weights, (5, 1, 3)).kernels
    assert (kernel.kind, kernel.macs, kernel.output) == (Kind.RECURRENT, 5 * 16 * 7, (1, 1, 4))


def test_a_product_of_two_vectors_is_one_number():
    (kernel,) = kernels([("MatMul", ["x", "w"], ["y"], {})], {"w": (6,)}, (6,)).kernels
    assert (kernel.kind, kernel.macs, kernel.output, kernel.out_channels) == (Kind.LINEAR, 6, (), 1)


def test_a_file_is_counted_like_the_model_in_it_and_a_missing_one_is_a_failure(tmp_path):
    path = tmp_path / "net.onnx"
    save_model(CLASSIFIER, path)
    assert features_of_file(path) == features_of(CLASSIFIER, "net")
    assert isinstance(features_of_file(tmp_path / "none.onnx"), Failure)


def test_quantised_weights_and_activations_change_no_count():
    scale = {"s": np.array(0.1, np.float32), "z": np.array(0, np.uint8)}
    nodes = [
        ("QuantizeLinear", ["x", "s", "z"], ["xq"], {}),
        ("DequantizeLinear", ["xq", "s", "z"], ["xf"], {}),
        ("DequantizeLinear", ["w", "s", "z"], ["wf"], {}),
        ("Conv", ["xf", "wf"], ["c"], {}),
        ("QuantizeLinear", ["c", "s", "z"], ["cq"], {}),
        ("DequantizeLinear", ["cq", "s", "z"], ["cf"], {}),
        ("Relu", ["cf"], ["y"], {}),
    ]
    weights = {"w": np.ones((4, 3, 1, 1), np.uint8), **scale}
    (kernel,) = kernels(nodes, weights, (1, 3, 2, 2)).kernels
    assert (kernel.kind, kernel.activation) == (Kind.POINTWISE, Activation.RELU)
    assert (kernel.macs, kernel.weights, kernel.output_elements) == (48, 12, 16)
