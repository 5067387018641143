"""What was killed ran out of memory only where something says so; else the next run tries again."""

from dataclasses import replace

import pytest

from npubench.backends.axera import toolchain
from npubench.boards.ssh.facts import evidence
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.tools import board_runner, process

KILLED = Completed(("tool",), -9, "last words\n", 2.0)
OF_ALL = (
    lambda done: process.classify_run("run_joint", done),
    lambda done: process.classify_run("rknn_benchmark", done, board_runner.explain_memory),
    lambda done: toolchain.failed_build("pulsar", done),
)


@pytest.mark.parametrize("failure_of", OF_ALL)
@pytest.mark.parametrize("code", [-9, 137])
def test_sigkill_alone_says_nothing_about_the_case(failure_of, code):
    failure = failure_of(replace(KILLED, returncode=code))
    assert failure.failure_class is FailureClass.KILLED
    assert failure.transient


@pytest.mark.parametrize("failure_of", OF_ALL)
def test_with_evidence_it_ran_out_of_memory(failure_of):
    failure = failure_of(replace(KILLED, out_of_memory="Killed process 7 (tool)"))
    assert failure.failure_class is FailureClass.OUT_OF_MEMORY
    assert "Killed process 7" in failure.message
    assert not failure.transient


def test_the_mode_of_a_board_is_the_boards_trouble_and_that_of_a_file_the_tools():
    assert Failure(Stage.MEASURE, FailureClass.WRONG_NPU_MODE, "").transient
    assert not Failure(Stage.COMPILE, FailureClass.WRONG_NPU_MODE, "").transient


LINE = "[  100.5] Out of memory: Killed process 42 (run_joint) total-vm:1kB\n"


def test_the_kernels_words_of_the_time_of_a_command_are_evidence():
    assert "process 42" in evidence(f"up 101\nkills 3\n{LINE}", 2.0, 3)
    assert "process 42" in evidence(f"up 101\n<3>{LINE}", 2.0, None)
    assert evidence(f"up 900\nkills 3\n{LINE}", 2.0, 3) == ""


def test_a_count_that_grew_is_evidence():
    assert "ended 1 for lack of memory" in evidence("up 900\nkills 4\n", 2.0, 3)
    assert evidence("up 900\nkills 4\n", 2.0, 4) == ""
    assert evidence("up 900\nkills 4\n", 2.0, None) == ""


@pytest.mark.parametrize("garbage", ["", "up\nkills x\n", "[ 1.x] out of memory\n", "\0"])
def test_garbage_is_no_evidence(garbage):
    assert evidence(garbage, 2.0, 1) == ""
