"""What the real OpenVINO 2026.4.1 and onnxruntime-qnn 2.7.0 wrote."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.openvino.backend import OpenVinoBackend
from npubench.backends.openvino.benchmark_app import (
    Report,
    execution_devices,
    failure_of_run,
    parse_report,
)
from npubench.backends.qnn.backend import QnnBackend, _placement
from npubench.domain.errors import UsageError
from npubench.domain.records import Completed, Failure, FailureClass

DATA = Path(__file__).parents[1] / "data/toolchains"
OPENVINO = """Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted.
Summary:
-- No conversion rule found for operations: {}
"""


def text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def test_the_report_of_benchmark_app_in_microseconds():
    report = parse_report(text("openvino/resnet18.cpu.json"))
    assert report == Report(40, 48660, 50470, 35090, 68780, 531770, 80700, 19.75)


def test_the_devices_that_really_ran():
    assert execution_devices(text("openvino/resnet18.cpu.log")) == ("CPU",)
    assert execution_devices("[ INFO ] Execution Devices:['NPU', 'CPU']\n") == ("NPU", "CPU")
    assert execution_devices("[ INFO ] Count: 40 iterations\n") == ()


def test_a_run_on_a_machine_without_an_npu_is_a_failure():
    done = Completed(("benchmark_app",), 1, text("openvino/no-npu.log"), 3.0)
    failure = failure_of_run(done)
    assert failure.failure_class is FailureClass.TOOL_ERROR
    assert "exit code 1" in failure.message


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (Completed(("b",), 0, "", 60.0, timed_out=True), FailureClass.HANG),
        (Completed(("b",), -6, "terminate called", 1.0), FailureClass.CRASH),
    ],
)
def test_a_run_that_did_not_end_by_itself(done, expected):
    assert failure_of_run(done).failure_class is expected


@pytest.mark.parametrize(
    ("told", "names"), [("Det-13", ("Det",)), ("my.MyOp", ("MyOp",)), ("Det-13, my.MyOp", ("Det", "MyOp"))]
)
def test_operators_that_openvino_cannot_convert(told, names):
    failure = OpenVinoBackend().explain(
        {"type": "OpConversionFailure", "text": OPENVINO.format(told), "traceback": ""}, ""
    )
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == names


def test_a_type_that_a_device_does_not_support_is_told_so():
    told = "Check failed\nCPU plugin does not support f64 for use with oneDNN."
    failure = OpenVinoBackend().explain({"type": "RuntimeError", "text": told, "traceback": ""}, "")
    assert failure.failure_class is FailureClass.UNSUPPORTED_ATTRIBUTE
    assert "does not support f64" in failure.message


@given(st.text())
def test_no_text_breaks_the_parsers(anything):
    assert isinstance(parse_report(anything), (Report, Failure))
    execution_devices(anything)
    OpenVinoBackend().explain({"type": "E", "text": anything, "traceback": ""}, "")
    QnnBackend().explain({"type": "E", "text": anything, "traceback": "", "operators": []}, anything)


def test_det_is_not_taken_by_the_htp():
    told = (
        "[ONNXRuntimeError] : 1 : FAIL : This session contains graph nodes that are assigned to the default"
        " CPU EP, but fallback to CPU EP has been explicitly disabled by the user."
    )
    failure = QnnBackend().explain({"type": "Fail", "text": told, "traceback": ""}, text("qnn/det.log"))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("Det",)


def test_a_custom_operator_is_named():
    line = next(line for line in text("qnn/myop.log").splitlines() if "MyOp(-1)" in line)
    failure = QnnBackend().explain({"type": "Fail", "text": line, "traceback": ""}, text("qnn/myop.log"))
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == ("MyOp",)


def test_a_graph_of_which_nothing_is_left_is_told():
    failure = QnnBackend().refused(None, None, {"assignment": {}}, "")
    assert failure.failure_class is FailureClass.UNSUPPORTED_ATTRIBUTE
    assert "its outputs are constants" in failure.message
    assert QnnBackend().refused(None, None, {"assignment": {"QNNExecutionProvider": ["Conv"]}}, "") is None


def test_what_the_optimiser_put_in_is_no_operator_of_the_model():
    answer = {"assignment": {"QNNExecutionProvider": ["Conv", "Transpose"], "CPUExecutionProvider": ["TopK"]}}
    assert _placement(answer, ("Conv", "TopK")) == {"Conv": "NPU", "TopK": "CPU"}
    whole = {"assignment": {"QNNExecutionProvider": ["Mul", "Sigmoid"]}}
    assert _placement(whole, ("HardSwish",)) == {"HardSwish": "NPU"}


def test_an_architecture_that_there_is_not_is_told():
    with pytest.raises(UsageError, match="not 40"):
        QnnBackend({"htp_arch": "40"}).job(None, None)
    with pytest.raises(UsageError, match="not SM8550"):
        QnnBackend({"soc_model": "SM8550"}).job(None, None)


def test_an_architecture_comes_with_a_chip_unless_another_one_is_named():
    assert QnnBackend({"htp_arch": "75"}).job(None, None) == {"htp_arch": "75", "soc_model": "57"}
    asked = QnnBackend({"htp_arch": "73", "soc_model": "50"}).job(None, None)
    assert asked == {"htp_arch": "73", "soc_model": "50"}


RESULTS = json.loads(text("openvino/resnet18.cpu.json"))["execution_results"]


@given(st.sampled_from(sorted(RESULTS)), st.sampled_from(["0", "0.00", "-1", "nan", "inf", "", "x", "1e999"]))
def test_a_report_with_a_figure_that_cannot_be_is_none(key, value):
    found = parse_report(json.dumps({"execution_results": RESULTS | {key: value}}))
    used = key not in ("read model time (ms)", "total execution time (ms)")
    if used or value in ("", "x"):
        assert isinstance(found, Failure)
        assert found.failure_class is FailureClass.UNPARSED_OUTPUT
    else:
        assert isinstance(found, Report)


@pytest.mark.parametrize(
    ("key", "value"), [("min latency", "50.48"), ("max latency", "50.46"), ("latency (ms)", "90")]
)
def test_a_report_that_contradicts_itself_is_none(key, value):
    assert isinstance(parse_report(json.dumps({"execution_results": RESULTS | {key: value}})), Failure)


@given(st.integers(0, len(text("openvino/resnet18.cpu.json")) - 3))
def test_any_cut_of_a_report_is_none(end):
    assert isinstance(parse_report(text("openvino/resnet18.cpu.json")[:end]), Failure)
