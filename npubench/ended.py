"""How a program on a board ended, as a failure where it did not end well."""

from collections.abc import Callable, Sequence

from npubench.records import Completed, Failure, FailureClass, Stage

NOT_STARTED = (126, 127)
_SIGNALS = 128
_SHOWN = 200


def _nothing_named(_tool: str, _text: str) -> None:
    """The default: a tool whose output is not searched for reasons."""


def failed_run(
    tool: str,
    completed: Completed,
    deadline_s: float,
    explain: Callable[[str, str], Failure | None] = _nothing_named,
    lines_of: Callable[[str], Sequence[str]] = str.splitlines,
) -> Failure | None:
    """The failure of a run whose end already tells, whatever it printed before; None when it ended well.

    `explain` may know a better one from the tool's name and output; `lines_of` splits output for a person.
    """
    if completed.timed_out:
        message = f"{tool} did not end within {deadline_s:g} s and was stopped"
        return Failure(Stage.MEASURE, FailureClass.HANG, message)
    if completed.truncated:
        message = f"{tool} printed more than is kept: its beginning is lost"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    code = completed.returncode
    if code == 0:
        return None
    if (named := explain(tool, completed.output)) is not None:
        return named
    last = _last_line(lines_of(completed.output))
    if code in NOT_STARTED:
        message = f"{tool} cannot be started on the board: {last}"
        return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
    signal = -code if code < 0 else code - _SIGNALS
    if signal == 9:
        message = f"{tool} was killed on the board: it ran out of memory"
        return Failure(Stage.MEASURE, FailureClass.OUT_OF_MEMORY, message)
    if signal > 0:
        return Failure(Stage.MEASURE, FailureClass.CRASH, f"{tool} ended by signal {signal}: {last}")
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{tool} ended with exit code {code}: {last}")


def _last_line(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:_SHOWN] if said else "it printed nothing"
