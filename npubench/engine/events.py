"""What the engine tells its listeners; terminal, plain lines and JSON are all listeners."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from npubench.domain.records import Failure, Result
from npubench.engine.plan import Job


@dataclass(frozen=True, slots=True)
class InputRefused:
    """A word of the command line, a board or a catalogue file that cannot be used; the rest goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`total` jobs are planned, `done` of them have their row from an earlier run."""

    run_id: str
    total: int
    done: int


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A job entered a stage: export, compile, transfer or measure."""

    job: Job
    stage: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something a user should know now: an environment being made, a board being waited for."""

    text: str


@dataclass(frozen=True, slots=True)
class RowsOutdated:
    """So many rows of earlier runs are measured again, and why."""

    board: str
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job has its row."""

    result: Result


@dataclass(frozen=True, slots=True)
class JobDelivered:
    """A case's files lie where the user wants them, or why they do not."""

    job: Job
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Everything that could be run has been."""

    ok: int
    failed: int
    skipped: int
    interrupted: bool


Event = (
    InputRefused | RunStarted | StageStarted | Note | RowsOutdated | JobFinished | JobDelivered | RunFinished
)
Listener = Callable[[Event], None]


def unheard(_event: Event) -> None:
    """The listener of those who want the records alone."""


def one_at_a_time(listener: Listener) -> Listener:
    """The same listener, which hears the events of many threads one after another."""
    lock = threading.Lock()

    def hear(event: Event) -> None:
        with lock:
            listener(event)

    return hear
