"""Newer output of Pulsar 2's tools: build logs with subgraphs, precision tables, timelines, pulsar2 run."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from npubench.backends.axera import (
    job_files,
    pulsar2,
    pulsar2_analyses,
    pulsar2_log,
    pulsar2_run,
)
from npubench.backends.axera.base import Work
from npubench.backends.axera.pulsar2 import Pulsar2Backend
from npubench.backends.axera.pulsar2_log import parse_build_log
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Completed,
    Failure,
    FailureClass,
    Figures,
    Kind,
    NoAccuracy,
)
from npubench.domain.specs import (
    CalibrationSpec,
    Precision,
    Preprocessing,
    Target,
    TensorSpec,
    TimingProtocol,
)
from npubench.measure.outputs import accuracy_of
from npubench.storage.hashing import sha256_of_file
from npubench.tools.logs import DamagedError
from tests.fakes import FakeSession, model

DATA = Path(__file__).parents[1] / "data" / "axera"
LOG = (DATA / "pulsar2_build_4.log").read_text()
OLD = (DATA / "pulsar2_build.log").read_text()
TRACE = (DATA / "trace.json").read_text()
TABLE = LOG[LOG.index("                        Quant Precision") : LOG.index("2025-05-06 10:14:19.001")]


def table(text):
    return pulsar2_analyses.tables(text.split("\n"))


def test_groups_and_npu_subgraphs_add_up():
    figures = parse_build_log(LOG)
    assert figures.tool_macs == 302_000_000
    assert figures.details["max_cycle"] == 460_000
    assert figures.details["mcode_bytes"] is None
    assert figures.details["subgraphs"] == 3
    assert figures.latency_us is None
    placed = figures.details["placement_of_subgraphs"]
    assert [(one["target"], one["max_cycle"]) for one in placed] == [
        ("NPU", 450_182),
        ("CPU", None),
        ("NPU", 9_818),
    ]


def test_a_declared_clock_makes_a_bound_of_what_leaves_the_cpu_out():
    figures = parse_build_log(LOG, 800.0)
    assert figures.latency_us.mean == pytest.approx(575)
    assert (figures.bounds.bound, figures.bounds.reason) == (Bound.LOWER, BoundReason.LAYERS_ON_CPU)
    all_npu = parse_build_log(OLD, 800.0)
    assert all_npu.latency_us.mean == pytest.approx(782_940 / 800)
    assert all_npu.bounds is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("group 1 QuantAxModel macs: 1,225,728", "group 1 QuantAxModel macs: 1,225,7"),
        ("subgraph [1], group: 0, type: GraphType.CPU", "subgraph [1], group: 0, type: Graph"),
        ("subgraph [1], group: 0, type: GraphType.CPU", "nothing"),
        ("fuse 3 subgraph(s)", "fuse 5 subgraph(s)"),
        ("max_cycle = 9,818", "max_cycle = 9,81"),
        ("group 1 QuantAxModel", "group 0 QuantAxModel"),
    ],
)
def test_a_log_that_contradicts_itself_is_no_simulation(old, new):
    assert old in LOG
    found = parse_build_log(LOG.replace(old, new))
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


def test_a_log_that_breaks_off_has_no_sums():
    figures = parse_build_log(LOG[: LOG.index("2025-05-06 10:14:28.942")])
    assert (figures.tool_macs, figures.details["max_cycle"]) == (None, None)
    assert "breaks off" in figures.details["problem"]


def test_cycles_of_subgraphs_compiled_at_once_are_of_none():
    lines = LOG.splitlines(keepends=True)
    begins = next(line for line in lines if "compile npu subgraph [2]" in line)
    first = next(i for i, line in enumerate(lines) if "compile npu subgraph [0]" in line)
    lines.remove(begins)
    lines.insert(first + 1, begins)
    figures = parse_build_log("".join(lines))
    assert figures.details["max_cycle"] == 460_000
    assert {one["max_cycle"] for one in figures.details["placement_of_subgraphs"]} == {None}


def test_cycles_of_several_batch_sizes_are_of_no_inference():
    more = LOG.replace("[subgraph_npu_2] b1", "[subgraph_npu_2] b4")
    figures = parse_build_log(more)
    assert figures.details["max_cycle"] is None
    assert "batch" in figures.details["problem"]


def test_one_count_of_a_group_of_several_subgraphs_is_the_groups():
    log = LOG.replace("group 0 QuantAxModel", "QuantAxModel").replace(", group: 1,", ", group: 0,")
    log = "".join(line for line in log.splitlines(keepends=True) if "group 1 QuantAxModel" not in line)
    assert parse_build_log(log).tool_macs == 300_774_272


@given(st.integers(0, len(LOG)))
def test_a_cut_log_never_has_another_figure(end):
    figures = parse_build_log(LOG[:end])
    if isinstance(figures, Failure):
        return
    assert figures.tool_macs in (None, 302_000_000)
    assert figures.details["max_cycle"] in (None, 460_000)
    assert figures.accuracy is None or figures.accuracy.cosine in (0.9899, 0.9999)


def test_the_worst_output_is_the_networks_accuracy():
    figures = parse_build_log(LOG)
    assert figures.accuracy.cosine == 0.9899
    assert figures.details["cosine_of_outputs"] == {"scores": 0.9899, "boxes": 0.9999}
    (precision,) = figures.details["precision"]
    assert (precision["method"], precision["mode"]) == ("EndToEnd", "Reference")
    first, scores, boxes = precision["layers"]
    assert (first["layer"], first["type"], first["cosine"], first["mse"]) == (
        "Conv_0",
        "AxQuantizedConv",
        0.99993,
        0.00003,
    )
    assert scores["layer"] == "scores_Dequ…"
    assert boxes["mse"] == 1e-05


def test_a_per_layer_table_says_that_it_leaves_out_what_came_before():
    figures = parse_build_log(LOG.replace("EndToEnd", "PerLayer"))
    assert figures.accuracy.cosine == 0.9899
    assert "errors of the layers before are not in it" in figures.details["accuracy_from"]


def test_an_end_to_end_table_is_preferred():
    other = TABLE.replace("EndToEnd", "PerLayer").replace("0.98990", "0.99999")
    for both in (TABLE + other, other + TABLE):
        found = pulsar2_analyses.with_accuracy(Figures(Kind.SIMULATED), table(both), ("scores", "boxes"))
        assert found.accuracy.cosine == 0.9899


def test_older_columns_in_another_order():
    text = """
    Quant Precision Table 【PerLayer Reference】
    ┏━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┓
    ┃ Operator ┃ Type            ┃ Output Tensor ┃ Data Type ┃ Shape             ┃ Cosin Distance     ┃
    ┡━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━┩
    │ Conv_0   │ AxQuantizedConv │ 474           │ FP32      │ (1, 32, 112, 112) │ 0.999932050704956  │
    ├──────────┼─────────────────┼───────────────┼───────────┼───────────────────┼────────────────────┤
    │ Gemm_9   │ AxQuantizedConv │ output        │ FP32      │ (1, 1000)         │ 0.9994480609893799 │
    └──────────┴─────────────────┴───────────────┴───────────┴───────────────────┴────────────────────┘
"""
    (found,) = table(text)
    assert [one.cosine for one in found.layers] == [0.999932050704956, 0.9994480609893799]
    figures = pulsar2_analyses.with_accuracy(Figures(Kind.SIMULATED), (found,))
    assert figures.accuracy.cosine == 0.9994480609893799


def test_rows_wrapped_at_a_narrow_terminal():
    text = """
  Quant Precision Table【EndToEnd NPUBackend】
┏━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━┳━━━━━━━┓
┃          ┃        ┃ Output ┃          ┃       ┃
┃ Operator ┃ Type   ┃ Tensor ┃ Shape    ┃ Cosin ┃
┡━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━╇━━━━━━━┩
│ Conv_0   │ AxQua… │ 474    │ (1, 32,  │ 0.99… │
│          │        │        │ 112, 112)│       │
├──────────┼────────┼────────┼──────────┼───────┤
│ Gemm_9   │ AxQua… │ out    │ (1, 10)  │ 0.987 │
└──────────┴────────┴────────┴──────────┴───────┘
"""
    (found,) = table(text)
    conv, gemm = found.layers
    assert (conv.shape, conv.cosine) == ("(1, 32, 112, 112)", None)
    assert gemm.cosine == 0.987
    assert (found.method, found.mode) == ("EndToEnd", "NPUBackend")
    of_cut = pulsar2_analyses.with_accuracy(Figures(Kind.SIMULATED), (found,), ("474",))
    assert (of_cut.accuracy, of_cut.no_accuracy) == (None, NoAccuracy.NOT_COMPARED)
    assert "no whole cosine of output 474" in str(of_cut.no_accuracy_why)


def test_an_output_without_a_row_or_a_finite_cosine_has_no_accuracy():
    for text, outputs, why in (
        (TABLE, ("scores", "masks"), "masks"),
        (TABLE.replace("0.98990", "nan    "), ("scores", "boxes"), "no finite cosine of output scores"),
    ):
        figures = pulsar2_analyses.with_accuracy(Figures(Kind.SIMULATED), table(text), outputs)
        assert figures.accuracy is None
        assert why in str(figures.no_accuracy_why)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.98990", "1.98990"),
        ("0.98990", "0.9x990"),
        ("0.00173", "-0.0017"),
        ("│ scores ", "  scores "),
        ("└", "x"),
    ],
)
def test_a_damaged_table_is_none(old, new):
    assert old in TABLE
    with pytest.raises(DamagedError):
        table(TABLE.replace(old, new))
    figures = parse_build_log(LOG.replace(TABLE, TABLE.replace(old, new)))
    assert figures.accuracy is None
    assert figures.details["precision_problem"]
    assert figures.tool_macs == 302_000_000


@given(st.integers(0, len(TABLE) - 2))
def test_a_cut_table_is_no_table(end):
    try:
        found = table(TABLE[:end])
    except DamagedError:
        return
    assert found in ((), table(TABLE))


def test_time_by_layer_and_unit():
    trace = pulsar2_analyses.parse_trace(TRACE)
    assert trace.span_us == 100
    units = {one.unit: (one.busy_us, one.idle_us) for one in trace.units}
    assert units == {
        "conv0": (40, 60),
        "conv1": (50, 50),
        "cv0": (10, 90),
        "sdma0": (20, 80),
        "teng0": (20, 80),
    }
    layers = {one.layer: one for one in trace.layers}
    assert list(layers) == ["Conv_0", "/head/Softmax_output_0", "out"]
    assert layers["Conv_0"].time_us == 65
    assert layers["Conv_0"].busy_us == {"sdma0": 15, "conv0": 40, "conv1": 50}
    assert layers["/head/Softmax_output_0"].ddr_swap_us == 25
    assert (trace.ddr_swap_out_us, trace.ddr_swap_in_us, trace.ddr_swap_tasks) == (20, 5, 2)


def test_tasks_of_a_unit_that_overlap_count_once():
    events = [{"ph": "X", "tid": 3, "name": f"c_0_{i}", "ts": i, "dur": 4} for i in range(3)]
    names = [{"ph": "M", "name": "thread_name", "tid": 3, "args": {"name": "conv"}}]
    (unit,) = pulsar2_analyses.parse_trace(json.dumps(events + names)).units
    assert (unit.unit, unit.busy_us, unit.idle_us) == ("conv", 6, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"dur": 40.0', '"dur": -40.0'),
        ('"dur": 40.0', '"dur": "40"'),
        ('"dur": 40.0', '"dur": NaN'),
        ('"ts": 15.0', '"ts": true'),
        ('"ts": 15.0', '"ts": 1e300'),
        ('"ph": "X"', '"ph": "B"'),
        ('"traceEvents"', '"events"'),
    ],
)
def test_a_doubtful_timeline_is_none(old, new):
    compact = json.dumps(json.loads(TRACE))
    assert old in compact
    assert isinstance(pulsar2_analyses.parse_trace(compact.replace(old, new)), Failure)


@given(st.integers(0, len(TRACE.rstrip()) - 1))
def test_a_cut_timeline_is_none(end):
    assert isinstance(pulsar2_analyses.parse_trace(TRACE[:end]), Failure)


def with_trace(max_cycle, clock=None):
    subgraphs = [{"subgraph": 0, "group": 0, "target": "NPU", "max_cycle": max_cycle}]
    told = Figures(Kind.SIMULATED, details={"max_cycle": max_cycle, "placement_of_subgraphs": subgraphs})
    trace = pulsar2_analyses.parse_trace(TRACE)
    return pulsar2_log.with_traces(told, {"subgraph_npu_0": trace}, clock)


def test_a_timeline_in_cycles_is_no_time_without_a_clock():
    figures = with_trace(100_010)
    assert figures.latency_us is None
    timeline = figures.details["timelines"]["subgraph_npu_0"]
    assert (timeline["span_cycles"], timeline["ddr_swap_in_cycles"]) == (100_000, 5_000)
    assert timeline["layers"][0]["time_cycles"] == 65_000


def test_a_timeline_of_another_length_than_the_cycles_is_in_microseconds():
    figures = with_trace(62_400)
    assert figures.latency_us.mean == 100
    assert "timeline" in figures.statistic
    assert figures.details["timelines"]["subgraph_npu_0"]["units"][0] == {
        "unit": "conv0",
        "tasks": 1,
        "busy_us": 40,
        "idle_us": 60,
    }


RUN = """Building native ━━━━ 100% 0:00:00
>>> [0] start
write [a/b:0] to [sim_outputs/0/a_b_0.bin] successfully
>>> [0] finish
2025-03-14 15:00:34.804 | INFO     | yamain.command.run:run:90 - >>> [1] start
2025-03-14 15:00:43.900 | INFO     | yamain.command.run:write_output:55 - write [a/b:0] to [sim_outputs/1/a_b_0.bin] successfully, size: 4000
"""


def test_outputs_that_pulsar2_run_wrote():
    found = pulsar2_run.parse_run(RUN)
    assert found["0"]["a/b:0"]["path"] == "sim_outputs/0/a_b_0.bin"
    assert found["1"]["a/b:0"]["bytes"] == 4000
    assert pulsar2_run.file_name("a/b:0") == "a_b_0.bin"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">>> [0] start\n", ""),
        (">>> [0] finish", ">>> [2] finish"),
        (">>> [1] start", ">>> [0] start"),
        ("] successfully\n", "] successfully?\n"),
    ],
)
def test_a_run_whose_lines_do_not_fit_is_none(old, new):
    assert old in RUN
    assert isinstance(pulsar2_run.parse_run(RUN.replace(old, new)), Failure)


@given(st.integers(0, len(RUN)))
def test_a_cut_run_names_no_other_file(end):
    found = pulsar2_run.parse_run(RUN[:end])
    if not isinstance(found, Failure):
        paths = {w["path"] for outputs in found.values() for w in outputs.values()}
        assert paths <= {"sim_outputs/0/a_b_0.bin", "sim_outputs/1/a_b_0.bin"}


READING = Pulsar2Backend()
RUNNER = (DATA / "axcl_run_model.txt").read_text()


def test_a_log_of_the_build_and_one_of_the_runner():
    (built,) = READING.read_log(LOG)
    assert built.estimate.tool_macs == 302_000_000
    assert (built.figures, built.failure) == (None, None)
    (ran,) = READING.read_log(f"$ axcl_run_model -m yolov8s.axmodel -w 10 -r 800\n{RUNNER}")
    assert ran.name == "yolov8s"
    assert ran.figures.latency_us.p50 == 4449
    assert ran.tools["axclrt"] == "1.0.0"
    (both,) = READING.read_log(LOG + RUNNER)
    assert both.estimate.details["max_cycle"] == 460_000
    assert both.figures.memory_bytes == 11_857_538


def test_a_runner_that_did_other_repeats_than_its_command_asks_for():
    (ran,) = READING.read_log(f"$ axcl_run_model -m yolov8s.axmodel -r 100\n{RUNNER}")
    assert ran.figures is None
    assert ran.failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_several_calls_in_one_file_are_of_their_models():
    other = RUNNER.replace("yolov8s", "yolov5s").replace("avg =   4.406", "avg =   4.306")
    again = RUNNER.replace("avg =   4.406", "avg =   4.606")
    shell = "$ axcl_run_model -m {}.axmodel -r {}\n"
    text = "".join(
        [
            shell.format("yolov8s", 800),
            RUNNER,
            shell.format("yolov5s", 800),
            other,
            shell.format("x", 800),
            again,
        ]
    )
    first, second = READING.read_log(text)
    assert (first.name, first.figures.latency_us.n, first.figures.latency_us.mean) == ("yolov8s", 1600, 4506)
    assert (second.name, second.figures.latency_us.mean) == ("yolov5s", 4306)
    wrong = READING.read_log(text.replace("yolov5s.axmodel -r 800", "yolov5s.axmodel -r 100"))
    assert [one.figures is None for one in wrong] == [False, True]


@pytest.mark.parametrize("kind", ["compile_ptq_model", "compile_npu_subgraph"])
def test_logs_of_the_versions_in_between(kind):
    text = f"""2024-09-25 11:45:34.159 | INFO     | yamain.command.build:{kind}:1060 - QuantAxModel macs: 280,262,480
2024-09-25 11:45:34.169 | INFO     | yamain.command.build:compile_ptq_model:1132 - subgraph [0], group: 0, type: GraphType.NPU
2024-09-25 11:45:34.187 | INFO     | yasched.test_onepass:test_onepass_ir:3221 - schedule npu subgraph [0]
<frozen backend.ax650npu.oprimpl.normalize>:186: RuntimeWarning: divide by zero encountered in divide
2024-09-25 11:45:36.467 | INFO     | yasched.test_onepass:results2model:2541 - clear job deps
2024-09-25 11:45:36.467 | INFO     | yasched.test_onepass:results2model:2542 - max_cycle = 450,154
2024-09-25 11:45:36.796 | INFO     | yamain.command.build:compile_npu_subgraph:1332 - assembel model [subgraph_npu_0]
2024-09-25 11:45:38.075 | INFO     | yamain.command.build:compile_ptq_model:1142 - fuse 1 subgraph(s)
"""
    figures = parse_build_log(text)
    assert (figures.tool_macs, figures.details["max_cycle"]) == (280_262_480, 450_154)
    assert figures.placement == {"subgraph 0": "NPU"}
    (case,) = READING.read_log(text.rstrip("\n"))
    assert case.estimate.tool_macs == 280_262_480


def test_a_table_and_a_timeline_alone():
    (precision,) = READING.read_log(TABLE)
    assert precision.estimate.accuracy.cosine == 0.9999
    (timeline,) = READING.read_log(TRACE)
    assert timeline.estimate.latency_us.mean == 100
    assert "subgraph_npu_0" in timeline.estimate.details["timelines"]
    (unnamed,) = READING.read_log(TRACE.replace('"ph": "X",\n', ""))
    assert unnamed.estimate == timeline.estimate
    assert READING.read_log('{"ph": 1, "ts": 2}\n') == ()


@pytest.mark.parametrize("indent", ["", "    "])
def test_a_log_of_the_simulation_tells_what_it_wrote_and_no_accuracy(indent):
    command = "$ pulsar2 run --model models/net.axmodel --input_dir a --output_dir b --list l.txt\n"
    for text in (RUN, RUN.replace("2025-03-14 15:00:34.804 | INFO     | yamain.command.run:run:90 - ", "")):
        (case,) = READING.read_log(command + text.replace("\n", f"\n{indent}"))
        assert (case.name, case.figures, case.failure) == ("net", None, None)
        written = case.estimate.details["simulated_run"]
        assert written["1"] == {"a/b:0": {"path": "sim_outputs/1/a_b_0.bin", "bytes": 4000}}
        assert "problem" not in case.estimate.details
        assert case.estimate.no_accuracy is NoAccuracy.NOT_COMPARED
    (both,) = READING.read_log(LOG + RUN)
    assert (both.estimate.tool_macs, both.estimate.accuracy.cosine) == (302_000_000, 0.9899)
    assert both.estimate.details["simulated_run"].keys() == {"0", "1"}
    (damaged,) = READING.read_log(RUN.replace(">>> [0] finish", ">>> [2] finish"))
    assert damaged.warnings


def test_a_last_line_that_shows_its_end_is_whole():
    for text, macs in ((LOG, 302_000_000), (OLD, 280_262_480)):
        figures = parse_build_log(text.rstrip("\n"))
        assert figures == parse_build_log(text)
        assert figures.tool_macs == macs


def test_a_build_that_failed_after_its_subgraphs_were_listed():
    begun = LOG[: LOG.index("2025-05-06 10:14:25.871")]
    said = "AssertionError: AxQuantizedSin dont support\n"
    (failed,) = READING.read_log(f"{begun}Traceback (most recent call last):\n{said}")
    assert failed.failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failed.failure.operators == ("Sin",)


def test_a_build_that_failed_and_what_is_no_log():
    (failed,) = READING.read_log((DATA / "missing_operator_pulsar2.log").read_text())
    assert failed.failure.operators == ("GatherElements",)
    assert READING.read_log("a shopping list\n") == ()
    assert READING.read_log('{"a": 1}\n') == ()


def test_all_npu_subgraphs_place_the_models_operators_and_a_mixed_model_is_not_guessed():
    mixed = parse_build_log(LOG).placement
    assert mixed == {"subgraph 0": "NPU", "subgraph 1": "CPU", "subgraph 2": "NPU"}
    assert pulsar2_log.by_operator(mixed, ("Conv", "Relu")) == mixed
    npu = dict.fromkeys(mixed, "NPU")
    assert pulsar2_log.by_operator(npu, ("Conv", "Relu")) == {"Conv": "NPU", "Relu": "NPU"}
    assert pulsar2_log.by_operator({}, ("Conv",)) == {}


OPTIONS = {"runner": "axcl_run_model", "card": 1, "precision_analysis": True, "npu_perf": True}
PICTURE = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "bgr")


@pytest.fixture
def relu(tmp_path):
    """A model of two outputs, one of them with a name that its file cannot have."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["a/y"]), helper.make_node("Neg", ["x"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 5])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 4, 5]) for name in ("a/y", "z")],
    )
    file = tmp_path / "relu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    tensors = {name: TensorSpec(name, (1, 3, 4, 5)) for name in ("x", "a/y", "z")}
    return replace(model(file), inputs=(tensors["x"],), outputs=(tensors["a/y"], tensors["z"]))


def target(**options):
    return Target("AX8850", Precision.INT8, options, CalibrationSpec(samples=2), 60.0)


class Bench:
    """Writes what `outputs` makes of each sample's input, as `pulsar2 run` would."""

    def __init__(self, workdir, outputs, text=None):
        self.workdir, self.outputs, self.text = workdir, outputs, text

    def collect(self):
        pass

    def run(self, argv, timeout_s, log):
        assert argv[1:4] == ["run", "--model", "m.axmodel"]
        said = []
        for sample in (self.workdir / "sim_list.txt").read_text().split():
            x = np.fromfile(self.workdir / "sim_inputs" / sample / "x.bin", self.outputs.dtype)
            said.append(f">>> [{sample}] start\n")
            for name, file, value in self.outputs(x):
                path = self.workdir / "sim_outputs" / sample / file
                value.astype(np.float32).tofile(path)
                said.append(f"write [{name}] to [{path}] successfully\n")
            said.append(f">>> [{sample}] finish\n")
        return Completed(tuple(argv), 0, self.text or "".join(said), 0.0)


def simulated(relu, tmp_path, outputs, pictures=False, text=None):
    workdir = tmp_path / "work"
    workdir.mkdir()
    assert pulsar2_run.lay_out(relu, target(), pictures, workdir) is None
    argv = pulsar2_run.run_argv("pulsar2", "m.axmodel")
    bench = Bench(workdir, outputs, text)
    said = pulsar2_run.simulate(argv, Work(relu, workdir, bench, time.monotonic() + 60, tmp_path / "log"))
    return said, accuracy_of(pulsar2_run.answer_of([workdir / pulsar2_run.ANSWER] if said == "done" else []))


def of_floats(x):
    return [("a/y", "a_y.bin", np.maximum(x, 0)), ("z", "z.bin", -x + 0.25)]


def of_pictures(x):
    """From uint8 height x width x colour, as the compiled model takes it."""
    own = (x.reshape(1, 4, 5, 3).astype(np.float64) - PICTURE.mean) / PICTURE.std
    floats = own.transpose(0, 3, 1, 2)
    return [("a/y", "a_y.bin", np.maximum(floats, 0)), ("z", "z.bin", -floats)]


of_floats.dtype, of_pictures.dtype = np.float32, np.uint8


def test_outputs_of_pulsar2_run_against_fp32(relu, tmp_path):
    said, accuracy = simulated(relu, tmp_path, of_floats)
    assert said == "done"
    assert accuracy.max_abs == pytest.approx(0.25, abs=1e-6)
    assert 0.9 < accuracy.cosine < 0.99999
    assert accuracy.samples == 2


def test_pictures_are_the_same_for_both(relu, tmp_path):
    said, accuracy = simulated(replace(relu, preprocessing=PICTURE), tmp_path, of_pictures, pictures=True)
    assert said == "done"
    assert accuracy.max_abs < 1e-5


def test_an_output_that_was_not_written_is_not_compared(relu, tmp_path):
    said, accuracy = simulated(relu, tmp_path, of_floats, text=">>> [0] start\n>>> [0] finish\n")
    assert (said, accuracy) == ("wrote no output a/y of sample 0", None)


def test_two_tensors_with_one_file_name_are_not_run(relu, tmp_path):
    twins = replace(relu, outputs=(TensorSpec("a/b", (1,)), TensorSpec("a:b", (1,))))
    assert "one file name" in pulsar2_run.lay_out(twins, target(), False, tmp_path)


def test_options_of_a_card(relu, tmp_path):
    chosen = Pulsar2Backend().settings(OPTIONS, "AX8850")
    assert (chosen.target_hardware, chosen.runner_path) == ("AX650", "/usr/bin/axcl/axcl_run_model")
    assert chosen.precision_analysis == "Reference"
    kept = {"runner_path": chosen.runner_path, "card": chosen.card}
    assert pulsar2.runner_argv(kept, "/b/m.axmodel", 10, 64) == [
        *("/usr/bin/axcl/axcl_run_model", "-m", "/b/m.axmodel", "-w", "10", "-r", "64", "-d", "1")
    ]
    assert "--compiler.npu_perf" in Pulsar2Backend().build_argv(relu, chosen)
    plain = Pulsar2Backend().settings({}, "AX615")
    assert (plain.target_hardware, plain.runner_path) == ("AX615", "/opt/bin/ax_run_model")
    assert "--compiler.npu_perf" not in Pulsar2Backend().build_argv(relu, plain)


@pytest.mark.parametrize(
    "options",
    [
        {"runner": "run_joint"},
        {"card": 0},
        {"runner": "axcl_run_model", "card": -1},
        {"runner": "axcl_run_model", "card": True},
        {"precision_analysis": "reference"},
        {"npu_perf": "yes"},
        {"npu_clock_mhz": 0},
        {"simulate": 1},
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options):
    with pytest.raises(UsageError, match=r"backend_options\.\w+ "):
        Pulsar2Backend().settings(options, "AX650N")


def test_the_runner_that_a_board_is_asked_for():
    card = Pulsar2Backend({"runner": "axcl_run_model", "axcl_run_model": "/opt/axcl_run_model"})
    assert card.runner() == ("axcl_run_model", ("/opt/axcl_run_model",))
    assert Pulsar2Backend().runner() == ("ax_run_model", ("/opt/bin/ax_run_model",))
    with pytest.raises(UsageError, match="card"):
        Pulsar2Backend({"card": 1}).check("AX650N")


def test_a_chip_that_the_toolchain_is_not_known_to_name():
    with pytest.raises(UsageError, match=r"not AX8860: set backend_options\.target_hardware"):
        Pulsar2Backend().settings({}, "AX8860")


def test_the_analysis_asked_for_is_the_networks(relu):
    calibration = job_files.Calibration({"x": "c.tar"}, 2, False, None)
    text = job_files.pulsar2_config(relu, calibration, "NPU1", "NPUBackend")
    quant = json.loads(text)["quant"]
    assert (quant["precision_analysis"], quant["precision_analysis_mode"]) == (True, "NPUBackend")
    assert quant["precision_analysis_method"] == "EndToEnd"
    off = json.loads(job_files.pulsar2_config(relu, calibration, "NPU1"))["quant"]
    assert off["precision_analysis"] is False
    assert "precision_analysis_method" not in off


def test_the_estimate_of_an_artifact_has_all_of_it(relu, tmp_path):
    folder = tmp_path / "output/compiler/debug/subgraph_npu_0/b1"
    folder.mkdir(parents=True)
    (folder / "trace.json").write_text(TRACE)
    (tmp_path / "build.log").write_text(OLD.replace("782,940", "100,000"))
    wide = TABLE.replace("scores ", "a/y    ").replace("boxes ", "z     ")
    (tmp_path / "precision_analysis_table.txt").write_text(wide.rstrip("\n"))
    extras = (tmp_path / "build.log", tmp_path / "precision_analysis_table.txt", folder / "trace.json")
    settings = {"npu_mode": "NPU1", "simulated_execution": "failed with exit code 1", "npu_clock_mhz": 800.0}
    made = Artifact(relu.path, "0", 1, "pulsar2", {}, Precision.INT8, relu, settings, extras)
    figures = Pulsar2Backend().estimate(made)
    assert figures.accuracy.cosine == 0.9899
    assert figures.latency_us.mean == 125
    assert figures.details["timelines"]["subgraph_npu_0"]["span_cycles"] == 100_000
    assert figures.details["simulated_execution"] == "failed with exit code 1"
    assert (figures.placement, figures.computed) == ({}, None)
    bare = Pulsar2Backend().estimate(replace(made, extras=extras[:1]))
    assert (bare.accuracy, bare.no_accuracy) == (None, NoAccuracy.NOT_COMPARED)
    assert bare.no_accuracy_why == "pulsar2 run: failed with exit code 1"
    (tmp_path / "build.log").write_text(LOG.replace("GraphType.CPU", "GraphType.NPU"))
    placed = Pulsar2Backend().estimate(made)
    assert placed.placement == {"Relu": "NPU"}
    assert placed.computed.operators.npu == 1


def test_a_model_left_to_the_cpu_is_not_measured(relu, tmp_path):
    lines = LOG.replace("GraphType.NPU", "GraphType.CPU").splitlines(keepends=True)
    on_cpu = [line for line in lines if "max_cycle" not in line and "npu subgraph" not in line]
    (tmp_path / "build.log").write_text("".join(on_cpu))
    made = Artifact(
        relu.path,
        "0",
        1,
        "pulsar2",
        {},
        Precision.INT8,
        relu,
        {"npu_mode": "NPU1"},
        (tmp_path / "build.log",),
    )
    found = Pulsar2Backend().measure(made, None, TimingProtocol(), 1.0, tmp_path / "log")
    assert (found.failure_class, found.operators) == (FailureClass.UNSUPPORTED_OPERATOR, ("Relu",))


@dataclass
class Card(FakeSession):
    """A board that holds the artifact, and prints of another model's run."""

    def run(self, argv, timeout_s, log=None):
        said = f"{sha256_of_file(Path(argv[1]))}  {argv[1]}\n" if argv[0] == "sha256sum" else RUNNER
        return Completed(tuple(argv), 0, said, 0.0)


def test_a_printout_of_another_model_is_of_no_job_of_ours(relu, tmp_path):
    settings = {"npu_mode": "NPU3", "runner": "axcl_run_model", "runner_path": "axcl_run_model"}
    made = Artifact(relu.path, sha256_of_file(relu.path), 1, "pulsar2", {}, Precision.INT8, relu, settings)
    timing = TimingProtocol(warmup=10, repeat=800, rounds=1, min_duration_s=0.0)
    found = Pulsar2Backend().measure(made, Card(), timing, 60.0, tmp_path / "log")
    assert found.failure_class is FailureClass.WRONG_ARTIFACT
    assert "says that it ran yolov8s.axmodel, not this job's relu.onnx" in found.message
