"""Concurrency: conversions in a pool of threads (the work is in subprocesses), one lane per board.

A board that shares its machine with npubench measures only when nothing is being converted.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from npubench import process
from npubench.engine.context import Context, Measured, Prepared
from npubench.engine.events import Note, StageStarted
from npubench.engine.job import lost, measure, prepare, simulate
from npubench.engine.signals import ended
from npubench.engine.staged import StagedSession
from npubench.errors import BoardError, Interrupted, UsageError
from npubench.plan import Job
from npubench.protocols import Session, Transport
from npubench.records import FailureClass, Stage
from npubench.specs import BoardSpec

ATTEMPTS = 2
"""A case whose board was lost under it is measured once more, from the start."""

LET_BE_S = 30.0
"""A board that did not let us in is not asked again for this long: every case would wait for its silence."""


class Finish(Protocol):
    """Writes the row of a job."""

    def __call__(self, prepared: Prepared, measured: Measured | None) -> None:
        """Called once for every job, from the lane that finished it."""


def run(
    jobs: Sequence[Job],
    workers: int,
    transport_of: Callable[[BoardSpec], Transport],
    context: Context,
    finish: Finish,
) -> None:
    """Run all jobs; returns when each has its row. Raises Interrupted, or what `finish` raised."""
    if not jobs:
        return
    boards = {job.board.name: job.board for job in jobs}
    lanes = {name: Lane(board, transport_of, context, finish) for name, board in boards.items()}
    converted = _Countdown(len(jobs), lanes.values())
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="convert") as pool,
        ThreadPoolExecutor(len(lanes), thread_name_prefix="board") as lane_pool,
    ):
        futures: list[Future[None]] = []
        try:
            for lane in lanes.values():
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


class _Countdown:
    """Tells the lanes when the last conversion is through."""

    def __init__(self, count: int, lanes: Iterable["Lane"]) -> None:
        self._count = count
        self._lanes = tuple(lanes)
        self._lock = threading.Lock()

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
    prepared = prepare(job, context)
    if prepared.failure:
        finish(prepared, None)
    elif job.board.simulated:
        finish(*simulate(prepared, context))
    else:
        lane.put(prepared)
    converted.one_less()


class Lane:
    """One board and the jobs that are ready for it, in turn."""

    def __init__(
        self,
        board: BoardSpec,
        transport_of: Callable[[BoardSpec], Transport],
        context: Context,
        finish: Finish,
    ) -> None:
        self._board = board
        self._transport_of = transport_of
        self._context = context
        self._finish = finish
        self._ready: queue.SimpleQueue[Prepared | None] = queue.SimpleQueue()
        self._session: Session | None = None
        self._refusal: BoardError | UsageError | None = None
        self._refused_until = 0.0
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
            if self._board.shares_host:
                self._all_there.wait()
            while (prepared := self._ready.get()) is not None:
                if process.stopping():
                    raise Interrupted
                self._one(prepared)
        finally:
            self._drop_session()

    def _one(self, prepared: Prepared) -> None:
        loss: tuple[BoardError, Stage] | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                session = self._connected()
            except (BoardError, UsageError) as error:
                self._finish(_unreachable(prepared, error, loss), None)
                return
            staged = StagedSession(session, self._enter(prepared.job))
            try:
                measured = measure(prepared, staged, self._context)
            except BoardError as error:
                self._drop_session()
                loss = (error, staged.stage)
                if attempt == ATTEMPTS:
                    self._finish(lost(prepared, error, FailureClass.BOARD_LOST, staged.stage), None)
                else:
                    self._context.announce(Note(f"{self._board.name} was lost: {error}; waiting for it"))
            else:
                self._finish(prepared, measured)
                return

    def _enter(self, job: Job) -> Callable[[Stage], None]:
        return lambda stage: self._context.announce(StageStarted(job, stage))

    def _connected(self) -> Session:
        """The session, opened where there is none; a board that was silent is let be for a while."""
        if self._session is not None:
            return self._session
        if self._refusal is not None and time.monotonic() < self._refused_until:
            raise self._refusal
        try:
            self._session = self._transport_of(self._board).connect(self._board)
        except (BoardError, UsageError) as error:
            self._refusal, self._refused_until = error, time.monotonic() + LET_BE_S
            raise
        return self._session

    def _drop_session(self) -> None:
        if self._session is not None:
            with suppress(BoardError):
                self._session.close()
        self._session = None


def _unreachable(prepared: Prepared, error: Exception, loss: tuple[BoardError, Stage] | None) -> Prepared:
    if loss is None:
        return lost(prepared, error, FailureClass.BOARD_UNREACHABLE, Stage.TRANSFER)
    told = BoardError(f"{loss[0]}; it did not come back: {error}")
    return lost(prepared, told, FailureClass.BOARD_LOST, loss[1])
