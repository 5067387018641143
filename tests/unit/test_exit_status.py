"""How a program on a board ended, whatever runs it."""

import pytest

from npubench.domain.records import Completed, FailureClass
from npubench.tools.process import classify_run


def ended(code=0, output="", **more):
    return classify_run("runner", Completed(("runner",), code, output, 1.0, **more))


@pytest.mark.parametrize(
    ("code", "failure_class"),
    [
        *((126, FailureClass.TOOL_MISSING), (127, FailureClass.TOOL_MISSING)),
        *((-9, FailureClass.KILLED), (137, FailureClass.KILLED)),
        *((-11, FailureClass.CRASH), (139, FailureClass.CRASH), (143, FailureClass.CRASH)),
        *((192, FailureClass.CRASH), (255, FailureClass.TOOL_ERROR)),
        *((1, FailureClass.TOOL_ERROR), (128, FailureClass.TOOL_ERROR)),
    ],
)
def test_an_exit_code_is_its_class_as_a_signal_of_a_process_or_of_a_shell(code, failure_class):
    assert ended(code, "first\nthe last line\n\n").failure_class is failure_class


def test_what_was_killed_ran_out_of_memory_only_where_something_says_so():
    failure = ended(-9, out_of_memory="oom-kill: runner")
    assert failure.failure_class is FailureClass.OUT_OF_MEMORY
    assert "oom-kill: runner" in failure.message


def test_a_deadline_and_a_cut_output_count_before_the_exit_code():
    assert ended(0, timed_out=True).failure_class is FailureClass.HANG
    assert ended(-9, timed_out=True).failure_class is FailureClass.HANG
    assert ended(0, truncated=True).failure_class is FailureClass.UNPARSED_OUTPUT
    assert ended(0, "anything") is None


def test_the_last_line_is_told():
    assert ended(1, "first\nthe last line\n\n").message == "runner ended with exit code 1: the last line"
    assert "it printed nothing" in ended(1).message
    assert "signal 11: the last line" in ended(139, "the last line").message
