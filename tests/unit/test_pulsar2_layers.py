"""Layers of Pulsar 2's timelines, in the form that its manual has."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera.pulsar2_analyses import Trace, TraceLayer, parse_trace
from npubench.backends.axera.pulsar2_layers import table_of
from npubench.domain.layers import NPU, PULSAR2, Besides, Join
from npubench.graph.layer_nodes import Node, NodeGraph

TRACE = parse_trace((Path(__file__).parents[1] / "data/axera/trace.json").read_text())
GRAPH = NodeGraph.of(
    [
        Node("Conv_0", "Conv", ("x", "w"), ("c",), 1000),
        Node("/head/Softmax", "Softmax", ("c",), ("/head/Softmax_output_0",), 0),
    ],
    ["x"],
)


def test_layers_of_a_timeline_in_microseconds_and_what_lies_between_them_are_its_length():
    found = table_of({"npu_0": TRACE}, False, 1000.0, GRAPH)
    assert (found.tool, found.total_us, found.total_cycles, found.adds_up) == (PULSAR2, 100, None, True)
    assert [(one.name, one.time_us) for one in found.layers] == [
        (one.layer, one.time_us) for one in TRACE.layers
    ]
    assert [(one.nodes, one.join, one.graph_macs) for one in found.layers] == [
        (("Conv_0",), Join.NAMED, 1000),
        (("/head/Softmax",), Join.NAMED, 0),
        ((), Join.UNKNOWN, None),
    ]
    assert {one.unit for one in found.layers} <= {NPU, "DMA"}


@pytest.mark.parametrize(("clock_mhz", "total_us"), [(None, None), (800.0, 125.0)])
def test_a_timeline_in_cycles_has_times_over_a_clock_alone(clock_mhz, total_us):
    found = table_of({"npu_0": TRACE}, True, clock_mhz, None)
    assert (found.total_cycles, found.total_us, found.adds_up) == (100_000, total_us, True)
    assert (found.layers[0].cycles, found.difference_cycles) == (65_000, 0)


def test_subgraphs_run_one_after_another_and_none_has_no_table():
    assert table_of({"npu_0": TRACE, "npu_1": TRACE}, False, None, None).total_us == 200
    assert table_of({}, False, None, None) is None
    assert table_of({"npu_0": replace(TRACE, layers=())}, False, None, None) is None


TIMES = st.floats(0, 1e6).map(lambda time_us: round(time_us, 3))
LAYERS = st.lists(
    st.builds(TraceLayer, st.text(), st.integers(1, 9), TIMES, st.dictionaries(st.text(), TIMES), TIMES),
    min_size=1,
)


@given(LAYERS, st.floats(1, 1e6), st.booleans(), st.none() | st.floats(100, 2000))
def test_every_timeline_adds_up(layers, span_us, in_cycles, clock_mhz):
    trace = Trace(span_us, 0, 0, 0, (), tuple(layers))
    found = table_of({"npu_0": trace}, in_cycles, clock_mhz, GRAPH)
    assert found.adds_up
    assert found.beside[0].what in {Besides.OVERLAP, Besides.WAITING}
