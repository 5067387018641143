"""What the engine tells its listeners; terminal, plain lines and JSON are all listeners."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from npubench.domain.records import Result
from npubench.engine.plan import Job


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

    job: Job
    result: Result


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Everything that could be run has been."""

    ok: int
    failed: int
    skipped: int
    interrupted: bool


Event = RunStarted | StageStarted | Note | RowsOutdated | JobFinished | RunFinished
Listener = Callable[[Event], None]


class Announcer:
    """Hands events to every listener, one at a time."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Tell all listeners."""
        with self._lock:
            for listener in self._listeners:
                listener(event)
