"""What `describe` says of a graph."""

import numpy as np
import pytest
from onnx import TensorProto, defs, helper, numpy_helper

from npubench.domain.records import Failure, FailureClass, OnnxModel
from npubench.domain.specs import TensorSpec
from npubench.graph.read import describe
from npubench.storage.hashing import sha256_of_bundle, sha256_of_file

FLOAT = TensorProto.FLOAT


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def zeros(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(np.zeros(shape, dtype), name)


def outcome(
    tmp_path, nodes, inputs, outputs, weights=(), *, opset=17, domains=(), functions=(), graph_changes=None
):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, functions=list(functions), opset_imports=opsets, ir_version=8)
    if graph_changes:
        graph_changes(model)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return describe(path, "case")


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def resnet(blocks, bottleneck):
    """ResNet at 224 x 224 with shapes alone: He et al., "Deep Residual Learning", table 1, stride in the 3x3."""
    nodes, constants = [], []

    def conv(x, channels, to, kernel, stride):
        y = f"c{len(nodes)}"
        shape = numpy_helper.from_array(np.array([to, channels, kernel, kernel]), f"{y}_shape")
        constants.append(shape)
        nodes.append(node("ConstantOfShape", f"{y}_shape", f"{y}_w"))
        nodes.append(node("Conv", f"{x} {y}_w", y, strides=[stride] * 2, pads=[kernel // 2] * 4))
        return y

    x, channels = conv("x", 3, 64, 7, 2), 64
    nodes.append(node("MaxPool", x, "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))
    x = "pool"
    for stage, count in enumerate(blocks):
        width = 64 << stage
        out = width * (4 if bottleneck else 1)
        for block in range(count):
            stride = 2 if stage and not block else 1
            skip = x if (stride, channels) == (1, out) else conv(x, channels, out, 1, stride)
            if bottleneck:
                x = conv(conv(conv(x, channels, width, 1, 1), width, width, 3, stride), width, out, 1, 1)
            else:
                x = conv(conv(x, channels, width, 3, stride), width, out, 3, 1)
            nodes.append(node("Add", f"{x} {skip}", f"sum{len(nodes)}"))
            x, channels = nodes[-1].output[0], out
    nodes.append(node("GlobalAveragePool", x, "average"))
    nodes.append(node("Flatten", "average", "flat"))
    constants.append(numpy_helper.from_array(np.array([channels, 1000]), "fc_shape"))
    nodes.append(node("ConstantOfShape", "fc_shape", "fc_w"))
    nodes.append(node("Gemm", "flat fc_w", "y"))
    return nodes, [value("x", [1, 3, 224, 224])], [value("y", [1, 1000])], constants


@pytest.mark.parametrize(
    ("blocks", "bottleneck", "macs"),
    [((2, 2, 2, 2), False, 1_814_073_344), ((3, 4, 6, 3), True, 4_089_184_256)],
)
def test_macs_of_known_networks(tmp_path, blocks, bottleneck, macs):
    model = outcome(tmp_path, *resnet(blocks, bottleneck))
    assert model.macs == macs
    assert model.outputs == (TensorSpec("y", (1, 1000)),)


def test_a_graph_says_what_it_is(tmp_path):
    model = outcome(
        tmp_path,
        [node("Conv", "x w b", "c"), node("Relu", "c", "y"), node("Cast", "y", "z", to=TensorProto.INT64)],
        [value("x", [1, 3, 8, 8])],
        [value("z", None, TensorProto.INT64)],
        [zeros("w", 4, 3, 3, 3), zeros("b", 4)],
        opset=13,
    )
    assert model.inputs == (TensorSpec("x", (1, 3, 8, 8)),)
    assert model.outputs == (TensorSpec("z", (1, 4, 6, 6), "int64"),)
    assert model.operators == {"Conv": 1, "Relu": 1, "Cast": 1}
    assert (model.opset, model.macs, model.parameters) == (13, 27 * 4 * 36, 4 * 27 + 4)
    assert model.activation_bytes == 4 * 36 * (4 + 4 + 8)
    assert model.sha256 == sha256_of_file(tmp_path / "m.onnx")
    assert model.size_bytes == (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize(
    ("dtype", "counts"),
    [(np.float32, True), (np.float16, True), (np.int8, True), (np.uint8, True)]
    + [(kind, False) for kind in (np.int16, np.int32, np.int64, np.uint16, np.uint32, np.uint64, np.bool_)],
)
def test_biases_of_int8_and_indices_are_no_parameters(tmp_path, dtype, counts):
    model = outcome(
        tmp_path,
        [node("Relu", "x", "y")],
        [value("x", (1, 3))],
        [value("y", (1, 3))],
        [zeros("w", 5, dtype=dtype)],
    )
    assert model.parameters == (5 if counts else 0)


def test_parameters_are_floats_and_quantised_weights_and_no_shapes(tmp_path):
    constant = helper.make_node("Constant", [], ["k"], value=zeros("", 5))
    model = outcome(
        tmp_path,
        [
            constant,
            node("Reshape", "x s", "r"),
            node("Add", "r k", "y"),
            node("DequantizeLinear", "q one", "unread"),
        ],
        [value("x", [5])],
        [value("y", [5])],
        [numpy_helper.from_array(np.array([5]), "s"), zeros("q", 7, dtype=np.int8), zeros("one")],
    )
    assert model.parameters == 5 + 7 + 1
    assert model.activation_bytes == 2 * 5 * 4


def test_nodes_in_branches_and_functions_are_counted(tmp_path):
    def branch(op):
        return helper.make_graph([node(op, "x", "b")], op, [], [value("b", [2, 2])])

    function = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [node("MatMul", "a a", "c"), node("Relu", "c", "b")],
        [helper.make_opsetid("", 17)],
    )
    model = outcome(
        tmp_path,
        [
            node("If", "which", "i", then_branch=branch("Sin"), else_branch=branch("Cos")),
            node("Twice", "i", "t", domain="mine"),
            node("Twice", "t", "y", domain="mine"),
        ],
        [value("x", [2, 2]), value("which", [], TensorProto.BOOL)],
        [value("y", [2, 2])],
        domains=["mine"],
        functions=[function],
    )
    assert model.operators == {"MatMul": 2, "Relu": 2, "If": 1, "Sin": 1, "Cos": 1}
    assert model.macs == 2 * 8


def test_functions_that_multiply_without_end_are_refused(tmp_path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    functions = [
        helper.make_function(
            "mine", f"F{i}", ["a"], ["b"],
            [node(f"F{i + 1}", "a", "c", domain="mine"), node(f"F{i + 1}", "c", "b", domain="mine")], opsets,
        )
        for i in range(50)
    ]  # fmt: skip
    functions.append(helper.make_function("mine", "F50", ["a"], ["b"], [node("Relu", "a", "b")], opsets))
    call = [node("F0", "x", "y", domain="mine")]
    failure = outcome(
        tmp_path, call, [value("x", [2])], [value("y", [2])], domains=["mine"], functions=functions
    )
    assert failure.failure_class is FailureClass.INVALID_MODEL
    assert "over 1000000 nodes" in failure.message


def test_foreign_operators_leave_unknown_what_they_hide(tmp_path):
    model = outcome(
        tmp_path,
        [
            node("Magic", "x", "m", domain="my.own"),
            node("Relu", "m", "y"),
            node("Magic", "x", "z", domain="my.own"),
        ],
        [value("x", [1, 3])],
        [value("y", None), value("z", [1, "n"])],
        domains=["my.own"],
    )
    assert model.operators == {"my.own.Magic": 2, "Relu": 1}
    assert (model.macs, model.activation_bytes) == (None, None)
    assert [tensor.shape for tensor in model.outputs] == [(-1,), (1, -1)]


def test_operators_of_other_sets_of_onnx_pass(tmp_path):
    nodes = [node("Scaler", "x", "y", domain="ai.onnx.ml", offset=[0.0], scale=[1.0])]
    model = outcome(tmp_path, nodes, [value("x", [1, 3])], [value("y", [1, 3])], domains=["ai.onnx.ml"])
    assert model.operators == {"ai.onnx.ml.Scaler": 1}


@pytest.mark.parametrize(
    ("op", "domain", "opset", "why"),
    [
        ("Konv", "", 17, "unknown to ONNX"),
        ("Gelu", "", 17, "newer, its present form is of opset 20"),
        ("Upsample", "", 17, "withdrawn at opset 10"),
        ("Scalar", "ai.onnx.ml", 17, "unknown to ONNX"),
    ],
)
def test_operators_that_onnx_does_not_have_are_named(tmp_path, op, domain, opset, why):
    nodes = [node(op, "x", "y", domain=domain)]
    failure = outcome(
        tmp_path, nodes, [value("x", [1])], [value("y", [1])], opset=opset, domains=[domain] if domain else []
    )
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == (op,)
    assert f"'{op}' ({why})" in failure.message


@pytest.mark.parametrize("opset", [0, -1, 999])
def test_unknown_opsets_are_told_with_the_known_ones(tmp_path, opset):
    failure = outcome(tmp_path, [node("Relu", "x", "y")], [value("x", [1])], [value("y", [1])], opset=opset)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPSET
    assert f"opset {opset} " in failure.message
    assert f"1 to {defs.onnx_opset_version()}" in failure.message


@pytest.mark.parametrize("equation", ["ij,jk-", "....", "ij;jk->ik"])
def test_equations_that_keep_onnx_busy_for_ever_are_refused(tmp_path, equation):
    nodes = [node("Einsum", "x x", "y", equation=equation)]
    failure = outcome(tmp_path, nodes, [value("x", [2, 2])], [value("y", [2, 2])])
    assert failure.failure_class is FailureClass.UNSUPPORTED_ATTRIBUTE


@pytest.mark.parametrize("shape", [None, ["n", 3], [0, 3], [-1, 3]])
def test_inputs_without_a_fixed_shape_are_refused(tmp_path, shape):
    failure = outcome(tmp_path, [node("Relu", "x", "y")], [value("x", shape)], [value("y", None)])
    assert isinstance(failure, Failure)
    assert failure.failure_class in (FailureClass.DYNAMIC_SHAPE, FailureClass.INVALID_MODEL)
    assert "\n" not in failure.message


def test_weights_among_the_inputs_are_no_inputs_and_none_is_fine(tmp_path):
    model = outcome(tmp_path, [node("Relu", "w", "y")], [value("w", [3])], [value("y", [3])], [zeros("w", 3)])
    assert model.inputs == ()
    assert model.parameters == 3


@pytest.mark.parametrize(
    ("nodes", "inputs", "outputs", "word"),
    [
        (
            [node("Identity", "x", "y")],
            [value("x", [1], TensorProto.STRING)],
            [value("y", [1], TensorProto.STRING)],
            "text",
        ),
        (
            [node("SequenceLength", "x", "y")],
            [helper.make_tensor_sequence_value_info("x", FLOAT, None)],
            [value("y", [], TensorProto.INT64)],
            "sequence",
        ),
        (
            [node("SequenceConstruct", "x", "y")],
            [value("x", [1])],
            [helper.make_tensor_sequence_value_info("y", FLOAT, None)],
            "sequence",
        ),
        (
            [node("Optional", "x", "y")],
            [value("x", [1])],
            [
                helper.make_value_info(
                    "y", helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [1]))
                )
            ],
            "optional",
        ),
    ],
)
def test_what_is_no_numeric_tensor_is_refused(tmp_path, nodes, inputs, outputs, word):
    failure = outcome(tmp_path, nodes, inputs, outputs)
    assert f"of type {word}" in failure.message


def test_an_element_type_of_the_future_is_refused(tmp_path):
    failure = outcome(tmp_path, [node("Identity", "x", "y")], [value("x", [1], 99)], [value("y", [1], 99)])
    assert "element type 99" in failure.message


@pytest.mark.parametrize("kept", ["raw_data", "float_data"])
def test_large_weights_are_not_needed_for_shapes(tmp_path, kept):
    weight = zeros("w", 300, 300)
    if kept == "float_data":
        weight = helper.make_tensor("w", FLOAT, [300, 300], [0.0] * 90_000)
    model = outcome(
        tmp_path, [node("MatMul", "x w", "y")], [value("x", [1, 300])], [value("y", None)], [weight]
    )
    assert (model.macs, model.outputs[0].shape, model.parameters) == (90_000, (1, 300), 90_000)


def test_external_data_count_in_hash_and_size(tmp_path):
    weight = zeros("w", 4)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="sub/w.bin")
    (tmp_path / "sub").mkdir()
    data = tmp_path / "sub" / "w.bin"
    data.write_bytes(bytes(16))
    model = outcome(tmp_path, [node("Add", "x w", "y")], [value("x", [4])], [value("y", [4])], [weight])
    assert isinstance(model, OnnxModel)
    assert model.external == (data,)
    assert model.sha256 == sha256_of_bundle(model.path, [data]) != sha256_of_file(model.path)
    assert model.size_bytes == model.path.stat().st_size + 16


def test_names_are_only_data(tmp_path):
    for name in ("a b", "'\";$(x)", "../../x", "<script>", "a\nb", "n" * 300, "\u202eevil"):
        model = outcome(
            tmp_path, [helper.make_node("Relu", [name], ["y"])], [value(name, [1])], [value("y", [1])]
        )
        assert model.inputs[0].name == name
        failure = outcome(
            tmp_path, [helper.make_node(name, ["x"], ["y"])], [value("x", [1])], [value("y", [1])]
        )
        assert failure.operators == (name,)
        assert failure.message.isprintable()
        assert len(failure.message) < 400


def test_text_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    outcome(tmp_path, [node("Relu", "x", "y")], [value("x", [1])], [value("y", [1])])
    path.write_bytes(path.read_bytes().replace(b"Relu", b"\xff\xfeRe"))
    assert "not UTF-8" in describe(path, "case").message


def test_a_missing_file_is_a_failure(tmp_path):
    assert "cannot be read" in describe(tmp_path / "none.onnx", "case").message


def test_a_graph_that_contradicts_itself_is_refused(tmp_path):
    failure = outcome(tmp_path, [node("Relu", "nowhere", "y")], [value("x", [1])], [value("y", [1])])
    assert failure.failure_class is FailureClass.INVALID_MODEL
    assert "checker refuses" in failure.message


def microsoft(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], domain="com.microsoft", **attributes)


def test_packed_weights_count_one_each_and_not_by_their_bytes(tmp_path):
    k, n, block = 70, 16, 32
    blocks = 3
    packed = zeros("b", n, blocks, block // 2, dtype=np.uint8)
    scales, points = zeros("s", n * blocks), zeros("z", n * 2, dtype=np.uint8)
    product = microsoft("MatMulNBits", "x b s z", "y", K=k, N=n, bits=4, block_size=block)
    arguments = ([value("x", [5, k])], [value("y", [5, n])], [packed, scales, points])
    model = outcome(tmp_path, [product], *arguments, domains=("com.microsoft",))
    # Blocks are filled up to 96 rows, and two zero points share a byte.
    assert model.parameters == k * n + n * blocks + n * blocks
    assert model.macs == 5 * k * n


@pytest.mark.parametrize(("bits", "columns", "count"), [(4, 32, 64), (2, 32, 128), (8, 32, 32)])
def test_an_embedding_of_a_few_bits_counts_its_entries(tmp_path, bits, columns, count):
    table = zeros("w", 10, columns, dtype=np.uint8)
    gather = microsoft("GatherBlockQuantized", "w i s", "y", bits=bits, block_size=16)
    indices, output = value("i", [3], TensorProto.INT64), value("y", [3, count])
    weights = [table, zeros("s", 10, count // 16)]
    model = outcome(tmp_path, [gather], [indices], [output], weights, domains=("com.microsoft",))
    assert model.parameters == 10 * count + 10 * (count // 16)
    assert model.macs == 0


def test_packed_weights_in_a_constant_and_in_a_branch_are_found(tmp_path):
    inner = helper.make_graph(
        [
            helper.make_node("Constant", [], ["b"], value=zeros("", 4, 1, 16, dtype=np.uint8)),
            microsoft("MatMulNBits", "x b s", "t", K=32, N=4, bits=4, block_size=32),
        ],
        "branch",
        [],
        [value("t", [1, 4])],
        [zeros("s", 4)],
    )
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    inputs = [value("c", [], TensorProto.BOOL), value("x", [1, 32])]
    model = outcome(tmp_path, nodes, inputs, [value("y", [1, 4])], domains=("com.microsoft",))
    assert model.parameters == 2 * (32 * 4 + 4)


def test_experts_are_counted_by_the_bits_of_their_weights(tmp_path):
    first, second = zeros("f1", 2, 8, 8, dtype=np.uint8), zeros("f2", 2, 16, 4, dtype=np.uint8)
    experts = microsoft("QMoE", "x r f1 s1 b1 f2 s2", "y", expert_weight_bits=4, k=1)
    weights = [first, second, zeros("s1", 2, 8), zeros("s2", 2, 16), zeros("b1", 2, 8)]
    inputs = [value("x", [1, 16]), value("r", [1, 2])]
    model = outcome(tmp_path, [experts], inputs, [value("y", [1, 16])], weights, domains=("com.microsoft",))
    assert model.parameters == 2 * 8 * 16 + 2 * 16 * 8 + 16 + 32 + 16
