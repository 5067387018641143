from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.isolated.single_times import Call
from npubench.backends.tpu_mlir.bmrt_test import parse_bmrt_test
from npubench.domain.records import Failure, FailureClass

DATA = Path(__file__).parents[1] / "data/board-tools"
GOLDEN = (DATA / "bmrt_test.txt").read_text()
OLDER = (DATA / "bmrt_test.older.txt").read_text()
LINES = GOLDEN.splitlines(keepends=True)
LAUNCHES_US = {6996.0, 6990.0, 7003.0}


def never_wrong(text):
    call = parse_bmrt_test(text, 3)
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert len(call.samples_us) in (1, 3)
    assert set(call.samples_us) <= LAUNCHES_US


def test_every_launch_with_the_shares_of_tpu_and_cpu():
    call = parse_bmrt_test(GOLDEN, 3)
    assert isinstance(call, Call)
    assert call.samples_us == (6996.0, 6990.0, 7003.0)
    assert call.details["net"] == "resnet50-v2"
    assert call.details["npu_us"] == pytest.approx(20404 / 3)
    assert call.details["cpu_us"] == 195
    assert (call.details["launches"], call.details["launches_asked"]) == (3, 3)


def test_an_older_build_that_wraps_its_line_and_says_normal():
    call = parse_bmrt_test(OLDER, 1)
    assert isinstance(call, Call)
    assert call.samples_us == (6996.0,)
    assert (call.details["npu_us"], call.details["normal_us"]) == (6801, 195)


def test_one_line_for_several_launches_is_one_time():
    call = parse_bmrt_test(OLDER, 50)
    assert (len(call.samples_us), call.details["launches_asked"]) == (1, 50)
    assert isinstance(parse_bmrt_test(OLDER.partition("INFO:load")[0], 50), Failure)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("launch total time is 6990 us", "launch total time is 0 us"),
        ("launch total time is 6990 us", "launch total time is 699 us"),
        ("launch total time is 6990 us (npu 6798 us, cpu 192 us)", "launch total time is 6990 us (npu"),
        ("calculate  time(s): 0.006998", "calculate  time(s): 0.000000"),
        ("stage[0], launch total time is 6990 us", "stage[1], launch total time is 6990 us"),
        (LINES[1], ""),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    found = parse_bmrt_test(GOLDEN.replace(old, new), 3)
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


def test_a_model_that_ran_on_the_cpu_is_no_result():
    line = "[BMRT][bmrt_test:1] INFO:net[a] stage[0], launch total time is 90 us (npu 0 us, cpu 90 us)\n"
    found = parse_bmrt_test(line, 1)
    assert found.failure_class is FailureClass.TOOL_ERROR
    assert "CPU" in found.message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[BMRT][check:9] INFO:+++ The network[a] stage[0] cmp failed +++\n", FailureClass.OUTPUT_MISMATCH),
        ("[BMRT][load:7] ERROR:no context\n", FailureClass.TOOL_ERROR),
        ("[BMRT][load:7] FATAL:no context\n", FailureClass.TOOL_ERROR),
    ],
)
def test_what_the_tool_itself_calls_a_failure_is_one(line, expected):
    assert parse_bmrt_test(GOLDEN + line, 3).failure_class is expected


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.integers(0, len(OLDER)))
def test_any_cut_of_a_wrapped_line(end):
    never_wrong(OLDER[:end])


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_bmrt_test(text, 1), Failure)
