"""Cuts at head and tail: which nodes go where, and that the parts together do what the whole did."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npubench.domain.records import Failure, FailureClass
from npubench.graph.surgery.cut import Cut, cut
from npubench.graph.surgery.graph_view import pruned

RANDOM = np.random.default_rng(3)
SHAPE = (1, 4, 8, 8)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def conv(data, out, weight="w"):
    return node("Conv", [data, weight], [out], kernel_shape=[3, 3], pads=[1] * 4)


def built(nodes, outputs, inputs=("x",), weights=(), shape=SHAPE):
    read = {name for one in nodes for name in one.input}
    stored = {"w": RANDOM.standard_normal((4, 4, 3, 3)).astype(np.float32) / 6, **dict(weights)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in stored.items() if name in read],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    return model


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, {n: a for n, a in feeds.items() if n in wanted}), strict=True))


def types(model):
    return [one.op_type for one in model.graph.node] if model else []


def assert_whole(model, made):
    feeds = {
        value.name: RANDOM.standard_normal([d.dim_value for d in value.type.tensor_type.shape.dim]).astype(
            np.float32
        )
        for value in model.graph.input
    }
    expected, known = run(model, feeds), dict(feeds)
    for part in (made.head, made.body, made.tail):
        if part is not None:
            onnx.checker.check_model(part, full_check=True)
            known |= run(part, known)
    for name, array in expected.items():
        np.testing.assert_allclose(known[name], array, atol=1e-5, rtol=1e-5)


def test_a_tail_of_topk_is_cut_off():
    model = built(
        [conv("x", "c"), node("Relu", ["c"], ["r"]), node("Flatten", ["r"], ["f"]),
         node("TopK", ["f", "k"], ["v", "i"]), node("Neg", ["v"], ["y"])],
        ("y", "i"), weights={"k": np.array([3])},
    )  # fmt: skip
    made = cut(model, {"TopK"})
    assert isinstance(made, Cut)
    assert made.head is None
    assert types(made.body) == ["Conv", "Relu", "Flatten"]
    assert types(made.tail) == ["TopK", "Neg"]
    assert (made.unsupported_ops, made.share) == (("TopK",), 0.0)
    assert_whole(model, made)


def test_a_head_is_cut_off():
    model = built(
        [node("Sin", ["x"], ["s"]), conv("s", "c"), conv("c", "d"), node("Relu", ["d"], ["y"])], ("y",)
    )
    made = cut(model, {"Sin"})
    assert (types(made.head), types(made.body), made.tail) == (["Sin"], ["Conv", "Conv", "Relu"], None)
    assert_whole(model, made)


def test_head_and_tail_of_one_type_are_cut_and_a_tensor_passes_the_body_by():
    nodes = [
        node("Sin", ["x"], ["s"]), conv("s", "c"), node("Relu", ["c"], ["r"]),
        node("Sin", ["r"], ["t"]), node("Add", ["t", "s"], ["y"]),
    ]  # fmt: skip
    model = built(nodes, ("y", "r"))
    made = cut(model, {"Sin"})
    assert [types(p) for p in (made.head, made.body, made.tail)] == [
        ["Sin"],
        ["Conv", "Relu"],
        ["Sin", "Add"],
    ]
    assert {value.name for value in made.tail.graph.input} == {"r", "s"}
    assert_whole(model, made)


def test_several_tensors_cross_and_other_branches_stay_whole():
    nodes = [
        conv("x", "a"), conv("x", "b"), node("Relu", ["a"], ["ra"]), node("Sigmoid", ["b"], ["sb"]),
        node("Mul", ["ra", "sb"], ["m"]), node("Sin", ["ra"], ["sa"]), node("Add", ["sa", "sb"], ["y"]),
    ]  # fmt: skip
    model = built(nodes, ("m", "y"))
    made = cut(model, {"Sin"})
    assert types(made.tail) == ["Sin", "Add"]
    assert [value.name for value in made.body.graph.output] == ["m", "ra", "sb"]
    assert_whole(model, made)


def test_constants_are_in_every_part_that_reads_them():
    tensor = numpy_helper.from_array(np.array(2.0, np.float32))
    nodes = [
        node("Constant", [], ["two"], value=tensor), node("Neg", ["two"], ["minus"]), conv("x", "c"),
        node("Mul", ["c", "minus"], ["m"]), node("Sin", ["m"], ["s"]), node("Add", ["s", "minus"], ["y"]),
    ]  # fmt: skip
    made = cut(model := built(nodes, ("y",)), {"Sin"})
    assert types(made.body) == ["Constant", "Neg", "Conv", "Mul"]
    assert types(made.tail) == ["Constant", "Neg", "Sin", "Add"]
    assert_whole(model, made)


def test_no_cut_in_the_middle():
    nodes = [conv("x", "c"), node("Sin", ["c"], ["s"]), conv("s", "y")]
    failure = cut(built(nodes, ("y",)), {"Sin"})
    assert isinstance(failure, Failure)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Sin",)
    assert "in the middle of the graph: 50%" in failure.message


def test_nothing_is_left_of_a_model_that_is_all_tail():
    model = built([node("Flatten", ["x"], ["f"]), node("ArgMin", ["f"], ["y"], axis=1)], ("y",))
    failure = cut(model, {"ArgMin"})
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert "nothing is left" in failure.message


def test_a_shape_that_only_the_data_tell_does_not_cross():
    nodes = [
        node("NonZero", ["x"], ["n"]), node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        node("Sin", ["f"], ["s"]), node("Relu", ["s"], ["r"]), node("Abs", ["r"], ["y"]),
    ]  # fmt: skip
    made = cut(built(nodes, ("y",)), {"NonZero"})
    # The rank is known, the number of places is not: that is for the description of the body to refuse.
    assert types(made.head) == ["NonZero"]
    (value,) = made.body.graph.input
    assert not value.type.tensor_type.shape.dim[1].HasField("dim_value")


def test_names_with_and_without_a_domain_mean_the_same():
    model = built([conv("x", "c"), node("Sin", ["c"], ["m"]), node("Relu", ["m"], ["y"])], ("y",))
    model.graph.node[1].op_type, model.graph.node[1].domain = "MyOp", "my"
    model.opset_import.append(helper.make_opsetid("my", 1))
    for name in ("MyOp", "my.MyOp"):
        made = cut(model, {name})
        assert (types(made.body), types(made.tail)) == (["Conv"], ["MyOp", "Relu"])
        assert made.unsupported_ops == ("my.MyOp",)


def test_a_branch_that_holds_what_is_lacking_is_cut_off_with_what_it_reads_from_outside():
    def branch(op):
        out = helper.make_empty_tensor_value_info(f"{op}_out")
        return helper.make_graph([node(op, ["c"], [f"{op}_out"])], op, [], [out])

    nodes = [
        conv("x", "c"), node("ReduceSum", ["c"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["which"], to=TensorProto.BOOL),
        node("If", ["which"], ["y"], then_branch=branch("Sin"), else_branch=branch("Neg")),
    ]  # fmt: skip
    model = built(nodes, ("y",))
    made = cut(model, {"Sin"})
    assert (types(made.body), types(made.tail)) == (["Conv", "ReduceSum", "Cast"], ["If"])
    assert {value.name for value in made.tail.graph.input} == {"c", "which"}
    assert_whole(model, made)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_parts_of_any_graph_do_together_what_the_whole_does(data):
    """Random graphs: what a target lacks never stands in the body, and joined outputs are the whole's."""
    count = data.draw(st.integers(2, 9))
    names, nodes = ["x"], []
    for i in range(count):
        op = data.draw(st.sampled_from(["Relu", "Sin", "Neg", "Add", "Conv"]))
        picked = [data.draw(st.sampled_from(names)) for _ in range(2 if op == "Add" else 1)]
        nodes.append(conv(picked[0], f"t{i}") if op == "Conv" else node(op, picked, [f"t{i}"]))
        names.append(f"t{i}")
    outputs = data.draw(st.lists(st.sampled_from(names[1:]), min_size=1, max_size=3, unique=True))
    model = built(nodes, outputs)
    made = cut(model, {"Sin"})
    if isinstance(made, Failure):
        assert made.failure_class is FailureClass.UNSUPPORTED_OPERATOR
        return
    assert "Sin" not in types(made.body)
    parts = types(made.head) + types(made.body) + types(made.tail)
    assert sorted(parts) == sorted(types(pruned(model)))
    assert_whole(model, made)


@pytest.mark.parametrize("part", ["head", "tail"])
def test_parts_keep_the_order_of_inputs_and_outputs(part):
    nodes = [conv("x2", "a"), conv("x1", "b"), node("Add", ["a", "b"], ["c"]), node("Sin", ["c"], ["s"])]
    made = cut(built(nodes, ("s", "c"), inputs=("x1", "x2")), {"Sin"})
    assert [value.name for value in made.body.graph.input] == ["x1", "x2"]
    assert [value.name for value in made.body.graph.output] == ["c"]
    assert (getattr(made, part) is None) == (part == "head")
