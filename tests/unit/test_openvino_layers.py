"""Layers of OpenVINO 2026.4 on the CPU: its counters, the runs that they are of, and the model's nodes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.openvino.layers import Counter, Run, parse_counters, run_of, table_of
from npubench.domain.layers import CPU, OPENVINO, Besides, Join
from npubench.graph.layer_nodes import Node, NodeGraph, node_graph
from tests.resnet18 import write_resnet18

REAL = (Path(__file__).parents[1] / "data/toolchains/openvino/resnet18.counters.csv").read_text()
RUN = Run(17, 47_280.0)
SAID = """[ INFO ] First inference took 18.61 ms
[ INFO ] Count:            16 iterations
[ INFO ]    Median:        71.69 us
[ INFO ]    Average:       314.19 us
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return node_graph(write_resnet18(tmp_path_factory.mktemp("net") / "resnet18.onnx"))


def test_operations_that_ran_are_layers_and_add_up(graph):
    found = table_of(parse_counters(REAL), RUN, CPU, graph)
    assert (found.tool, found.count, found.adds_up) == (OPENVINO, REAL.count(";Status.EXECUTED;"), True)
    # By the last line of the report.
    assert found.beside[0].what is Besides.OUTSIDE_OF_LAYERS
    assert found.beside[0].time_us == pytest.approx(47_280 - 41_680)
    assert "17 runs" in found.statistic


def test_every_node_is_in_one_layer_and_all_macs_with_it(graph):
    found = table_of(parse_counters(REAL), RUN, CPU, graph)
    held = [name for one in found.layers for name in one.nodes]
    assert (len(held), set(held)) == (len(graph.nodes), set(graph.by_name))
    assert sum(one.graph_macs or 0 for one in found.layers) == sum(node.macs or 0 for node in graph.nodes)
    assert {one.join for one in found.layers} == {Join.NAMED, Join.FOLLOWS, Join.ADDED}
    # The sum behind two convolutions is in the one that ran last.
    fused = {one.nodes[0]: one.nodes for one in found.layers if one.nodes}
    assert (fused["conv_16"], fused["conv_15"]) == (("conv_16",), ("conv_15", "add_17", "relu_18"))


def test_a_layer_tells_kernel_type_time_and_unit(graph):
    found = table_of(parse_counters(REAL), RUN, "NPU", graph)
    conv = next(one for one in found.layers if "conv_0" in one.nodes)
    assert (conv.name, conv.tool_type, conv.unit) == ("conv_0/WithoutBiases", "Convolution", "NPU")
    assert (conv.time_us, conv.dtype) == (1148, "bf16")


def test_the_mean_is_of_all_runs_that_were_counted_the_first_one_too():
    assert run_of(SAID) == Run(17, pytest.approx((16 * 314.19 + 18_610) / 17))


@pytest.mark.parametrize("line", range(4))
def test_without_a_line_nothing_is_known_of_the_runs_but_for_the_median(line):
    lines = SAID.splitlines(keepends=True)
    assert (run_of("".join(lines[:line] + lines[line + 1 :])) is None) == (line != 2)


@given(st.integers(0, len(REAL)))
def test_a_report_that_is_cut_has_no_layers(length):
    found = parse_counters(REAL[:length])
    assert found in ((), parse_counters(REAL))


@given(st.text())
def test_no_text_breaks_the_reading(text):
    assert parse_counters(text) == ()
    heading = REAL.splitlines()[0]
    assert all(one.time_us >= 0 for one in parse_counters(f"{heading}\n{text};a;b;c;d;e\nTotal;;;;1;1"))


GRAPH = NodeGraph.of(
    [
        Node("a", "Conv", ("x", "w"), ("c",), 10),
        Node("r", "Relu", ("c",), ("d",), 0),
        Node("cast", "Convert", ("d",), ("y",), 0),
    ],
    ["x"],
)
COUNTERS = st.lists(
    st.builds(
        Counter,
        st.sampled_from(["a", "a/WithoutBiases", "r", "c_x", "cast", "Convert_7", "x/fq_output_0", "", "?"]),
        st.booleans(),
        st.sampled_from(["Convolution", "Relu", "Reorder", "Convert", ""]),
        st.sampled_from(["jit_f32", ""]),
        st.floats(0, 1e6),
    )
)


@given(COUNTERS, st.floats(1, 1e6))
def test_every_table_adds_up_whatever_its_names(counters, mean_us):
    found = table_of(counters, Run(2, mean_us), CPU, GRAPH)
    if found is not None:
        assert found.adds_up
        assert {name for one in found.layers for name in one.nodes} <= set(GRAPH.by_name)


def test_the_models_own_conversion_is_a_node_and_the_tools_is_none():
    counters = [
        Counter("Convert_7", True, "Subgraph", "jit_f32", 1.0),
        Counter("cast", True, "Convert", "jit", 2.0),
    ]
    found = table_of(counters, Run(2, 3.0), CPU, GRAPH)
    assert [(one.nodes, one.join) for one in found.layers] == [((), Join.ADDED), (("cast",), Join.NAMED)]
