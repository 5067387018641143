"""Why a run on the board failed, from the runner's output and how it ended."""

import re

from npubench.backends.axera.lines import short_lines
from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.tools import exit_status

_HARMLESS = re.compile(r"Get CMM usage failed")
_MEMORY = re.compile(
    r"(?i)\bcmm\b.*(?:fail|not enough|insufficient|no memory|exhausted)|MemAlloc\w*.*fail|alloc\w* .*fail"
    r"|(?:fail\w*|unable|cannot|can't) (?:to )?\w* ?(?:cmm|memory|mem alloc)"
    r"|out of (?:cmm|memory)|no memory|std::bad_alloc"
)
_MODE = re.compile(
    r"(?i)unknown npu mode|(?:npu[_ ]?mode|virtual npu|vnpu|hard mode)\b.*"
    r"(?:fail|mismatch|not match|conflict|differ|unsupported|not support|wrong|invalid)"
    r"|(?:fail|mismatch|conflict|wrong|invalid)\w*.*(?:npu[_ ]?mode|virtual npu|vnpu|hard mode)\b"
    r"|Assertion .AX_JOINT_Adv_Init\(.*failed"
)
"""run_joint asserts that the NPU starts in the mode of the model, and says no more where it does not."""


def failed_run(tool: str, completed: Completed, deadline_s: float) -> Failure | None:
    """The failure of a run whose end already tells; figures printed before it do not count."""
    return exit_status.failed_run(tool, completed, deadline_s, explain, short_lines)


def explain(tool: str, text: str) -> Failure | None:
    """The failure that the output itself names; None when it names none."""
    lines = [line for line in short_lines(text) if not _HARMLESS.search(line)]
    for failure_class, pattern in (
        (FailureClass.WRONG_NPU_MODE, _MODE),
        (FailureClass.OUT_OF_DEVICE_MEMORY, _MEMORY),
    ):
        for line in lines:
            if pattern.search(line):
                return Failure(Stage.MEASURE, failure_class, f"{tool}: {line.strip()}"[:300])
    return None


def wrong_mode(tool: str, wanted: str, seen: str) -> Failure:
    """The failure of a run in another NPU mode than the model was built for."""
    how = "docs/pulsar.md says how the board gets there"
    message = f"{tool} ran in NPU mode {seen}; the model was built for {wanted}: {how}"
    return Failure(Stage.MEASURE, FailureClass.WRONG_NPU_MODE, message)
