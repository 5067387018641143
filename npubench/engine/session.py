"""The session of a command: it holds a workspace, takes it through stages, and tells what happens as events.

Workspace, lock, store, listener, threads and signals are had here and nowhere else.
"""

import os
import secrets
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any, TypeVar

from npubench.domain.protocols import Exporter, Transport
from npubench.domain.records import Artifact, Failure, OnnxModel, Result
from npubench.domain.specs import BoardSpec, CaseSpec
from npubench.engine import plugins
from npubench.engine.plan import Job, Plan, RunOptions
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace
from npubench.tools import process

SIGNAL_SEEN_S = 0.5
"""A signal that comes just before a wait begins does not end it: Python sees the signal after it."""

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Cached = TypeVar("Cached", OnnxModel, Artifact)
Value = TypeVar("Value")
Returned = TypeVar("Returned")


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


def _run_id() -> str:
    return f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class RunSession:
    """A workspace that one command holds, with what its stages and jobs share."""

    workspace: Workspace  # where everything is kept
    options: RunOptions = field(default_factory=RunOptions)  # what the command was asked
    plan: Plan = field(default_factory=Plan)  # what it is to do; empty for a command without jobs
    announce: Listener = unheard  # hears every event, one at a time
    results: Store | None = None  # the rows; None for a command that keeps none
    run_id: str = field(default_factory=_run_id)  # names this run in rows and in folders of logs
    command: tuple[str, ...] = ()  # the command line, for the rows
    transport_of: Callable[[BoardSpec], Transport] = lambda board: plugins.transport(board.transport)
    """How a board is reached."""
    exporter_of: Callable[[CaseSpec, Callable[[str], None], float], Exporter] = plugins.exporter
    """What exports a case, given who hears of an environment being made, and the deadline in seconds."""
    built: set[str] = field(default_factory=set)  # keys of what this session made itself
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    """By key: what two jobs need is made once."""

    @property
    def store(self) -> Store:
        """The rows. Raises ValueError in a session that keeps none."""
        if self.results is None:
            raise ValueError("this session was opened without its rows")
        return self.results

    @property
    def workers(self) -> int:
        """How many exports and conversions are made at once."""
        return self.options.workers or max(1, (os.cpu_count() or 2) // 2)

    def names(self, job: Job) -> tuple[str, ...]:
        """What files of a job are called by: run, board, case, precision and the beginning of its key."""
        return self.run_id, job.board.name, job.case.name, str(job.precision), job.key[:8]

    def exporter(self, case: CaseSpec) -> Exporter:
        """What exports a case; an environment that has to be made for it is announced."""
        deadline_s = self.plan.request.deadline_s
        return self.exporter_of(case, lambda line: self.announce(Note(line)), deadline_s)

    def cached(self, key: str, find: Callable[[str], Cached | None]) -> Cached | None:
        """What the workspace has for `key`; a fresh run takes only what it made itself."""
        return None if self.options.fresh and key not in self.built else find(key)


@dataclass(frozen=True, slots=True)
class SessionStage:
    """A step of a command on its workspace."""

    do: Callable[..., object]  # gets the session and one value for each of `needs`
    gives: type  # what it returns, for the stages after it and for the command
    needs: tuple[type, ...] = ()  # what stages before it gave, by type


class Given:
    """What the stages of a session gave, by type."""

    def __init__(self) -> None:
        self._values: dict[type, Any] = {}

    def __getitem__(self, kind: type[Value]) -> Value:
        """The value of that type. Raises KeyError where no stage gives it."""
        value: Value = self._values[kind]
        return value

    def add(self, stage: SessionStage, session: RunSession) -> None:
        """Do a stage and keep what it gives."""
        self._values[stage.gives] = stage.do(session, *(self._values[kind] for kind in stage.needs))


def run_session(
    options: RunOptions,
    stages: Sequence[SessionStage],
    plan: Plan | None = None,
    listener: AbstractContextManager[Listener] | None = None,
    stored: bool = True,
    command: tuple[str, ...] = (),
) -> Given:
    """Make and hold the workspace `options.out`, do the stages in turn, let go of it; what they gave.

    The listener is opened with the session and closed with it: it may hold the terminal. Of rows, which a
    session that is not `stored` has none of, `command` says that they come of it, else this program's own.
    Raises WorkspaceError where the workspace is held or cannot be written, ValueError for stages that need
    what none before them gives.
    """
    check_stages(stages)
    workspace = Workspace(options.out)
    command = command or ("npubench", *sys.argv[1:])
    workspace.create()
    given = Given()
    with workspace.lock(), ExitStack() as stack:
        results = stack.enter_context(Store.create(workspace.database)) if stored else None
        announce = one_at_a_time(stack.enter_context(listener) if listener else unheard)
        session = RunSession(workspace, options, plan or Plan(), announce, results, command=command)
        for stage in stages:
            given.add(stage, session)
    return given


def check_stages(stages: Sequence[SessionStage]) -> None:
    """Raises ValueError where a stage needs what none before it gives."""
    there: set[type] = set()
    for stage in stages:
        if lacking := [kind.__name__ for kind in stage.needs if kind not in there]:
            raise ValueError(f"no stage before {stage.gives.__name__} gives {', '.join(lacking)}")
        there.add(stage.gives)


class Tasks:
    """Threads that end with their `with` block; an error there stops all processes and what has not begun.

    Every thread waits for a process or a board: the work itself is done there.
    """

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self._pools: list[ThreadPoolExecutor] = []
        self._futures: list[Future[Any]] = []
        self._on_stop = on_stop

    def __enter__(self) -> "Tasks":
        return self

    def pool(self, name: str, threads: int) -> ThreadPoolExecutor:
        """So many threads, which carry that name."""
        self._pools.append(ThreadPoolExecutor(threads, thread_name_prefix=name))
        return self._pools[-1]

    def start(
        self, pool: ThreadPoolExecutor, function: Callable[..., Returned], *given: Any
    ) -> "Future[Returned]":
        """Call `function` in a thread of the pool."""
        future = pool.submit(function, *given)
        self._futures.append(future)
        return future

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            process.stop()
            for future in self._futures:
                future.cancel()
            self._on_stop()
        for pool in reversed(self._pools):
            pool.shutdown(wait=True)


def ended(futures: "Sequence[Future[Returned]]") -> "Iterator[Future[Returned]]":
    """Each future when it has ended, in that order, and signals heard all the while."""
    done: SimpleQueue[Future[Returned]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(done.put)
    left = len(futures)
    while left:
        with suppress(Empty):
            future = done.get(timeout=SIGNAL_SEEN_S)
            left -= 1
            yield future


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """The first signal raises KeyboardInterrupt; more do not interrupt its ending, which leaves processes."""
    ending = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if not ending.is_set():
            ending.set()
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What was started with a signal ignored, as by nohup or in the background of a script, still ignores it.
    caught = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        process.reset()
