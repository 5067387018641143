"""Nodes of one name: renamed in every graph, branch and local function, and only there."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from npubench.domain.specs import FileSpec
from npubench.exporters.files import RENAMED, FileExporter, rename_repeated
from npubench.graph.walk import all_nodes, bodies

FLOAT = TensorProto.FLOAT


def value(name):
    return helper.make_tensor_value_info(name, FLOAT, [2, 4])


def chain(*names, given="x", out="y"):
    """Exp after Exp, each node with one of these names."""
    tensors = [given, *(f"{out}{at}" for at in range(len(names) - 1)), out]
    return [
        helper.make_node("Sin", [a], [b], name=n)
        for n, a, b in zip(names, tensors, tensors[1:], strict=False)
    ]


def branch(*names):
    return helper.make_graph(chain(*names, out="o"), "branch", [], [value("o")])


def model(nodes, functions=()):
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid("my", 1) for _ in functions)]
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")])
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)


def function(*names):
    return helper.make_function("my", "F", ["x"], ["y"], chain(*names), [helper.make_opsetid("", 17)])


def condition():
    return [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Cast", ["s"], ["b"], to=TensorProto.BOOL),
    ]


CASES = {
    "main": (lambda: model(chain("n", "n", "n")), 2),
    "taken": (lambda: model(chain("n", "n_2", "n", "n_3", "n")), 2),
    "branch": (lambda: model([*condition(), helper.make_node("If", ["b"], ["y"], name="n", then_branch=branch("n", "n"), else_branch=branch("n", "m"))]), 1),
    "function": (lambda: model([helper.make_node("F", ["x"], ["y"], domain="my", name="n")], [function("n", "n")]), 1),
    "calls": (lambda: model([helper.make_node("F", ["x"], ["t"], domain="my", name="c"), helper.make_node("F", ["t"], ["y"], domain="my", name="c")], [function("n", "m")]), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_onnx_runtime_takes_what_was_renamed(case):
    make, count = CASES[case]
    made = make()
    with pytest.raises(Exception, match="two nodes with same node name"):
        onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    assert rename_repeated(made) == count
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((2, 4), np.float32)})[0].shape == (2, 4)


def test_names_that_are_unique_where_they_stand_stay_and_so_do_nodes_without():
    made = model(
        [*condition(), helper.make_node("If", ["b"], ["t"], name="n", then_branch=branch("n", "m"), else_branch=branch("n", "m")), *chain("", "", given="t")],
    )  # fmt: skip
    before = made.SerializeToString()
    assert rename_repeated(made) == 0
    assert made.SerializeToString() == before


def test_many_nodes_of_one_name_are_renamed_once_each():
    made = model(chain(*["n"] * 3000))
    assert rename_repeated(made) == 2999
    assert len({node.name for body in bodies(made) for node in all_nodes(body)}) == 3000


def test_a_file_is_brought_with_unique_names_and_says_so(tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(model(chain("n", "n")), path)
    work = tmp_path / "work"
    work.mkdir()
    made = FileExporter().export(FileSpec("net", path), work, tmp_path / "log")
    assert made.exported == {RENAMED: "1 that had the name of another"}
    assert [node.name for node in onnx.load(made.path).graph.node] == ["n", "n_2"]
    assert [node.name for node in onnx.load(path).graph.node] == ["n", "n"]
