"""Why a run on the board failed, from the runner's output and how it ended."""

import re

from npubench.backends.axera.lines import short_lines
from npubench.records import Completed, Failure, FailureClass, Stage

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
)
_NOT_STARTED = (126, 127)
_SIGNALS = 128


def failed_run(tool: str, completed: Completed, deadline_s: float) -> Failure | None:
    """The failure of a run whose end already tells; figures printed before it do not count."""
    if completed.timed_out:
        message = f"{tool} did not end within {deadline_s:g} s and was stopped"
        return Failure(Stage.MEASURE, FailureClass.HANG, message)
    if completed.truncated:
        message = f"{tool} printed more than is kept: its beginning is lost"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    if completed.returncode == 0:
        return None
    named = explain(tool, completed.output)
    if named is not None:
        return named
    code = completed.returncode
    last = _last_line(completed.output)
    if code in _NOT_STARTED:
        message = f"{tool} cannot be started on the board: {last}"
        return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
    signal = -code if code < 0 else code - _SIGNALS
    if signal == 9:
        message = f"{tool} was killed on the board: it ran out of memory"
        return Failure(Stage.MEASURE, FailureClass.OUT_OF_MEMORY, message)
    if signal > 0:
        return Failure(Stage.MEASURE, FailureClass.CRASH, f"{tool} ended by signal {signal}: {last}")
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{tool} ended with exit code {code}: {last}")


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
    message = f"{tool} ran in NPU mode {seen}; the model was built for {wanted}: set the board to that mode"
    return Failure(Stage.MEASURE, FailureClass.WRONG_NPU_MODE, message)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in short_lines(text) if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"
