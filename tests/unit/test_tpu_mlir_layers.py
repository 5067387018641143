"""Layers of TPU-MLIR 1.30.2: the compiler's timeline, its parts, what runs elsewhere, and the model's nodes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.tpu_mlir.layers import table_of
from npubench.backends.tpu_mlir.log import Profile, parse_profile
from npubench.backends.tpu_mlir.timeline import Command, busy, parse_timeline
from npubench.backends.tpu_mlir.worker_listing import elsewhere, operations
from npubench.domain.figures import Kind
from npubench.domain.layers import CPU, DMA, NPU, Besides, BytesOf, Join
from npubench.graph.layer_nodes import Node, NodeGraph, node_graph
from tests.resnet18 import write_resnet18

FILES = Path(__file__).parents[1] / "data/toolchains/tpu-mlir"


def text(name):
    return (FILES / name).read_text(encoding="utf-8")


def answer(name):
    return json.loads(text(f"{name}.answer.json"))


def of(name, graph=None, told=None):
    written = text(f"{name}.profile.txt")
    return table_of(
        parse_timeline(written), parse_profile(written), answer(name) if told is None else told, graph
    )


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    return of("resnet18.bm1688", node_graph(write_resnet18(tmp_path_factory.mktemp("net") / "resnet18.onnx")))


TOPK = NodeGraph.of(
    [
        Node("first", "Conv", ("x", "w"), ("c",), 442368),
        Node("act", "Relu", ("c",), ("r",), 0),
        Node("top", "TopK", ("r", "k"), ("t", "i"), 0),
        Node("second", "Conv", ("t", "v"), ("y",), 589824),
    ],
    ["x"],
)


def test_layers_and_their_overlap_are_the_compilers_time(resnet18):
    assert (resnet18.kind, resnet18.total_cycles, resnet18.adds_up) == (Kind.SIMULATED, 1122310, True)
    assert (resnet18.difference_cycles, resnet18.difference_us) == (0, pytest.approx(0, abs=0.001))
    assert [one.what for one in resnet18.beside] == [Besides.OVERLAP]
    assert resnet18.clock_mhz == 900
    # By the file's own last lines: cycles of both engines, and bytes moved either way.
    told = re.search(r"bdc_cycle:(\d+), gdma_cycle:(\d+)", text("resnet18.bm1688.profile.txt"))
    computed, moved = (
        sum(getattr(one, name) for one in resnet18.layers) for name in ("compute_cycles", "memory_cycles")
    )
    assert (computed, moved) == (int(told[1]), int(told[2]))
    assert (sum(one.bytes for one in resnet18.layers), resnet18.bytes_of) == (
        12906984 + 557448,
        BytesOf.TRAFFIC,
    )


def test_every_node_is_in_one_layer_and_all_macs_with_it(resnet18, tmp_path):
    graph = node_graph(write_resnet18(tmp_path / "resnet18.onnx"))
    held = [name for one in resnet18.layers for name in one.nodes]
    assert sorted(held) == sorted(graph.by_name)
    assert sum(one.graph_macs or 0 for one in resnet18.layers) == sum(node.macs or 0 for node in graph.nodes)
    assert {one.join for one in resnet18.layers} == {Join.NAMED, Join.FOLLOWS, Join.ADDED}


def test_a_layer_tells_what_it_does_where_and_on_what(resnet18):
    cast, load, _, conv = resnet18.layers[:4]
    assert (cast.tool_type, cast.unit, cast.join, cast.bytes) == ("Cast", NPU, Join.ADDED, 752640)
    assert (load.tool_type, load.unit, load.compute_cycles) == ("Load", DMA, 0)
    assert (conv.nodes, conv.operators, conv.graph_macs) == (
        ("conv_0", "relu_1"),
        ("Conv", "Relu"),
        118013952,
    )
    assert (conv.output_shapes, conv.dtype, conv.memory_cycles) == (((1, 64, 112, 112),), "ui8", 0)


def test_an_answer_of_an_earlier_worker_has_layers_without_names_of_the_model():
    found = of("resnet18.bm1688", told={"on_cpu": ["TopK"], "cpu_layers": ["TopK"]})
    assert (found.adds_up, found.layers[0].name, found.layers[-1].unit) == (True, "Cast_12", CPU)
    assert {one.join for one in found.layers} == {Join.UNKNOWN}


def test_parts_before_and_behind_what_runs_elsewhere_are_added():
    found = of("topk.bm1688", TOPK)
    # 7267 and 5124 cycles, by the two parts.
    assert (found.total_cycles, found.adds_up, found.difference_cycles) == (12391, True, 0)
    assert (found.total_us, found.clock_mhz) == (pytest.approx(8.074 + 5.693), 900)
    assert [one.nodes for one in found.layers if one.nodes] == [("first", "act"), ("second",), ("top",)]
    top = found.layers[-1]
    assert (top.tool_type, top.unit, top.time_us, top.join) == ("TopK", NPU, None, Join.NAMED)
    assert [one.layers for one in found.beside if one.what is Besides.LAYERS_NOT_COUNTED] == [1]


def test_a_part_that_is_cut_off_leaves_no_time_and_no_layers():
    whole = text("topk.bm1688.profile.txt")
    assert parse_profile(whole[: whole.rindex("runtime")]) is None
    assert parse_profile("") is None


def test_the_listing_tells_what_is_not_scheduled():
    assert elsewhere(text("topk.bm1688.final.mlir")) == [
        {"type": "TopK", "mode": "TPU_DYNAMIC", "name": "t_TopK"}
    ]
    host = (
        '    func.func @main(%0: tensor<1xf32>) {\n      %1 = "tpu.Not"(%0) : () loc("here")\n'
        "    func.func @subfunc_1(%0: tensor<1xf32>) attributes {id = 1, mode = #tpu<run_mode CPU>} {\n"
        '      %1 = "tpu.Buffer"(%0) : () -> () loc(#loc2)\n'
        '      %2 = "tpu.GenericCpu"(%1) {cpu_name = "onnx.NonZero"} : () -> () loc(#loc2)\n'
        '#loc2 = loc(#loc3)\n#loc3 = loc("y_NonZero")\n'
    )
    assert elsewhere(host) == [{"type": "NonZero", "mode": "CPU", "name": "y_NonZero"}]
    assert elsewhere(host.replace("#loc3 = loc", "#loc9 = loc"))[0]["name"] == ""


def test_what_the_compiler_writes_of_operations_is_shortened():
    found = operations(text("topk.bm1688.bmodel.json"))
    assert [one["line"] for one in found] == [18, 20, 19, 21, 22, 23, 39, 41, 40, 42, 43, 44]
    assert found[3]["results"] == [{"name": "r_Relu", "shape": [1, 16, 32, 32], "dtype": "ui8"}]
    assert found[3]["operands"][0]["name"] == "xr_Relu_ui8"


def cut(length):
    return parse_timeline(text("resnet18.bm1688.profile.txt")[:length])


@given(st.integers(0, len(text("resnet18.bm1688.profile.txt"))))
def test_a_timeline_that_is_cut_is_told(length):
    whole, found = cut(None), cut(length)
    assert found.commands == whole.commands[: len(found.commands)]
    assert whole.complete


COMMANDS = st.lists(
    st.builds(
        lambda line, start, length, moves: Command("Add", line, start, start + length, moves),
        *(st.integers(1, 5), st.integers(0, 100), st.integers(0, 30), st.booleans()),
    )
)


@given(COMMANDS)
def test_cycles_in_which_something_runs_are_counted_once(commands):
    assert busy(commands) == len({cycle for one in commands for cycle in range(one.start, one.end)})


@given(COMMANDS, st.integers(0, 50))
def test_every_timeline_adds_up(commands, idle):
    timeline = replace(cut(0), commands=tuple(commands))
    cycles = max((one.end for one in commands), default=0) + idle
    found = table_of(timeline, Profile(cycles, cycles / 900, {}), {}, None)
    if found is None:
        assert not commands
    else:
        assert (found.difference_cycles, found.adds_up) == (0, True)


NAMES = st.sampled_from(
    ["x", "c", "r", "load_r_Relu", "t_TopK", "y", "y_Conv", "y_Conv_merge", "", "/", "first"]
)
TENSORS = st.lists(NAMES.map(lambda name: {"name": name, "shape": [1], "dtype": "si8"}), max_size=3)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {
            "line": st.integers(18, 24),
            "type": st.sampled_from(["tpu.Conv2D", "tpu.Load", "Relu", "tpu.Reshape", ""]),
            "operands": TENSORS,
            "results": TENSORS,
        }
    )
)


@given(OPERATIONS)
def test_no_name_breaks_the_join(told):
    found = of("topk.bm1688", TOPK, {"operations": told})
    assert found.adds_up
    assert {name for one in found.layers for name in one.nodes} <= set(TOPK.by_name)


@pytest.mark.parametrize("told", [{"operations": 7}, {"operations": [{"line": "x"}]}, {"elsewhere": [3]}])
def test_an_answer_of_another_form_has_layers_without_names(told):
    assert of("topk.bm1688", TOPK, told).adds_up


def test_the_models_own_cast_is_a_node():
    graph = NodeGraph.of([Node("to_int", "Cast", ("x",), ("y",), 0)], ["x"])
    tensors = {
        "operands": [{"name": "x", "shape": [1], "dtype": "f32"}],
        "results": [{"name": "y_Cast", "shape": [1], "dtype": "si8"}],
    }
    found = of("topk.bm1688", graph, {"operations": [{"line": 20, "type": "tpu.Cast", **tensors}]})
    assert [one.nodes for one in found.layers if one.nodes] == [("to_int",)]


def test_a_clock_of_no_whole_number_stays_one():
    timeline = replace(cut(0), commands=(Command("Add", 1, 0, 900_500, moves=False),))
    assert table_of(timeline, Profile(900_500, 1000.0, {}), {}, None).clock_mhz == 900.5
