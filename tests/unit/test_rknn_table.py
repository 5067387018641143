"""RKNN's tables of a board (the forms of 1.5 and 2.x, rows of public logs cut to a few) and of builds."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.rknn.layers import table_of
from npubench.backends.rknn.table import parse_table
from npubench.domain.figures import Kind
from npubench.domain.layers import Besides, Join
from npubench.graph.layer_nodes import Node, NodeGraph

DATA = Path(__file__).parents[1] / "data/toolchains/rknn"
NEW, OLD = "eval_perf.rk3588.txt", "eval_perf-1.5.rk3588.txt"


def text(name):
    return (DATA / name).read_text(encoding="utf-8")


def layers_of(told, graph=None, **how):
    return table_of(parse_table(told), Kind.MEASURED, None, graph, **how)


def test_a_board_s_layers_are_those_of_its_table():
    found = parse_table(text(NEW))
    assert (found.total_us, found.traffic_bytes, found.complete) == (36626.0, 46918 * 1024, True)
    first, swish, shared, split, add, custom, last = found.layers
    assert (first.target, first.time_us, first.cycles, first.mac_usage) == ("CPU", 4.0, None, None)
    assert swish.cycles == (1091036, 8294400, 8294400)
    assert (swish.mac_usage, swish.workload) == (pytest.approx(0.0241), (1.0, 0.0, 0.0))
    assert (shared.mac_usage, shared.workload) == (pytest.approx(0.0435), pytest.approx((0.333,) * 3))
    assert (split.time_us, split.mac_usage, split.rw_bytes) == (1195.0, None, 7200 * 1024)
    assert split.input_shapes == ((1, 32, 480, 480), (2,))
    assert (add.time_us, custom.time_us, last.time_us) == (945.0, 13467.0, 23.0)
    assert custom.op_type == "cstInstanceNormalization_1_16_480_480"
    assert custom.full_name.endswith(":/model.2/InstanceNormalization")


def test_its_layers_are_the_total_that_it_tells():
    # 4 + 16130 + 4862 + 1195 + 945 + 13467 + 23
    found = layers_of(text(NEW))
    assert (found.total_us, found.difference_us, found.adds_up) == (36626.0, 0.0, True)
    assert (found.beside, found.clock_mhz, found.total_cycles) == ((), None, None)
    # 14 + 4041 + 924 + 330 + 203 + 31.5
    older = layers_of(text(OLD))
    assert (older.total_us, older.difference_us, older.adds_up) == (5543.0, -0.5, True)


def test_older_versions_have_a_column_for_each_kind_of_cycles_and_of_tasks():
    first, relu, _, fused, concat, last = parse_table(text(OLD)).layers
    assert (relu.cycles, relu.time_us, relu.mac_usage) == ((851599, 345600, 851599), 4041.0, 0.0855)
    assert (relu.workload, relu.rw_bytes) == ((1.0, 0.0, 0.0), round(4918.31 * 1024))
    assert fused.input_shapes == ((1, 128, 40, 40), (128, 128, 3, 3), (128,), (1, 128, 40, 40))
    assert (concat.output_shapes, concat.full_name) == (((1, 1024, 20, 20),), "Concat:Concat_78")
    assert (first.cycles, last.time_us) == (None, 31.5)


@pytest.mark.parametrize("name", [NEW, OLD])
def test_ends_of_lines_and_marks_of_a_log_make_no_difference(name):
    whole = parse_table(text(name))
    assert parse_table(text(name).replace("\n", "\r\n")) == whole
    marked = "".join(f"D RKNN: [05:07:06.566] {line}\n" for line in text(name).splitlines())
    assert parse_table(marked) == whole


@pytest.mark.parametrize("name", [NEW, OLD])
@pytest.mark.parametrize("share", [0.45, 0.5, 0.55, 0.6])
def test_a_table_that_is_cut_says_so_and_is_not_taken_for_the_whole(name, share):
    told = text(name)
    table = told[told.index("ID   OpType") : told.index("OutputOperator")]
    cut = parse_table(table[: int(len(table) * share)])
    assert not cut.complete
    assert 0 < len(cut.layers) < len(parse_table(told).layers)
    assert layers_of(table[: int(len(table) * share)]).adds_up is None


def test_a_row_that_is_lost_is_a_difference_not_time_outside():
    lines = text(NEW).splitlines()
    told = "\n".join(line for line in lines if "/model.1/conv/Conv" not in line)
    found = layers_of(told)
    assert (found.adds_up, found.difference_us, found.beside) == (False, 4862.0, ())


def test_the_last_whole_table_counts():
    second = text(NEW).replace("16130", "16000").replace("36626", "36496")
    assert parse_table(text(NEW) + second).total_us == 36496.0
    half = second[: second.index("Split:")]
    assert parse_table(text(NEW) + half).total_us == 36626.0


@pytest.mark.parametrize(
    "told", ["Total Time(us): 17219\n", "Total Operator Elapsed Per Frame Time(us): 17219.0\n"]
)
def test_small_chips_tell_a_total_alone(told):
    found = parse_table(told)
    assert (found.layers, found.total_us) == ((), 17219.0)
    assert layers_of(told) is None


def columns(*without):
    """The table without these columns, as versions that lack them print it."""
    rows = [line for line in text(NEW).splitlines() if line[:1].isdigit() or line.startswith("ID ")]
    head, *rest = rows
    spans = {name: head.index(name) for name in head.split()}
    order = sorted(spans.items(), key=lambda one: one[1])
    ends = {name: start for (name, _), (_, start) in pairwise(order)}

    def kept(line):
        return "".join(
            line[start : ends.get(name, len(line))] for name, start in order if name not in without
        )

    # The long name of the custom operator pushes its cells to the right.
    return "\n".join(kept(line) for line in [head, *(one for one in rest if "cst" not in one)]) + "\n\n"


@pytest.mark.parametrize("without", ["WorkLoad(0/1/2)", "MacUsage(%)", "RW(KB)", "Cycles(DDR/NPU/Total)"])
def test_a_column_less_is_not_told_and_nothing_else_changes(without):
    whole = [one for one in parse_table(text(NEW)).layers if "cst" not in one.op_type]
    found = parse_table(columns(without)).layers
    assert [one.time_us for one in found] == [one.time_us for one in whole]
    assert [one.full_name for one in found] == [one.full_name for one in whole]
    if without == "RW(KB)":
        assert {one.rw_bytes for one in found} == {None}


def test_without_a_column_of_times_there_are_none():
    found = parse_table(columns("Time(us)")).layers
    assert {one.time_us for one in found} == {None}
    assert [one.cycles is None for one in found] == [True, False, False, False, False, True]


def test_a_build_that_has_the_column_times_nothing():
    head = "ID OpType DataType Target InputShape OutputShape DDR Cycles NPU Cycles Total Cycles Time(us) RW(KB) FullName"
    told = f"{head}\n0 InputOperator INT8 CPU \\ (1,3) 0 0 0 0 147.00 InputOperator:x\n1 Conv INT8 NPU (1,3) (1,3) 5 7 7 0 1 Conv:c\n\n"
    found = layers_of(told, clock_mhz=1000.0)
    assert [one.time_us for one in found.layers] == [None, 0.007]
    assert (found.total_us, found.adds_up) == (0.007, True)
    assert found.beside[0].what is Besides.LAYERS_NOT_COUNTED


GRAPH = NodeGraph.of(
    [
        Node("/c1/Conv", "Conv", ("x", "w"), ("/c1/out",), 300),
        Node("/c1/Bn", "BatchNormalization", ("/c1/out",), ("/bn/out",), 0),
        Node("/c1/Sig", "Sigmoid", ("/bn/out",), ("/sig/out",), 0),
        Node("/c1/Mul", "Mul", ("/bn/out", "/sig/out"), ("/mul/out",), 0),
        Node("/c1/Conv_1", "Conv", ("/mul/out", "w2"), ("/c2/out",), 500),
        Node("/add", "Add", ("/c2/out", "/mul/out"), ("/add/out",), 0),
        Node("/fc", "Gemm", ("/add/out", "w3"), ("y",), 40),
    ]
)


def row(op_type, name, shapes="(1,3,4,4),(8,3,1,1),(8)", out="(1,8,4,4)", target="NPU"):
    return f"1 {op_type} INT8 {target} {shapes} {out} 1/2/2 3 {name}"


HEAD = "ID OpType DataType Target InputShape OutputShape Cycles(DDR/NPU/Total) RW(KB) FullName"


def joined(*rows):
    return layers_of("\n".join([HEAD, *rows, "----------"]), GRAPH).layers


@pytest.mark.parametrize(
    ("op_type", "name", "nodes", "join"),
    [
        ("Conv", "Conv:/c1/Conv", ("/c1/Conv",), Join.NAMED),
        ("Conv", "Conv:/c1/Conv_1", ("/c1/Conv_1",), Join.NAMED),
        ("ConvAdd", "Conv:/c1/Conv_1_ConvAdd", ("/c1/Conv_1", "/add"), Join.FOLLOWS),
        # Batch normalisation became part of the weights; the swish is of two nodes.
        ("ConvExSwish", "Conv:/c1/Conv", ("/c1/Conv", "/c1/Bn", "/c1/Sig", "/c1/Mul"), Join.FOLLOWS),
        ("ConvRelu", "Conv:/c1/Conv", ("/c1/Conv",), Join.PARTLY),
        ("Conv", "Conv:/fc#2", ("/fc",), Join.NAMED),
        ("Reshape", "Reshape:y_mm_tp_rs", (), Join.ADDED),
        ("Split", "Split:/mul/out_split", (), Join.ADDED),
        ("exDataConvert", "exDataConvert:/mul/out__cvt_int8_float16", (), Join.ADDED),
        ("Conv", "Conv:/c10/Conv", (), Join.UNKNOWN),
        ("Conv", "Conv:/c1/Conv10", (), Join.UNKNOWN),
        ("Conv", "", (), Join.UNKNOWN),
        ("InputOperator", "InputOperator:x", (), Join.END),
    ],
)
def test_layers_are_joined_by_the_names_that_the_compiler_makes(op_type, name, nodes, join):
    (found,) = joined(row(op_type, name))
    assert (found.nodes, found.join) == (nodes, join)


def test_parts_of_a_node_share_what_it_multiplies_by_their_shapes():
    # 8 x 3 x 16 outputs and 4 x 3 x 16: two thirds and one third of 300.
    parts = joined(
        row("Conv", "Conv:/c1/Conv_tile1"),
        row("ConvAdd", "Conv:/c1/Conv_tile0_ConvAdd", "(1,3,4,4),(4,3,1,1),(4)", "(1,4,4,4)"),
    )
    assert [one.graph_macs for one in parts] == [200, 100]
    assert [one.operators for one in parts] == [("Conv",), ("Conv",)]
    # Without shapes nobody knows who does how much.
    assert [one.graph_macs for one in joined(*[row("Conv", "Conv:/c1/Conv_tile1", "\\", "\\")] * 2)] == [
        None
    ] * 2


def test_layers_of_a_log_without_a_graph_have_no_nodes_and_say_so():
    found = layers_of(text(NEW)).layers
    assert [one.join for one in found] == [Join.END, *[Join.UNKNOWN] * 5, Join.END]
    assert {one.nodes for one in found} == {()}


@given(st.lists(st.floats(0.5, 1e6).map(lambda one: round(one, 2)), min_size=1, max_size=8), st.booleans())
def test_times_are_read_back_to_the_digit(times, cores):
    load, share = (" WorkLoad(0/1)", " 50.0%/50.0%") if cores else ("", "")
    head = f"ID OpType DataType Target InputShape OutputShape Cycles(DDR/NPU/Total) Time(us){load} RW(KB) FullName"
    rows = [
        f"{at} Conv INT8 NPU (1,2),(3) (1) 0/0/0 {one}{share} 4 Conv:a b  c" for at, one in enumerate(times)
    ]
    total = f"Total Operator Elapsed Per Frame Time(us): {math.fsum(times):.2f}"
    found = layers_of("\n".join([head, *rows, "-" * 20, total]))
    assert [one.time_us for one in found.layers] == times
    assert found.adds_up
    assert {one.workload for one in found.layers} == {(0.5, 0.5) if cores else ()}


@given(st.text(alphabet="0123456789/%.\\ ()-UpID,", max_size=200), st.integers(1, 30))
def test_no_row_breaks_the_parser_or_keeps_it_busy(row, unknown):
    for name in (NEW, OLD):
        head = next(line for line in text(name).splitlines() if line.startswith("ID "))
        parse_table(f"{head}\n{row}\n")
        parse_table(f"{head.replace('FullName', 'More ' * unknown + 'FullName')}\n{row * 5}\n")
