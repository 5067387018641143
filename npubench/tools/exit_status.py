"""How a program on a board ended, as a failure where it did not end well."""

from collections.abc import Callable, Sequence

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.domain.text import last_line

NOT_STARTED = (126, 127)
SIGKILL = 9
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
    last = last_line("\n".join(lines_of(completed.output)), limit=_SHOWN)
    if code in NOT_STARTED:
        message = f"{tool} cannot be started on the board: {last}"
        return Failure(Stage.MEASURE, FailureClass.TOOL_MISSING, message)
    signal = -code if code < 0 else code - _SIGNALS
    if signal == SIGKILL:
        return killed(Stage.MEASURE, tool, completed, "on the board")
    if signal > 0:
        return Failure(Stage.MEASURE, FailureClass.CRASH, f"{tool} ended by signal {signal}: {last}")
    return Failure(Stage.MEASURE, FailureClass.TOOL_ERROR, f"{tool} ended with exit code {code}: {last}")


def was_killed(completed: Completed) -> bool:
    """Whether SIGKILL ended it, or what it ran for a shell or a container."""
    return not completed.timed_out and completed.returncode in {-SIGKILL, _SIGNALS + SIGKILL}


def killed(stage: Stage, tool: str, completed: Completed, where: str) -> Failure:
    """The failure of what SIGKILL ended: out of memory only where something says so.

    Else it says nothing about the case, and the next run tries again.
    """
    if completed.out_of_memory:
        message = f"{tool} was killed {where}: it ran out of memory: {completed.out_of_memory}"
        return Failure(stage, FailureClass.OUT_OF_MEMORY, message[:300])
    message = f"{tool} was killed {where}, and nothing says that memory ran out: the next run tries again"
    return Failure(stage, FailureClass.KILLED, message)
