"""Failure classes of builds and of runs on the board."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.axera import toolchain
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.tools.logs import short_lines
from npubench.tools.process import classify_run

DATA = Path(__file__).parents[1] / "data" / "axera"
CODES = st.integers(-64, 255)


def build(output="", code=1, timed_out=False, argv=("pulsar", "build")):
    return toolchain.failed_build("pulsar", Completed(argv, code, output, 1.0, timed_out))


def on_board(output="", code=0, **changes):
    return classify_run(
        "run_joint",
        Completed(("run_joint",), code, output, 1.0, **changes),
        toolchain.explain_run,
        short_lines,
    )


@pytest.mark.parametrize(
    ("name", "operator"),
    [("missing_operator.log", "TopK"), ("missing_operator_pulsar2.log", "GatherElements")],
)
def test_a_missing_operator_is_named(name, operator):
    failure = build((DATA / name).read_text())
    assert failure.failure_class is FailureClass.UNSUPPORTED_OPERATOR
    assert failure.operators == (operator,)
    assert failure.stage is Stage.COMPILE


def test_a_custom_operator_keeps_its_domain():
    text = "AttributeError: module 'neuwizard.operators' has no attribute 'mmdeploy.TRTBatchedNMS'\n"
    assert build(text).operators == ("mmdeploy.TRTBatchedNMS",)


def test_a_name_that_is_cut_is_no_operator():
    assert toolchain.unsupported_operators("module 'neuwizard.operators' has no attribute 'onnx.To") == ()


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("neuwizard killed by SIGKILL\n", 1, FailureClass.KILLED),
        ("", -9, FailureClass.KILLED),
        ("", 137, FailureClass.KILLED),
        ("MemoryError\n", 1, FailureClass.OUT_OF_MEMORY),
        ("AssertionError: pads must be symmetric\n", 1, FailureClass.UNSUPPORTED_ATTRIBUTE),
        ("RuntimeError: kernel_shape exceeds 18\n", 1, FailureClass.UNSUPPORTED_ATTRIBUTE),
        ("ZeroDivisionError: division by zero\n", 1, FailureClass.CRASH),
        ("TypeError: 'NoneType' object is not iterable\n", 1, FailureClass.CRASH),
        ("", -11, FailureClass.CRASH),
        ("Segmentation fault (core dumped)\n", 139, FailureClass.CRASH),
        ("pulsar: command not found\n", 127, FailureClass.TOOL_MISSING),
        ("something\n", 3, FailureClass.CRASH),
    ],
)
def test_a_build_that_ended_badly(output, code, expected):
    assert build(output, code).failure_class is expected


def test_a_build_that_was_stopped_hung_whatever_it_printed():
    assert build("neuwizard killed by SIGKILL\n", -9, timed_out=True).failure_class is FailureClass.HANG


def test_a_build_that_ended_well_has_not_failed_yet():
    assert build("AssertionError: anything\n", 0) is None
    assert toolchain.no_artifact("pulsar", "done\n", "x.joint").failure_class is FailureClass.NO_ARTIFACT
    oom = toolchain.no_artifact("pulsar", "neuwizard killed by SIGKILL\n", "x.joint")
    assert oom.failure_class is FailureClass.KILLED


def test_a_container_that_does_not_start_is_a_missing_tool():
    failure = build("Cannot connect to the Docker daemon\n", 125, argv=("docker", "run"))
    assert failure.failure_class is FailureClass.TOOL_MISSING
    assert build("", 125).failure_class is FailureClass.CRASH


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("Run task took 5415 us (99 rounds for average)\n", 1, FailureClass.TOOL_ERROR),
        ("read file /x.joint failed\n", 1, FailureClass.TOOL_ERROR),
        ("allocate CMM memory failed, size 5\n", 1, FailureClass.OUT_OF_DEVICE_MEMORY),
        ("unknown npu mode 3_1\n", 1, FailureClass.WRONG_NPU_MODE),
        ("init failed: virtual npu mode does not match\n", 1, FailureClass.WRONG_NPU_MODE),
        (
            "virtual npu disable!\n\nrun_joint: run_joint.cpp:540: int main(int, char**): Assertion"
            " `AX_JOINT_Adv_Init(&attr) == AX_ERR_NPU_JOINT_SUCCESS' failed.\n",
            134,
            FailureClass.WRONG_NPU_MODE,
        ),
        ("", 134, FailureClass.CRASH),
        ("", -11, FailureClass.CRASH),
        ("", 137, FailureClass.KILLED),
        ("sh: run_joint: not found\n", 127, FailureClass.TOOL_MISSING),
    ],
)
def test_a_run_that_ended_badly(output, code, expected):
    failure = on_board(output, code)
    assert failure.failure_class is expected
    assert failure.stage is Stage.MEASURE


def test_an_unknown_cmm_usage_is_harmless():
    assert toolchain.explain_run("run_joint", "Get CMM usage failed\n") is None


def test_a_run_that_hung_or_flooded():
    assert on_board(timed_out=True).failure_class is FailureClass.HANG
    assert on_board("x", truncated=True).failure_class is FailureClass.UNPARSED_OUTPUT
    assert on_board("fine\n") is None


@given(st.text(), CODES)
def test_any_bad_end_is_a_failure_of_one_line(output, code):
    for failure in (build(output, code), on_board(output, code)):
        assert (failure is None) == (code == 0)
        assert failure is None or (isinstance(failure, Failure) and len(failure.message.splitlines()) == 1)


def test_a_line_of_megabytes_is_searched_quickly():
    assert on_board("alloc " * 700_000, 1).failure_class is FailureClass.TOOL_ERROR
    assert build("Unsupported A." * 300_000, 1).failure_class is FailureClass.CRASH
