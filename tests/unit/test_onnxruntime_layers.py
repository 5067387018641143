"""Layers of ONNX Runtime: its profile, the sum, and nodes of the model that optimised ones stand for."""

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npubench.backends.onnxruntime import computed, quantise
from npubench.backends.onnxruntime.layers import layers_of, table_of
from npubench.backends.onnxruntime.processors import this_processor
from npubench.backends.onnxruntime.profile import read_runs, times_of
from npubench.domain.figures import Kind
from npubench.domain.layers import CPU, Besides, BytesOf, Join
from npubench.graph.layer_nodes import node_graph_of
from npubench.measure.onnx_session import of_threads

REAL = (Path(__file__).parents[1] / "data/toolchains/onnxruntime/resnet18.int8.profile.json").read_text()
NOTHING = onnx.ModelProto()


def event(name, start, took, category="Node", **arguments):
    return {"cat": category, "name": name, "ts": start, "dur": took, "args": arguments}


def kernel(name, start, took, operator="Conv", **arguments):
    return event(f"{name}_kernel_time", start, took, op_name=operator, **arguments)


def run(took, *kernels):
    return [
        *kernels,
        event("SequentialExecutor::Execute", 0, took, "Session"),
        event("model_run", 0, took, "Session"),
    ]


def times(*runs):
    return times_of(read_runs(json.dumps([one for events in runs for one in events])))


def of(*runs):
    return table_of(times(*runs), NOTHING, None)


def test_a_real_profile_has_a_layer_a_kernel_and_adds_up():
    runs = read_runs(REAL)
    assert [len(one.kernels) for one in runs] == [38, 38, 38]
    found = table_of(times_of(runs), NOTHING, None)
    # By the file: the faster of the runs behind the first, and the kernels of both.
    fastest = min(one.total_us for one in runs[1:])
    assert (found.total_us, found.adds_up, found.difference_us) == (fastest, True, pytest.approx(0))
    least = [
        min(pair, key=lambda one: one.time_us)
        for pair in zip(*(one.kernels for one in runs[1:]), strict=True)
    ]
    assert [(one.name, one.time_us) for one in found.layers] == [(one.name, one.time_us) for one in least]
    assert "fastest 1 of 2 runs" in found.statistic


def test_a_real_layer_tells_all_that_the_profile_has():
    found = table_of(times_of(read_runs(REAL)), NOTHING, None)
    first, conv = found.layers[0], found.layers[2]
    assert (found.kind, found.bytes_of, found.complete) == (Kind.MEASURED, BytesOf.TENSORS, True)
    assert (first.name, first.tool_type, first.unit) == ("input_QuantizeLinear", "QuantizeLinear", CPU)
    # 602112 bytes of activations, 5 of scale and zero point, 150528 written.
    assert (first.bytes, first.dtype) == (752645, "uint8")
    assert (first.input_shapes[0], first.output_shapes) == ((1, 3, 224, 224), ((1, 3, 224, 224),))
    assert (conv.name, conv.output_shapes[0][0]) == ("/model/backbone/conv1/Conv_token_1", 1)


def test_the_cold_run_and_slow_ones_do_not_count():
    cold = run(900, kernel("a", 0, 800))
    found = times(cold, *(run(100 + number, kernel("a", 0, 90 + number)) for number in range(8)))
    assert ([one.time_us for one in found.nodes], found.total_us, found.outside_us) == ([90.5], 100.5, 10.0)
    assert (found.fastest, found.counted, found.interrupted_us) == (2, 8, 0.0)


def test_what_interrupts_one_kernel_after_the_other_is_named_and_is_no_layers():
    noisy = [
        run(30, kernel("a", 0, 20), kernel("b", 20, 5)),
        run(31, kernel("a", 0, 10), kernel("b", 10, 15)),
    ]
    found = of(run(99), *noisy)
    assert [one.time_us for one in found.layers] == [10, 5]
    assert {one.what: one.time_us for one in found.beside} == {
        Besides.OUTSIDE_OF_LAYERS: 5,
        Besides.INTERRUPTIONS: 10,
    }
    assert found.difference_us == 0


def test_a_single_run_counts_and_none_tells_nothing():
    assert of(run(10, kernel("a", 0, 8))).total_us == 10
    assert times([kernel("a", 0, 8)]) is None


def test_kernels_within_a_loop_are_in_the_loops():
    body = [
        kernel("inner", 3, 4),
        kernel("inner", 8, 4),
        kernel("loop", 1, 15, "Loop"),
        kernel("next", 16, 2),
    ]
    assert [(one.name, one.time_us) for one in of(run(20, *body)).layers] == [("loop", 15), ("next", 2)]


def test_runs_of_other_kernels_are_left_out_and_told():
    other = run(30, kernel("b", 0, 20))
    found = of(run(99), run(20, kernel("a", 0, 10)), other, run(22, kernel("a", 0, 12)))
    assert [(one.name, one.time_us) for one in found.layers] == [("a", 10)]
    assert not found.complete


def test_two_nodes_of_one_name_are_two_layers():
    found = of(run(20, kernel("", 0, 5), kernel("", 6, 7)))
    assert [one.time_us for one in found.layers] == [5, 7]


@pytest.mark.parametrize("text", ["", "null", "7", '{"traceEvents": []}', "Segmentation fault"])
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(ValueError, match=r"Expecting|array of events"):
        read_runs(text)


@given(st.integers(0, len(REAL)))
def test_a_profile_that_is_cut_has_the_runs_before_the_cut(length):
    cut = REAL[:length]
    if "\n" not in cut:
        with pytest.raises(ValueError, match="Expecting"):
            read_runs(cut)
        return
    # The last line may lack what ends it.
    assert cut.rpartition("\n")[0].count('"model_run"') <= len(found := read_runs(cut))
    assert found == read_runs(REAL)[: len(found)]


NUMBERS = st.integers(0, 10**6) | st.floats(allow_nan=True) | st.none() | st.text() | st.booleans()
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "cat": st.sampled_from(["Node", "Session", "Kernel"]),
            "name": st.sampled_from(
                ["model_run", "a_kernel_time", "b_kernel_time", "_kernel_time", "a_fence_before"]
            ),
            "dur": NUMBERS,
            "ts": NUMBERS,
            "args": st.none() | st.dictionaries(st.sampled_from(["op_name", "output_type_shape"]), st.text()),
        }
    )
)


@given(EVENTS)
def test_no_profile_breaks_the_reading_and_every_table_adds_up(events):
    found = times_of(read_runs(json.dumps(events)))
    if found is not None:
        table = table_of(found, NOTHING, None)
        assert table.adds_up
        assert all(math.isfinite(one.time_us) for one in table.layers)


def weight(name, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    return numpy_helper.from_array(values.astype(np.float32), name)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A block with a sum, pooling and a classifier; nodes with names, and Relus that may be left out."""
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["c"], name="stem", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="stem_relu"),
        helper.make_node("Conv", ["r", "b"], ["d"], name="body", pads=[1] * 4),
        helper.make_node("Add", ["d", "r"], ["s"], name="sum"),
        helper.make_node("Relu", ["s"], ["t"], name="sum_relu"),
        helper.make_node("GlobalAveragePool", ["t"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "h"], ["y"], name="head"),
    ]
    weights = [weight("a", 16, 3, 3, 3), weight("b", 16, 16, 3, 3, seed=1), weight("h", 16, 10, seed=2)]
    values = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s)]
        for n, s in (("x", [1, 3, 8, 8]), ("y", [1, 10]))
    ]
    graph = helper.make_graph(nodes, "g", *values, weights)
    path = tmp_path_factory.mktemp("network") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def sample():
    return np.random.default_rng(7).standard_normal((1, 3, 8, 8)).astype(np.float32)


def profiled(path, model, scratch):
    computed.profiled(path, {"x": sample()}, scratch, of_threads(1))
    return layers_of(scratch, model)


NODES = ["stem", "stem_relu", "body", "sum", "sum_relu", "pool", "flat", "head"]
MACS = {"stem": 16 * 3 * 9 * 64, "body": 16 * 16 * 9 * 64, "head": 160}


def test_optimised_nodes_hold_every_node_of_the_model_once_in_fp32(network, tmp_path):
    found = profiled(network, network, tmp_path)
    assert [name for one in found.layers for name in one.nodes] == NODES
    stem = next(one for one in found.layers if "stem" in one.nodes)
    assert (stem.nodes, stem.graph_macs, stem.join) == (("stem", "stem_relu"), MACS["stem"], Join.FOLLOWS)
    assert {one.join for one in found.layers} <= {Join.NAMED, Join.FOLLOWS, Join.ADDED}
    assert sum(one.graph_macs or 0 for one in found.layers) == sum(MACS.values())
    assert found.adds_up


def test_optimised_nodes_hold_every_node_of_the_model_once_in_int8(network, tmp_path):
    quantised = tmp_path / "int8.onnx"
    quantise.quantise_static(network, quantised, tmp_path, [{"x": sample()}], this_processor()[0])
    found = profiled(quantised, network, tmp_path)
    assert [name for one in found.layers for name in one.nodes] == NODES
    assert {one.join for one in found.layers} <= {Join.NAMED, Join.FOLLOWS, Join.ADDED}
    assert all(not one.nodes for one in found.layers if one.join is Join.ADDED)
    assert sum(one.graph_macs or 0 for one in found.layers) == sum(MACS.values())
    assert found.adds_up


def test_without_the_models_graph_layers_have_no_nodes(network, tmp_path):
    found = profiled(network, tmp_path / "gone.onnx", tmp_path)
    assert {one.join for one in found.layers} == {Join.UNKNOWN}
    assert found.adds_up


NAMINGS = {
    "none": lambda number, operator: "",
    "start_of_others": lambda number, operator: f"n{'_1' * (number % 3)}" if number < 3 else "",
    "tensors_of_others": lambda number, operator: f"t{number + 1}",
    "numbers_of_others": lambda number, operator: f"{operator}_{number + 2}" if number % 2 else "",
}
"""What a node is called by its place: nothing, or what another one is called after. It refuses one name twice."""


def named_badly(path, widths, naming, split):
    """Products and what follows each, of those widths; `split`: both halves of the model read its input."""
    nodes, weights, told = [], [], iter(range(10**6))

    def add(operator, *inputs):
        number = next(told)
        name = NAMINGS[naming](number, operator)
        nodes.append(helper.make_node(operator, [*inputs], [f"t{number}"], name=name))
        return f"t{number}"

    def chain(reads, widths):
        tensor = reads
        for before, after in zip([8, *widths], widths, strict=False):
            weights.append(weight(f"w{len(weights)}", before, after, seed=len(weights)))
            tensor = add(("Tanh", "Softmax")[after % 2], add("MatMul", tensor, weights[-1].name))
        return tensor

    halves = [widths[: len(widths) // 2], widths[len(widths) // 2 :]] if split else [widths]
    ends = [chain("x", half) for half in halves if half]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8])],
        [helper.make_tensor_value_info(end, TensorProto.FLOAT, None) for end in ends],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(2, 9), min_size=1, max_size=6), st.sampled_from(sorted(NAMINGS)), st.booleans())
@example([5, 8, 5, 8], "none", False)
@example([5, 8, 5, 8], "numbers_of_others", True)
@example([2, 2, 2], "start_of_others", False)
def test_nodes_without_a_name_of_their_own_are_joined_by_their_place(tmp_path_factory, widths, naming, split):
    folder = tmp_path_factory.mktemp("bad")
    named_badly(folder / "m.onnx", widths, naming, split)
    computed.profiled(folder / "m.onnx", {"x": np.ones((4, 8), np.float32)}, folder, of_threads(1))
    found = layers_of(folder, folder / "m.onnx").layers
    assert len({name for one in found for name in one.nodes}) == len(found) == 2 * len(widths)
    for one in found:
        assert (len(one.nodes), one.join, one.operators) == (1, Join.NAMED, (one.tool_type,))
        if one.tool_type == "MatMul":
            assert one.graph_macs == math.prod(one.input_shapes[0]) * one.output_shapes[0][-1]


def optimised(*named):
    """A graph of nodes by name and operator, each reading what the one before it writes."""
    nodes = [helper.make_node(op, [f"t{n}"], [f"t{n + 1}"], name=name) for n, (name, op) in enumerate(named)]
    values = [
        helper.make_tensor_value_info(f"t{n}", TensorProto.FLOAT, [1, n + 1]) for n in range(len(nodes) + 1)
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[-1:], value_info=values[1:-1])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def shaped(name, start, operator, *shape):
    told = [{"float": list(shape)}]
    return kernel(name, start, 1, operator, output_type_shape=told, provider="CPUExecutionProvider")


@pytest.mark.parametrize(
    ("kernels", "nodes"),
    [
        ([("Relu_0", "Relu", 2), ("b", "Tanh", 3), ("Relu_7", "Relu", 4)], ["t1", "b", "t3"]),
        # One of two did not run: which one, nothing tells; the one with a name is told by it.
        ([("b", "Tanh", 3), ("Relu_7", "Relu", 4)], ["b", None]),
        # What it wrote is no output of the node whose name it has.
        ([("Relu_0", "Relu", 2), ("b", "Tanh", 9), ("Relu_7", "Relu", 4)], ["t1", None, "t3"]),
        ([("Relu_0", "Relu", 4), ("b", "Tanh", 3), ("Relu_7", "Relu", 2)], [None, "b", None]),
    ],
)
def test_a_kernel_whose_node_is_not_sure_is_joined_to_none(kernels, nodes):
    graph = optimised(("", "Relu"), ("b", "Tanh"), ("", "Relu"))
    ran = [shaped(name, at * 10, operator, 1, width) for at, (name, operator, width) in enumerate(kernels)]
    found = table_of(times(run(100, *ran), run(100, *ran)), graph, node_graph_of(graph.graph)).layers
    assert [next(iter(one.nodes), None) for one in found] == nodes
    assert all(one.join is (Join.NAMED if one.nodes else Join.UNKNOWN) for one in found)
