"""Vela's layers: files of the real tool, older headings, what is cut, and joins to the model's nodes."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.ethos_u.layers import joined_to, table_of
from npubench.backends.ethos_u.vela import Layer, PerLayer, parse_per_layer, parse_summary
from npubench.domain.layers import Beside, Besides, Join
from npubench.domain.records import OnnxModel
from npubench.graph.layer_nodes import Node, NodeGraph

DATA = Path(__file__).parents[1] / "data/toolchains/ethos-u"
MODEL = OnnxModel("m", Path("m"), "sha", 13, (), (), {"Conv": 20, "Relu": 17}, 0, 0, 0, 0)
FILE, SUMMARY = "resnet18-pool2.u55-256.per-layer.csv", "resnet18-pool2.u55-256.summary.csv"


def text(name):
    return (DATA / name).read_text(encoding="utf-8")


def table(told=None, summary=SUMMARY, graph=None):
    return table_of(parse_per_layer(told or text(FILE)), parse_summary(text(summary)), MODEL, graph)


def test_layers_are_the_time_of_the_summary():
    found = table()
    # 15 847 261 cycles at 500 MHz.
    assert (found.total_us, found.total_cycles, found.clock_mhz) == (
        pytest.approx(31694.522),
        15847261,
        500.0,
    )
    assert sum(one.cycles for one in found.layers) == 15847261
    assert (found.adds_up, found.beside, found.complete) == (True, (), True)
    first, relu, pool, *_ = found.layers
    assert first.time_us == pytest.approx(2614.718)
    assert (first.compute_cycles, first.memory_cycles) == (1307359, 1270080)
    assert (first.macs, first.mac_utilisation) == (118013952, pytest.approx(0.35261316))
    assert (relu.tool_type, relu.time_us, relu.mac_utilisation) == ("Conv2D/Relu", 0.0, None)
    # A pooling that waits for its memory.
    assert (pool.compute_cycles, pool.memory_cycles, pool.cycles) == (101704, 189952, 189952)


def test_what_is_left_to_the_cpu_has_no_time_and_is_named():
    found = table(text("argmin.u55-256.per-layer.csv"), "argmin.u55-256.summary.csv")
    assert {(one.unit, one.time_us, one.macs) for one in found.layers} == {("CPU", None, None)}
    assert found.beside == (Beside(Besides.LAYERS_NOT_COUNTED, 0.0, None, 3),)
    assert found.adds_up


def test_a_cascade_whose_rows_are_more_than_the_network_is_no_match():
    rows = parse_per_layer(text(FILE))
    doubled = PerLayer((replace(rows.layers[0], cycles=2 * rows.layers[0].cycles), *rows.layers[1:]))
    found = table_of(doubled, parse_summary(text(SUMMARY)), MODEL, None)
    assert (found.adds_up, found.difference_us) == (False, pytest.approx(-2614.718))


def test_a_file_without_summary_has_cycles_and_no_time():
    found = table_of(parse_per_layer(text(FILE)), None, MODEL, None)
    assert (found.total_us, found.adds_up, found.layers[0].time_us) == (None, None, None)
    assert found.layers[0].cycles == 1307359


def rewritten(names):
    """The file with other headings: a dictionary of old to new, None to leave the column out."""
    rows = list(csv.DictReader(io.StringIO(text(FILE))))
    kept = [name for name in rows[0] if names.get(name, name) is not None]
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([names.get(name, name) for name in kept])
    writer.writerows([row[name] for name in kept] for row in rows)
    return stream.getvalue()


OLDER = {
    **{"Original Operator": "TFLite_operator", "Target": None, "Staging Usage": "SRAM Usage"},
    **{"Peak% (Staging)": "Peak%", "Network% (cycles)": "Network%", "Network% (MAC)": "Network%"},
    "Util% (MAC)": "Util%",
}


def test_headings_of_older_versions_tell_the_same():
    # csv ends lines with CRLF, too.
    assert parse_per_layer(rewritten(OLDER)) == parse_per_layer(text(FILE))


@pytest.mark.parametrize("column", ["NPU", "SRAM AC", "OffFlash AC", "NNG Operator", "Util% (MAC)"])
def test_a_column_less_is_not_told_and_nothing_else_changes(column):
    found = parse_per_layer(rewritten({column: None})).layers
    whole = parse_per_layer(text(FILE)).layers
    assert [(one.name, one.cycles, one.macs) for one in found] == [
        (one.name, one.cycles, one.macs) for one in whole
    ]
    if column == "NPU":
        assert {one.compute_cycles for one in found} == {None}


def test_without_cycles_there_are_no_layers():
    assert parse_per_layer(rewritten({"Op Cycles": None})) == PerLayer((), complete=False)


@given(st.integers(200, 5900))
def test_a_file_that_is_cut_never_adds_up_silently(length):
    told = text(FILE)[:length]
    found = table(told)
    if found is not None:
        whole = parse_per_layer(text(FILE)).layers
        assert len(found.layers) < len(whole) or found.layers[-1].name != whole[-1].name
        assert not found.adds_up or not found.complete or len(found.layers) == len(whole)


GRAPH = NodeGraph.of(
    [
        Node("/stem/Conv", "Conv", ("x", "w"), ("/stem/out",), 100),
        Node("/stem/Bn", "BatchNormalization", ("/stem/out",), ("/bn/out",), 0),
        Node("/stem/Relu", "Relu", ("/bn/out",), ("/relu/out",), 0),
        Node("/pool", "MaxPool", ("/relu/out",), ("/pool/out",), 0),
        Node("/b/Conv", "Conv", ("/pool/out", "w"), ("/b/out",), 200),
        Node("/add", "Add", ("/b/out", "/pool/out"), ("/add/out",), 0),
        Node("/gap", "ReduceMean", ("/add/out",), ("/gap/out",), 0),
        Node("/norm", "ReduceL1", ("/gap/out",), ("norm",), 0),
        Node("/square", "Pow", ("/gap/out", "two"), ("squared",), 0),
        Node("/fc", "Gemm", ("/gap/out", "w"), ("logits",), 40),
    ]
)


def row(original, made, name):
    return Layer(original, "NPU", name, 10, 20, made)


@pytest.mark.parametrize(
    ("layers", "nodes"),
    [
        # One pass of a convolution with its activation: a row each.
        (
            [row("Conv2D", "Conv2D", "wa/relu/out"), row("Conv2D", "Relu", "wa/relu/out")],
            [(("/stem/Conv", "/stem/Bn"), Join.FOLLOWS), (("/stem/Relu",), Join.NAMED)],
        ),
        # The same in one row: it holds the activation, too.
        (
            [row("Conv2D", "Conv2D", "wa/pool_input_nhwc")],
            [(("/stem/Conv", "/stem/Bn", "/stem/Relu"), Join.FOLLOWS)],
        ),
        ([row("Conv2D", "Conv2D", "wa/b/Conv_output_nhwc")], [(("/b/Conv",), Join.NAMED)]),
        ([row("MirrorPad", "MemoryCopy", "wa/pool_input_nhwc")], [((), Join.ADDED)]),
        ([row("None", "MemoryCopy", "#26")], [((), Join.ADDED)]),
        ([row("Mean", "DepthwiseConv2D", "wa/gap/out_intermediate")], [(("/gap",), Join.FOLLOWS)]),
        ([row("Abs", "Abs", "norm_reduce_l1_abs")], [(("/norm",), Join.FOLLOWS)]),
        ([row("FullyConnected", "FullyConnected", "logits")], [(("/fc",), Join.NAMED)]),
        ([row("Mul", "Mul", "squared")], [(("/square",), Join.NAMED)]),
        ([row("Sub", "Sub", "logits")], [((), Join.UNKNOWN)]),
        ([row("Conv2D", "Conv2D", "somewhere else")], [((), Join.UNKNOWN)]),
        ([row("Transpose", "Transpose", "x_onnx_ncx_internal")], [((), Join.ADDED)]),
    ],
)
def test_rows_are_joined_by_the_tensor_that_they_write(layers, nodes):
    found = joined_to(layers, GRAPH)
    assert [(tuple(node.name for node in one.nodes), one.join) for one in found] == nodes


@given(
    st.lists(
        st.builds(
            Layer, st.text(), st.sampled_from(["NPU", "CPU"]), st.text(), *[st.integers(0, 99)] * 2, st.text()
        )
    )
)
def test_no_name_breaks_the_join(layers):
    assert len(joined_to(layers, GRAPH)) == len(layers)
