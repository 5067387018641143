"""Concurrency: conversions in a pool of threads (the work is in subprocesses), one lane per machine.

Boards are contacted while the first conversions start. Two names of one machine share a lane. A board that
shares its machine with npubench measures only when nothing is being converted.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from npubench.boards import runner as board_runner
from npubench.domain.errors import BoardBusyError, BoardError, Interrupted, UsageError
from npubench.domain.protocols import Benching, Locating, Session, Transport
from npubench.domain.records import FailureClass, Runner, Stage
from npubench.domain.specs import BenchmarkSpec, BoardSpec
from npubench.engine.context import Context, Measured, Prepared
from npubench.engine.events import Note, RowsOutdated, StageStarted
from npubench.engine.hold import hold
from npubench.engine.job import begin, lost, measure, prepare, simulate
from npubench.engine.plan import Job
from npubench.engine.signals import ended
from npubench.engine.staged import StagedSession
from npubench.tools import process

ATTEMPTS = 2
"""A case whose board was lost under it is measured once more, from the start."""

LET_BE_S = 30.0
"""A board that did not let us in is not asked again for this long: every case would wait for its silence."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job with its row, and which program on the board it was measured by."""

    job: Job
    measured_by: str


class Finish(Protocol):
    """Writes the row of a job."""

    def __call__(self, prepared: Prepared, measured: Measured | None) -> None:
        """Called once for every job, from the lane that finished it."""


def run(
    jobs: Sequence[Job],
    done: Sequence[Done],
    workers: int,
    transport_of: Callable[[BoardSpec], Transport],
    context: Context,
    finish: Finish,
) -> None:
    """Run all jobs, and of `done` what another program on the board measured; returns when each has its row.

    Raises Interrupted, what `finish` raised, and BoardBusyError when no board is left that may be measured.
    """
    boards = {job.board.name: job.board for job in (*jobs, *(one.job for one in done))}
    if not boards:
        return
    lanes = _lanes(tuple(boards.values()), transport_of, context, finish)
    for one in done:
        lanes[one.job.board.name].done.append(one)
    for job in jobs:
        lanes[job.board.name].has_jobs = True
    converted = _Countdown(len(jobs), lanes.values())
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="convert") as pool,
        ThreadPoolExecutor(len(lanes), thread_name_prefix="board") as lane_pool,
    ):
        futures: list[Future[None]] = []
        try:
            for lane in dict.fromkeys(lanes.values()):
                futures.append(lane_pool.submit(lane.run))
            for job in jobs:
                futures.append(pool.submit(_convert, job, context, lanes[job.board.name], finish, converted))
            for future in ended(futures):
                future.result()
        except BaseException:
            process.stop()
            for future in futures:
                future.cancel()
            converted.finish()
            raise


def _lanes(
    boards: Sequence[BoardSpec],
    transport_of: Callable[[BoardSpec], Transport],
    context: Context,
    finish: Finish,
) -> "Mapping[str, Lane]":
    """The lane of each board by its name: one a machine, as far as that is known without connecting."""
    places: dict[str, list[BoardSpec]] = {}
    for board in boards:
        places.setdefault(_place(board, transport_of, len(boards)), []).append(board)
    left = _Left(len(places))
    made = [Lane(there, transport_of, context, finish, left) for there in places.values()]
    return {board.name: lane for lane in made for board in lane.boards}


def _place(board: BoardSpec, transport_of: Callable[[BoardSpec], Transport], count: int) -> str:
    if count > 1 and not board.simulated:
        # A board that cannot be used says so in its own lane.
        with suppress(BoardError, UsageError):
            transport = transport_of(board)
            if isinstance(transport, Locating):
                return f"at {transport.place(board)}"
    return f"board {board.name}"


class _Left:
    """How many lanes may still measure."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()

    def one_less(self) -> bool:
        """Whether this was the last."""
        with self._lock:
            self._count -= 1
            return self._count == 0


class _Countdown:
    """Tells the lanes when the last conversion is through."""

    def __init__(self, count: int, lanes: Iterable["Lane"]) -> None:
        self._count = count
        self._lanes = tuple(dict.fromkeys(lanes))
        self._lock = threading.Lock()
        if count == 0:
            self.finish()

    def one_less(self) -> None:
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self.finish()

    def finish(self) -> None:
        for lane in self._lanes:
            lane.close()


def _convert(job: Job, context: Context, lane: "Lane", finish: Finish, converted: _Countdown) -> None:
    if process.stopping():
        raise Interrupted
    if lane.busy is not None and not job.board.simulated:
        prepared = lost(begin(job, context), lane.busy, FailureClass.BOARD_BUSY, Stage.MEASURE)
    else:
        prepared = prepare(job, context)
    if prepared.failure:
        finish(prepared, None)
    elif job.board.simulated:
        finish(*simulate(prepared, context))
    else:
        lane.put(prepared)
    converted.one_less()


class Lane:
    """One machine, the boards that are names for it, and the jobs that are ready for it, in turn."""

    def __init__(
        self,
        boards: Sequence[BoardSpec],
        transport_of: Callable[[BoardSpec], Transport],
        context: Context,
        finish: Finish,
        left: _Left,
    ) -> None:
        self.boards = tuple(boards)
        self.busy: BoardBusyError | None = None
        self.done: list[Done] = []
        self.has_jobs = False
        self._transport_of = transport_of
        self._context = context
        self._finish = finish
        self._left = left
        self._ready: queue.SimpleQueue[Prepared | None] = queue.SimpleQueue()
        self._session: Session | None = None
        self._connected_to = ""
        self._runner: Runner | None = None
        self._refusals: dict[str, tuple[BoardError | UsageError, float]] = {}
        self._all_there = threading.Event()

    def put(self, prepared: Prepared) -> None:
        """A job is ready to be measured."""
        self._ready.put(prepared)

    def close(self) -> None:
        """Nothing more will come: every conversion of the run is through."""
        self._all_there.set()
        self._ready.put(None)

    def run(self) -> None:
        """Measure until closed; a board that shares the host waits for the conversions first."""
        try:
            if not self.boards[0].simulated:
                self._contact()
            if any(board.shares_host for board in self.boards):
                self._all_there.wait()
            while (prepared := self._ready.get()) is not None:
                if process.stopping():
                    raise Interrupted
                self._one(prepared)
            for job in self._outdated():
                prepared = prepare(job, self._context)
                if prepared.failure:
                    self._finish(prepared, None)
                else:
                    self._one(prepared)
        finally:
            self._drop_session()

    def _contact(self) -> None:
        """Meet each board before anything is ready for it. Raises BoardBusyError of the last lane."""
        # The first one's cases come first: its session stays.
        for board in reversed(self.boards):
            if self.busy is None:
                self._meet(board)

    def _meet(self, board: BoardSpec) -> None:
        try:
            self._connect(board)
            self._runner_of(board)
        except BoardBusyError as error:
            self.busy = error
            if self._left.one_less() and self.has_jobs:
                raise
            self._context.announce(Note(str(error)))
        except (BoardError, UsageError) as error:
            self._context.announce(Note(f"{board.name} cannot be used: {error}"))

    def _outdated(self) -> list[Job]:
        """What is done, but was measured by another program than the one that the board has now."""
        found = []
        for board in self.boards if self.busy is None else ():
            done = [one for one in self.done if one.job.board.name == board.name]
            if not done:
                continue
            try:
                self._connect(board)
                runner = self._runner_of(board)
            except (BoardError, UsageError) as error:
                told = f"{board.name} was not asked which runner it has, and its rows stay: {error}"
                self._context.announce(Note(told))
                continue
            now = runner.tools.get(runner.key) if runner is not None else None
            jobs = [one.job for one in done if now is not None and one.measured_by != now]
            if runner is not None and jobs:
                why = f"{runner.name} on {board.name} is another one than measured {len(jobs)} of its rows"
                self._context.announce(RowsOutdated(board.name, len(jobs), f"{why}: they are measured again"))
            found += jobs
        return found

    def _runner_of(self, board: BoardSpec) -> Runner | None:
        """The program that measures on the board, asked for once a session. Raises BoardError, UsageError."""
        backend = self._context.backends[board.name]
        if self._runner is None and self._session is not None and isinstance(backend, Benching):
            self._runner = board_runner.ask(*backend.runner(), self._session)
            if not self._runner.path:
                told = f"{self._runner.name} is not on {board.name}: looked for {backend.runner()[1][-1]}"
                self._context.announce(Note(told))
        return self._runner

    def _one(self, prepared: Prepared) -> None:
        board = prepared.job.board
        loss: tuple[BoardError, Stage] | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                session = self._connect(board)
            except BoardBusyError as error:
                self._finish(lost(prepared, error, FailureClass.BOARD_BUSY, Stage.MEASURE), None)
                return
            except (BoardError, UsageError) as error:
                self._finish(_unreachable(prepared, error, loss), None)
                return
            staged = StagedSession(session, self._enter(prepared.job))
            try:
                runner = None if isinstance(prepared.job.case, BenchmarkSpec) else self._runner_of(board)
                measured = replace(measure(prepared, staged, self._context), runner=runner)
            except BoardError as error:
                self._drop_session()
                loss = (error, staged.stage)
                if attempt == ATTEMPTS:
                    self._finish(lost(prepared, error, FailureClass.BOARD_LOST, staged.stage), None)
                else:
                    self._context.announce(Note(f"{board.name} was lost: {error}; waiting for it"))
            else:
                self._finish(prepared, measured)
                return

    def _enter(self, job: Job) -> Callable[[Stage], None]:
        return lambda stage: self._context.announce(StageStarted(job, stage))

    def _connect(self, board: BoardSpec) -> Session:
        """The board's session, which holds the board; one that was silent is let be for a while."""
        if self.busy is not None:
            raise self.busy
        if self._session is not None and self._connected_to == board.name:
            return self._session
        self._drop_session()
        refusal, until = self._refusals.get(board.name, (None, 0.0))
        if refusal is not None and time.monotonic() < until:
            raise refusal
        try:
            self._session = self._transport_of(board).connect(board)
            self._connected_to = board.name
            hold(self._session, board, self._context, wait=self.has_jobs)
        except (BoardError, UsageError) as error:
            self._drop_session()
            self._refusals[board.name] = (error, time.monotonic() + LET_BE_S)
            raise
        return self._session

    def _drop_session(self) -> None:
        if self._session is not None:
            with suppress(BoardError):
                self._session.close()
        self._session = self._runner = None


def _unreachable(prepared: Prepared, error: Exception, loss: tuple[BoardError, Stage] | None) -> Prepared:
    if loss is None:
        return lost(prepared, error, FailureClass.BOARD_UNREACHABLE, Stage.TRANSFER)
    told = BoardError(f"{loss[0]}; it did not come back: {error}")
    return lost(prepared, told, FailureClass.BOARD_LOST, loss[1])
