"""How a process ended, as a failure where it did not end well: of boards' programs, tools and workers."""

import signal
from collections.abc import Callable, Sequence

from npubench.domain.records import Completed, Failure, FailureClass, Stage
from npubench.domain.text import last_line

NOT_STARTED = (126, 127)
"""Exit codes by which shells and env say that a program is not there, or cannot be run."""
SIGKILL = 9
_SIGNALS = 128
_LAST_SIGNAL = 64
_SHOWN = 200

Explain = Callable[[str, str], Failure | None]
"""May know from a tool's name and output why it failed."""


def _nothing_named(_tool: str, _text: str) -> None:
    """The default: a tool whose output is not searched for reasons."""


def classify_exit(
    tool: str,
    completed: Completed,
    stage: Stage,
    where: str = "on the board",
    *,
    during: str = "",
    explain: Explain = _nothing_named,
    lines_of: Callable[[str], Sequence[str]] = str.splitlines,
) -> Failure | None:
    """The failure that the end of a process tells, whatever it printed before; None when it ended well.

    `explain` may know a better one; `lines_of` splits output for a person. `where` says where it ran,
    `during` at what (" while it was at convert").
    """
    if completed.timed_out:
        message = f"{tool}: no end after {completed.duration_s:.3g} s{during}: ended at the deadline"
        return Failure(stage, FailureClass.HANG, f"{message}; --deadline gives more")
    code = completed.returncode
    if code == 0:
        return None
    if (named := explain(tool, completed.output)) is not None:
        return named
    last = last_line("\n".join(lines_of(completed.output)), limit=_SHOWN)
    if code in NOT_STARTED:
        message = f"{tool} cannot be started {where}: {last}"
        return Failure(stage, FailureClass.TOOL_MISSING, message)
    number = -code if code < 0 else code - _SIGNALS
    if number == SIGKILL:
        return killed(stage, tool, completed, f"{where}{during}")
    # A code of 255 is a program's own -1, not a signal.
    if 0 < number <= _LAST_SIGNAL:
        name = {one.value: one.name for one in signal.Signals}.get(number, "a signal without a name")
        message = f"{tool} crashed with {name}{during}, signal {number}: {last}"
        return Failure(stage, FailureClass.CRASH, message)
    return Failure(stage, FailureClass.TOOL_ERROR, f"{tool} ended with exit code {code}{during}: {last}")


def classify_run(
    tool: str,
    completed: Completed,
    explain: Explain = _nothing_named,
    lines_of: Callable[[str], Sequence[str]] = str.splitlines,
) -> Failure | None:
    """The same of a program on a board whose output holds the figures: all of it has to be there."""
    if completed.truncated and not completed.timed_out:
        message = f"{tool} printed more than is kept: its beginning is lost"
        return Failure(Stage.MEASURE, FailureClass.UNPARSED_OUTPUT, message)
    return classify_exit(tool, completed, Stage.MEASURE, explain=explain, lines_of=lines_of)


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
