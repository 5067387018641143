"""Concurrency: conversions in a pool of threads (the work is in subprocesses), one lane per board.

A board that shares its machine with npubench measures only when nothing is being converted.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Protocol

from npubench import process
from npubench.engine.events import Note
from npubench.engine.job import Context, Measured, Prepared, lost, measure, prepare, unreachable
from npubench.errors import BoardError, Interrupted, NpubenchError, TransferError, UsageError
from npubench.plan import Job
from npubench.protocols import Session, Transport
from npubench.specs import BoardSpec

ATTEMPTS = 2
"""A case whose board was lost under it is measured once more, from the start."""


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
        futures = [lane_pool.submit(lane.run) for lane in lanes.values()]
        futures += [
            pool.submit(_convert, job, context, lanes[job.board.name], finish, converted) for job in jobs
        ]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
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
        self._gone: NpubenchError | None = None
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
            else:
                self._connect_early()
            while (prepared := self._ready.get()) is not None:
                if process.stopping():
                    raise Interrupted
                self._one(prepared)
        finally:
            self._drop_session()

    def _connect_early(self) -> None:
        """Connect while the first case is converted: whoever waits for it hears of a missing board now."""
        try:
            self._connected()
        except (BoardError, UsageError) as error:
            self._context.announce(Note(f"{self._board.name}: {error} (tried again when a case is ready)"))

    def _one(self, prepared: Prepared) -> None:
        loss: BoardError | None = None
        for _ in range(ATTEMPTS):
            try:
                session = self._connected()
            except (BoardError, UsageError) as error:
                self._gone = error
                failed = lost(prepared, loss) if loss else unreachable(prepared, error)
                self._finish(failed, None)
                return
            try:
                measured = measure(prepared, session, self._context)
            except BoardError as error:
                self._context.announce(Note(f"{self._board.name}: {error}"))
                loss = error
                if not isinstance(error, TransferError):
                    self._drop_session()
            else:
                self._finish(prepared, measured)
                return
        if loss is not None:
            self._finish(lost(prepared, loss), None)

    def _connected(self) -> Session:
        """The session. Once the board could not be reached for a case it is not waited for again."""
        if self._gone is not None:
            raise self._gone
        if self._session is None:
            self._session = self._transport_of(self._board).connect(self._board)
        return self._session

    def _drop_session(self) -> None:
        if self._session is not None:
            with suppress(BoardError):
                self._session.close()
        self._session = None
