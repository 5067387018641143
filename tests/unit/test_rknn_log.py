"""Logs of the real RKNN-Toolkit2 2.5.0, recorded whole: progress bars and paths apart."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.rknn.backend import RknnBackend
from npubench.backends.rknn.placement import on_cpu, where
from npubench.backends.rknn.table import parse_layers, parse_memory
from npubench.domain.errors import UsageError
from npubench.domain.records import (
    Artifact,
    Bound,
    BoundReason,
    Bounds,
    Failure,
    FailureClass,
    Kind,
    Stage,
)
from npubench.domain.specs import CalibrationSpec, Precision, Target
from tests.fakes import model

LOGS = Path(__file__).parents[1] / "data/toolchains/rknn"
RESNET18 = ("Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Gemm")


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text(encoding="utf-8")


def onnx(tmp_path, operators):
    file = tmp_path / "in.onnx"
    file.write_text("model")
    return replace(model(file), operators=dict.fromkeys(operators, 1))


def estimate(tmp_path, name, operators, **settings):
    (tmp_path / "tool.log").write_text(log(name))
    answer = {"accuracy": {"cosine": 0.999, "psnr_db": 40.0, "max_abs": 0.5, "samples": 4}}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "model.rknn").write_text("artifact")
    extras = (tmp_path / "answer.json", tmp_path / "tool.log")
    artifact = Artifact(
        *(tmp_path / "model.rknn", "sha", 8, "rknn", {}, Precision.INT8, onnx(tmp_path, operators)),
        *(settings, extras),
    )
    return RknnBackend().estimate(artifact)


def placement(tmp_path, name, operators):
    return where(parse_layers(log(name)), onnx(tmp_path, operators))["placement"]


def refused(tmp_path, name, chip, operators):
    target = Target(chip, Precision.INT8, {}, CalibrationSpec(), 10.0)
    return RknnBackend().refused(onnx(tmp_path, operators), target, {}, log(name))


@pytest.mark.parametrize(
    ("chip", "million_cycles"),
    [("rk3588", 3.08), ("rk3562", 6.33), ("rk3566", 6.51), ("rv1106", 6.62), ("rv1103b", 19.44)],
)
def test_total_cycles_of_resnet18_are_those_that_others_found(tmp_path, chip, million_cycles):
    figures = estimate(tmp_path, f"resnet18.{chip}", RESNET18)
    assert figures.kind is Kind.SIMULATED
    assert figures.details["cycles_total"] == pytest.approx(million_cycles * 1e6, rel=0.02)
    assert figures.latency_us is None
    assert "lower bound" in figures.details["cycles"]


def test_a_declared_clock_makes_a_simulated_latency_that_says_what_it_is(tmp_path):
    figures = estimate(tmp_path, "resnet18.rk3588", RESNET18, npu_clock_mhz=1000.0)
    assert figures.kind is Kind.SIMULATED
    assert figures.latency_us.mean == pytest.approx(3077.058)
    assert "declared 1000 MHz, a lower bound" in figures.statistic
    left_out = sum(layer.cycles is None for layer in parse_layers(log("resnet18.rk3588")))
    assert figures.bounds == Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, left_out, 33)


def test_layers_say_where_each_of_them_runs(tmp_path):
    figures = estimate(tmp_path, "softmax.rk3566", ("Softmax",))
    assert [(one.operators, one.unit) for one in figures.placed_layers if "Softmax" in one.operators] == [
        (("Softmax",), "CPU")
    ]
    placed = estimate(tmp_path, "resnet18.rk3588", RESNET18).placed_layers
    # The tool's own Reshape behind the last convolution is none of the model's.
    assert [one.operators for one in placed if one.unit == "CPU"] == [("Reshape",)]
    assert not any("Operator" in name for one in placed for name in one.operators)


def test_a_row_without_cycles_is_unknown_not_zero(tmp_path):
    layers = parse_layers(log("resnet18.rk3588"))
    assert len(layers) == 33
    assert layers[1].cycles == (42447, 1229312, 1229312)
    assert layers[1].rw_bytes == 196 * 1024
    assert layers[2].op_type == "MaxPool"
    assert layers[2].cycles is None


def test_a_column_more_does_not_shift_the_others(tmp_path):
    layers = parse_layers(log("resnet18.rk3576"))
    assert sum(layer.cycles[2] for layer in layers if layer.cycles) == 3832568
    assert layers[0].rw_bytes == 0
    assert [layer.full_name for layer in layers[:2]] == ["InputOperator:input", "Conv:conv_0"]
    assert layers[1].rw_bytes == 159 * 1024


def test_a_row_that_the_compiler_gave_no_name_does_not_end_the_table(tmp_path):
    layers = parse_layers(log("tiled_conv.rk3566"))
    assert [layer.number for layer in layers] == list(range(17))
    assert (layers[1].full_name, layers[1].cycles, layers[1].rw_bytes) == (
        "",
        (20510, 2400, 20510),
        66 * 1024,
    )
    assert placement(tmp_path, "tiled_conv.rk3566", ("Conv",)) == {"Conv": "NPU"}


def test_memory_is_what_the_log_says_or_unknown():
    memory = parse_memory(log("resnet18.rk3588"))
    assert memory.internal_bytes == 1127 * 1024
    assert memory.weight_bytes == round(11533.2 * 1024)
    assert parse_memory("Total of nothing").weight_bytes is None


def test_fused_operators_are_placed_under_their_own_names(tmp_path):
    placed = placement(tmp_path, "resnet18.rk3588", RESNET18)
    assert placed == {"Conv": "NPU", "Relu": "NPU", "MaxPool": "NPU", "Add": "NPU"}


@pytest.mark.parametrize(("name", "operator"), [("softmax.rk3566", "Softmax"), ("argmin.rk3566", "ArgMin")])
def test_an_operator_on_the_cpu_is_placed_there_though_the_tool_returned_0(tmp_path, name, operator):
    assert placement(tmp_path, name, (operator,)) == {operator: "CPU"}
    assert refused(tmp_path, name, "RK3566", (operator,)) is None


def test_a_model_that_the_tool_made_something_else_of_is_placed_by_that(tmp_path):
    placed = {"Transpose": "CPU", "Reshape": "CPU", "exNorm": "NPU", "Add": "NPU"}
    assert placement(tmp_path, "instancenorm.rk3566", ("InstanceNormalization",)) == placed


def test_the_tool_s_own_form_of_an_operator_is_refused_under_the_model_s_name(tmp_path):
    failure = refused(tmp_path, "instancenorm.rv1106", "RV1106", ("InstanceNormalization",))
    assert failure.operators == ("InstanceNormalization",)


def test_a_graph_that_would_be_dynamic_names_what_makes_it_so():
    told = "The input 0 of NonMaxSuppression('chosen') need to be constant! It will cause the graph to be a dynamic graph!"
    said = f"E build: ValueError: {told}\n   Remove NonMaxSuppression('chosen') manually and try again!\n"
    error = {"type": "ValueError", "text": f"Traceback\nValueError: {told}", "traceback": "..."}
    failure = RknnBackend().explain(error, said)
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("NonMaxSuppression",)


def test_a_branch_that_makes_the_graph_dynamic_is_named():
    told = "The If('y') will cause the graph to be a dynamic graph! Remove it manually and try again!"
    error = {"type": "RefusedError", "text": "build returned -1", "traceback": "..."}
    failure = RknnBackend().explain(error, f"E build: {told}\n")
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("If",)


@pytest.mark.parametrize(
    ("operators", "quantise"),
    [(("Conv", "Relu"), True), (("QuantizeLinear", "DequantizeLinear", "Conv"), False)],
)
def test_a_model_that_brings_its_scales_is_not_quantised_again(tmp_path, operators, quantise):
    target = Target("RK3588", Precision.INT8, {}, CalibrationSpec(), 10.0)
    assert RknnBackend().job(onnx(tmp_path, operators), target)["quantise"] is quantise


def test_softmax_on_the_cpu_runs_in_float16():
    (layer,) = [layer for layer in parse_layers(log("softmax.rk3566")) if layer.op_type == "exSoftmax13"]
    assert (layer.target, layer.data_type) == ("CPU", "FLOAT16")


@pytest.mark.parametrize(
    ("name", "operator", "told"),
    [("argmin.rv1106", "ArgMin", "ArgMin"), ("softmax.rv1106", "Softmax", "exDataConvert")],
)
def test_a_chip_without_fallback_refuses_what_lies_on_the_cpu(tmp_path, name, operator, told):
    failure = refused(tmp_path, name, "RV1106", (operator,))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == (told,)
    assert "rv1106 runs nothing on the CPU" in failure.message


def test_all_of_resnet18_runs_on_that_chip(tmp_path):
    assert on_cpu(parse_layers(log("resnet18.rv1106"))) == ()
    assert refused(tmp_path, "resnet18.rv1106", "RV1106", RESNET18) is None


def test_det_is_unsupported_though_the_tool_wrote_a_file_and_returned_0(tmp_path):
    failure = refused(tmp_path, "det.rk3566", "RK3566", ("Det",))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Det",)


def test_a_custom_operator_is_named():
    error = {"type": "ValueError", "text": "Traceback", "traceback": "..."}
    failure = RknnBackend().explain(error, log("myop.rk3566"))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("MyOp",)


def test_a_crash_tells_what_the_tool_complained_of_last():
    crash = Failure(Stage.COMPILE, FailureClass.CRASH, "rknn crashed with SIGABRT while it was at build")
    told = RknnBackend().explain_end(crash, log("resnet18.rk2118"))
    assert told.failure_class is FailureClass.CRASH
    assert "Meet unsupported conv" in told.message


def test_an_exception_whose_text_is_a_traceback_is_told_by_its_end():
    told = (
        "Traceback (most recent call last):\n"
        '  File "rknn/api/rules/conv.py", line 1691, in rknn.api.rules.conv._p_fuse_conv_conv_add\n'
        "TypeError: 'NoneType' object is unsliceable\n"
    )
    said = f"\x1b[1;31mE\x1b[0m \x1b[1;31mbuild: {told}\x1b[0m\n"
    failure = RknnBackend().explain(
        {"type": "ValueError", "text": told, "traceback": told, "step": "build"}, said
    )
    assert failure.message == "RKNN: build: TypeError: 'NoneType' object is unsliceable"
    assert failure.failure_class is FailureClass.TOOL_ERROR


def test_a_log_without_a_table_is_no_success(tmp_path):
    target = Target("RK3588", Precision.INT8, {}, CalibrationSpec(), 10.0)
    failure = RknnBackend().refused(onnx(tmp_path, ("Relu",)), target, {}, "all done\n")
    assert failure.failure_class is FailureClass.UNPARSED_OUTPUT


def test_what_a_board_sets_wrongly_is_told():
    with pytest.raises(UsageError, match=r"backend_options\.clock is unknown"):
        RknnBackend().configured({"clock": 3}, lambda name: None)
    target = Target("RK3588", Precision.INT8, {}, CalibrationSpec(), 10.0)
    with pytest.raises(UsageError, match="must be a number above 0, not 'fast'"):
        RknnBackend({"npu_clock_mhz": "fast"}).job(None, target)
    with pytest.raises(UsageError, match="not pentium"):
        RknnBackend({"platform": "pentium"}).job(None, target)


HEAD = "D RKNN: [00:00:00.000] ID   OpType  DataType Target InputShape OutputShape Cycles(DDR/NPU/Total) RW(KB) FullName"


@given(st.text(), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r")))
def test_no_text_breaks_the_parser(text, row):
    assert parse_layers(text) == () or "FullName" in text
    parse_layers(f"{HEAD}\nD RKNN: [00:00:00.000] {row}\n{text}")
    parse_memory(text)
    RknnBackend().explain({"type": "E", "text": text, "traceback": ""}, text)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.from_regex(r"[A-Za-z]{1,30}", fullmatch=True))
def test_a_row_is_read_back_however_long_its_cells(ddr, total, op):
    row = f"D RKNN: [00:00:00.000] 7 {op} INT8 NPU (1,2),(3) (1) {ddr}/1/{total} 4 Conv:a b  c"
    (layer,) = parse_layers(f"{HEAD}\n{row}\n")
    assert layer.op_type == op
    assert layer.cycles == (ddr, 1, total)
    assert layer.full_name == "Conv:a b  c"
