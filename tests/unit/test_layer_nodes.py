"""Nodes by the names that compilers make of them, where names are missing or not one node's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from npubench.graph.layer_nodes import Named, node_graph_of

LETTERS = st.text("ab_1", max_size=3)


def graph_of(*named):
    """Relus by name and by what each writes, all reading `in`."""
    nodes = [helper.make_node("Relu", ["in"], [written], name=name) for name, written in named]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("in", named[-1][1])]
    return node_graph_of(helper.make_graph(nodes, "g", ends[:1], ends[1:]))


def test_a_node_without_a_name_is_called_by_what_it_writes():
    graph = graph_of(("", "a"), ("", "b"))
    assert [node.name for node in graph.nodes] == ["a", "b"]
    assert graph.named("b_Relu").node is graph.nodes[1]


@pytest.mark.parametrize("told", ["conv_1", "conv_1_relu"])
def test_a_name_that_several_nodes_have_is_none_of_theirs_nor_of_a_shorter_name(told):
    graph = graph_of(("conv", "x"), ("conv_1", "y"), ("conv_1", "z"))
    assert graph.named(told) == Named(rest=told)
    assert graph.named("conv_2").node is graph.nodes[0]
    assert graph.named("z_relu").node is graph.nodes[2]


def test_a_name_of_a_node_that_another_one_writes_tells_neither():
    graph = graph_of(("h", "a"), ("", "h"))
    assert graph.named("h") == Named(rest="h")
    assert [node.name for node in graph.nodes] == ["h", "Relu of h"]


@given(
    st.lists(st.tuples(LETTERS, LETTERS.filter(bool)), min_size=1, max_size=6, unique_by=lambda one: one[1])
)
def test_every_node_has_a_name_of_its_own_and_is_told_by_no_name_of_another_one(named):
    graph = graph_of(*named)
    assert len(graph.by_name) == len(graph.nodes)
    for node, (name, written) in zip(graph.nodes, named, strict=True):
        for told in filter(None, (name, written)):
            found = graph.named(told)
            holders = [
                one for one, (own, made) in zip(graph.nodes, named, strict=True) if told in (own, made)
            ]
            assert found.node in ([node, None] if holders == [node] else [None])
