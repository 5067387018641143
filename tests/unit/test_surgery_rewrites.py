"""Every entry of the table of rewrites: outputs agree, and nothing happens where it does not apply."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from npubench.graph.surgery.rewrites import REWRITES

RANDOM = np.random.default_rng(7)
BY_NAME = {one.name: one for one in REWRITES}


def built(nodes, shape, weights=(), outputs=("y",), opset=17, dtype=TensorProto.FLOAT):
    """A model with one input `x`; weights are arrays by name."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in dict(weights).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    return model


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def run(model, shape, count=3):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(11)
    return [session.run(None, {"x": random.standard_normal(shape).astype(np.float32)}) for _ in range(count)]


def check(name, model, shape, expected, replaced=1):
    """Apply one entry; the types of the nodes that are left, and that outputs agree."""
    before = model.SerializeToString()
    changed, count = BY_NAME[name].apply(model)
    assert model.SerializeToString() == before
    assert count == replaced
    onnx.checker.check_model(changed, full_check=True)
    assert [node.op_type for node in changed.graph.node] == expected
    for theirs, ours in zip(run(model, shape), run(changed, shape), strict=True):
        for a, b in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(b, a, atol=1e-5, rtol=1e-5)
    again, more = BY_NAME[name].apply(changed)
    assert (again is changed, more) == (True, 0)
    return changed


def untouched(name, model):
    changed, count = BY_NAME[name].apply(model)
    assert count == 0
    assert changed is model


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def test_every_entry_says_what_it_gets_round_and_where_that_is_told():
    assert len(BY_NAME) == len(REWRITES)
    for one in REWRITES:
        assert one.restrictions
        for restriction in one.restrictions:
            assert restriction.backend
            assert restriction.limit
            assert restriction.source


FOLD = "BatchNormalization folded into Conv"


def normalised(bias, **changes):
    conv = node("Conv", ["x", "w", "b"] if bias else ["x", "w"], ["c"], kernel_shape=[3, 3], group=2)
    norm = node("BatchNormalization", ["c", "s", "t", "m", "v"], epsilon=1e-3)
    weights = {
        "w": floats(8, 2, 3, 3),
        "s": floats(8),
        "t": floats(8),
        "m": floats(8),
        "v": floats(8) ** 2 + 0.1,
    }
    weights |= {"b": floats(8)} if bias else {}
    return built([*changes.get("before", ()), conv, norm, *changes.get("after", ())], (1, 4, 9, 9), weights,
                 changes.get("outputs", ("y",)))  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
def test_batch_normalisation_is_folded(bias):
    check(FOLD, normalised(bias), (1, 4, 9, 9), ["Conv"])


def test_batch_normalisation_of_a_convolution_that_others_read_is_not_folded():
    untouched(FOLD, normalised(True, after=[node("Relu", ["c"], ["z"])], outputs=("y", "z")))
    untouched(FOLD, normalised(True, outputs=("y", "c")))


def test_batch_normalisation_without_a_convolution_is_not_folded():
    weights = {"s": floats(4), "t": floats(4), "m": floats(4), "v": floats(4) ** 2 + 0.1}
    untouched(FOLD, built([node("BatchNormalization", ["x", "s", "t", "m", "v"])], (1, 4, 5, 5), weights))


def test_a_convolution_whose_weights_are_computed_is_not_folded():
    model = normalised(True, before=[node("Relu", ["x"], ["r"])])
    for tensor in model.graph.initializer:
        if tensor.name == "w":
            tensor.name = "w_stored"
    model.graph.node.insert(0, node("Relu", ["w_stored"], ["w"]))
    untouched(FOLD, model)


HARDSWISH = "HardSwish decomposed"


def test_hardswish_is_decomposed():
    check(HARDSWISH, built([node("HardSwish", ["x"])], (2, 3, 5)), (2, 3, 5), ["Add", "Clip", "Mul", "Mul"])


def test_hardswish_of_halves_stays():
    untouched(HARDSWISH, built([node("HardSwish", ["x"])], (2, 3), dtype=TensorProto.FLOAT16))


def test_swish_is_no_hardswish():
    untouched(HARDSWISH, built([node("Sigmoid", ["x"], ["s"]), node("Mul", ["x", "s"])], (2, 3)))


FLATTEN = "Flatten for Reshape"


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((2, 3, 4, 5), [2, -1]),
        ((2, 3, 4, 5), [0, -1]),
        ((2, 3, 4), [6, 4]),
        ((3, 4), [1, -1]),
        ((1, 6, 1, 1), [1, 6]),
    ],
)
def test_reshape_to_rows_becomes_flatten(shape, target):
    model = built([node("Reshape", ["x", "t"])], shape, {"t": np.array(target, np.int64)})
    check(FLATTEN, model, shape, ["Flatten"])


@pytest.mark.parametrize(("shape", "target"), [((2, 3, 4), [4, 6]), ((2, 3, 4), [2, 3, 2, 2]), ((2, 3), [6])])
def test_other_reshapes_stay(shape, target):
    untouched(FLATTEN, built([node("Reshape", ["x", "t"])], shape, {"t": np.array(target, np.int64)}))


POOL = "padded MaxPool as Pad and MaxPool"


@pytest.mark.parametrize(
    ("kernel", "pads", "mode"),
    [
        ([3, 3], [1, 1, 1, 1], "reflect"),
        ([5, 3], [2, 1, 0, 0], "reflect"),
        ([2, 2], [1, 1, 1, 1], "constant"),
        ([3, 3], [0, 0, 2, 2], "constant"),
    ],
)
def test_padding_of_max_pooling_is_taken_out(kernel, pads, mode):
    model = built([node("MaxPool", ["x"], kernel_shape=kernel, pads=pads, strides=[2, 2])], (1, 3, 9, 8))
    changed = check(POOL, model, (1, 3, 9, 8), ["Pad", "MaxPool"])
    modes = [a.s.decode() for a in changed.graph.node[0].attribute if a.name == "mode"]
    assert (modes or ["constant"]) == [mode]


def test_padding_behind_a_relu_is_of_zeros():
    pool = node("MaxPool", ["r"], kernel_shape=[3, 3], pads=[1] * 4)
    changed = check(
        POOL,
        built([node("Relu", ["x"], ["r"]), pool], (1, 3, 6, 6)),
        (1, 3, 6, 6),
        ["Relu", "Pad", "MaxPool"],
    )
    (value,) = (one for one in changed.graph.initializer if one.name == changed.graph.node[1].input[2])
    assert numpy_helper.to_array(value) == 0


@pytest.mark.parametrize(
    "attributes",
    [{}, {"pads": [1] * 4, "ceil_mode": 1}, {"pads": [1] * 4, "dilations": [2, 2]}, {"pads": [0] * 4}],
)
def test_other_max_pooling_stays(attributes):
    untouched(POOL, built([node("MaxPool", ["x"], kernel_shape=[3, 3], **attributes)], (1, 3, 9, 9)))


def test_max_pooling_whose_indices_are_read_stays():
    pool = node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 3], pads=[1] * 4)
    untouched(POOL, built([pool], (1, 3, 9, 9), outputs=("y", "i")))


GEMM = "Gemm for 1x1 Conv"


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pointwise_convolution_of_one_place_becomes_gemm(bias, stride):
    conv = node("Conv", ["x", "w", "b"] if bias else ["x", "w"], strides=[stride] * 2)
    weights = {"w": floats(6, 4, 1, 1), **({"b": floats(6)} if bias else {})}
    check(GEMM, built([conv], (2, 4, 1, 1), weights), (2, 4, 1, 1), ["Flatten", "Gemm", "Reshape"])


@pytest.mark.parametrize(
    ("shape", "weight", "attributes"),
    [
        ((1, 4, 2, 2), (6, 4, 1, 1), {}),
        ((1, 4, 1, 1), (6, 2, 1, 1), {"group": 2}),
        ((1, 4, 1, 1), (6, 4, 1, 1), {"pads": [1] * 4}),
        ((1, 4, 1, 1), (6, 4, 3, 3), {"pads": [1] * 4}),
    ],
)
def test_other_convolutions_stay(shape, weight, attributes):
    untouched(GEMM, built([node("Conv", ["x", "w"], **attributes)], shape, {"w": floats(*weight)}))


EVALUATED = "constants evaluated"


def test_a_range_of_constants_becomes_its_values():
    nodes = [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "last"], ["n"], axis=0),
        node("Range", ["zero", "n", "one"], ["r"]),
        node("Cast", ["r"], ["f"], to=TensorProto.FLOAT),
        node("Add", ["x", "f"]),
    ]
    weights = {"last": np.array(2), "zero": np.array(0), "one": np.array(1)}
    check(EVALUATED, built(nodes, (2, 3, 5), weights), (2, 3, 5), ["Add"], replaced=4)


def test_what_depends_on_the_input_is_not_evaluated():
    untouched(EVALUATED, built([node("Relu", ["x"])], (2, 3)))


def test_random_numbers_are_not_evaluated():
    nodes = [node("RandomNormalLike", ["c"], ["r"]), node("Add", ["x", "r"])]
    untouched(EVALUATED, built(nodes, (2, 3), {"c": floats(2, 3)}))
