"""Concurrency: conversions in a pool of threads (the work is in subprocesses), one lane per machine.

Boards are contacted while the first conversions start. Two names of one machine share a lane. A board that
shares its machine with npubench measures only when nothing is being converted, and its cases in turn, a round
each. A board is measured by one run at a time: whoever comes second says who holds it, and waits or stops.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from npubench.domain.errors import BoardBusyError, BoardError, Interrupted, UsageError
from npubench.domain.leases import Held, own_claim
from npubench.domain.protocols import (
    Alternating,
    Benching,
    Interleaving,
    Leasing,
    Locating,
    Session,
    TakingTurns,
)
from npubench.domain.records import BoardState, Completed, FailureClass, Runner, Stage
from npubench.domain.specs import BenchmarkSpec, BoardSpec
from npubench.engine.job import JobState, begin, lost, measure, prepare, simulate
from npubench.engine.plan import Job
from npubench.engine.session import Listener, Note, RowsOutdated, RunSession, StageStarted, Tasks, ended
from npubench.measure import crowding
from npubench.measure.reliability import CROWDED_SHARE
from npubench.tools import board_runner, process
from npubench.tools.turns import Turn, Turns

ABREAST = 6
"""Cases that are measured in turn, each with its model loaded in a process of its own."""

ABREAST_BYTES = 2**28
"""An artifact above this is measured alone: six of them may not fit into memory."""

WATCHED_S = 0.5
"""So long this machine is watched, before many cases are measured on it, for what would disturb them."""

ATTEMPTS = 2
"""A case whose board was lost under it is measured once more, from the start."""

RECONNECT_BACKOFF_S = 30.0
"""A board that did not let us in is not asked again for this long: every case would wait for its silence."""

ASK_S = 2.0
"""A held board is asked this often: it is measuring, and every question costs it some of its time."""

SAY_S = 60.0
"""A user who waits for a board hears of it this often."""

Finish = Callable[[JobState], None]
"""Writes the row of a job: called once for each, from the lane that finished it."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job with its row, and which program on the board it was measured by."""

    job: Job
    measured_by: str


def run(jobs: Sequence[Job], done: Sequence[Done], session: RunSession, finish: Finish) -> None:
    """Run all jobs, and of `done` what another program on the board measured; returns when each has its row.

    Raises Interrupted, what `finish` raised, and BoardBusyError when no board is left that may be measured.
    """
    boards = {job.board.name: job.board for job in (*jobs, *(one.job for one in done))}
    if not boards:
        return
    lanes = _lanes(tuple(boards.values()), session, finish)
    for one in done:
        lanes[one.job.board.name].done.append(one)
    for job in jobs:
        lanes[job.board.name].has_jobs = True

    def close_lanes() -> None:
        for lane in lanes.values():
            lane.close()

    if not jobs:
        close_lanes()
    with Tasks(on_stop=close_lanes) as tasks:
        converting = tasks.pool("convert", session.workers)
        measuring = tasks.pool("board", len(lanes))
        futures = [tasks.start(measuring, lane.run) for lane in dict.fromkeys(lanes.values())]
        left = {
            tasks.start(converting, _convert, job, session, lanes[job.board.name], finish) for job in jobs
        }
        for future in ended([*futures, *left]):
            future.result()
            if future in left:
                left.remove(future)
                if not left:
                    close_lanes()


def _lanes(boards: Sequence[BoardSpec], session: RunSession, finish: Finish) -> "Mapping[str, Lane]":
    """The lane of each board by its name: one a machine, as far as that is known without connecting."""
    places: dict[str, list[BoardSpec]] = {}
    for board in boards:
        places.setdefault(_place(board, session, len(boards)), []).append(board)
    lanes: list[Lane] = []
    lanes += [Lane(there, session, finish, lanes) for there in places.values()]
    return {board.name: lane for lane in lanes for board in lane.boards}


def _place(board: BoardSpec, session: RunSession, count: int) -> str:
    if count > 1 and not board.simulated:
        # A board that cannot be used says so in its own lane.
        with suppress(BoardError, UsageError):
            transport = session.transport_of(board)
            if isinstance(transport, Locating):
                return f"at {transport.place(board)}"
    return f"board {board.name}"


def _convert(job: Job, session: RunSession, lane: "Lane", finish: Finish) -> None:
    if process.stopping():
        raise Interrupted
    if lane.busy is not None and not job.board.simulated:
        state = lost(begin(job, session), lane.busy, FailureClass.BOARD_BUSY, Stage.MEASURE)
    else:
        state = prepare(job, session)
    if state.failure:
        finish(state)
    elif job.board.simulated:
        finish(simulate(state, session))
    else:
        lane.put(state)


class Lane:
    """One machine, the boards that are names for it, and the jobs that are ready for it, in turn."""

    def __init__(
        self, boards: Sequence[BoardSpec], session: RunSession, finish: Finish, lanes: "Sequence[Lane]"
    ) -> None:
        self.boards = tuple(boards)
        self.busy: BoardBusyError | None = None
        self.done: list[Done] = []
        self.has_jobs = False
        self._session = session
        self._finish = finish
        self._lanes = lanes
        self._ready: queue.SimpleQueue[JobState | None] = queue.SimpleQueue()
        self._connection: Session | None = None
        self._connected_to = ""
        self._runner: Runner | None = None
        self._refusals: dict[str, tuple[BoardError | UsageError, float]] = {}
        self._all_there = threading.Event()

    def put(self, state: JobState) -> None:
        """A job is ready to be measured."""
        self._ready.put(state)

    def close(self) -> None:
        """Nothing more will come: every conversion of the run is through."""
        self._all_there.set()
        self._ready.put(None)

    def run(self) -> None:
        """Measure until closed; a board that shares the host waits for the conversions first."""
        try:
            if not self.boards[0].simulated:
                # The first one's cases come first: its session stays.
                for board in reversed(self.boards):
                    self._meet(board)
            if any(board.shares_host for board in self.boards):
                self._all_there.wait()
                states = [*iter(self._ready.get, None)]
                if len(states) > ABREAST:
                    self._say_crowded()
                self._alternate(states)
                self._ready.put(None)
            while (state := self._ready.get()) is not None:
                self._one(state)
            for job in self._outdated():
                state = prepare(job, self._session)
                if state.failure:
                    self._finish(state)
                else:
                    self._one(state)
        finally:
            self._drop_connection()

    def _alternate(self, states: Sequence[JobState]) -> None:
        """Measure on this very machine: cases side by side, a round each in turn, where that can be."""
        for board in self.boards:
            mine = [state for state in states if state.job.board.name == board.name]
            abreast = [state for state in mine if self._interleaves(state)] if len(mine) > 1 else []
            turns, keys = Turns(), {state.job.key for state in abreast}
            with Tasks() as tasks:
                pool, futures = tasks.pool("turn", ABREAST), []
                # Nobody begins before all that have a thread are there, in their order.
                with turns.turn():
                    for number, state in enumerate(abreast, 1):
                        futures.append(tasks.start(pool, self._in_turn, state, turns))
                        turns.stand(1 + min(number, ABREAST))
                for future in ended(futures):
                    future.result()
            for state in mine:
                if state.job.key not in keys:
                    self._one(state)

    def _say_crowded(self) -> None:
        """Tell before minutes of measuring that other programs will disturb it."""
        occupied, processors = crowding.others_now(WATCHED_S), os.cpu_count() or 1
        share = crowding.crowded_share([occupied], 0, processors)
        if occupied is not None and share is not None and share > CROWDED_SHARE:
            name = next(board.name for board in self.boards if board.shares_host)
            busy = occupied.others_s / occupied.wall_s
            told = f"other programs keep {busy:.1f} of its {processors} processors busy"
            self._session.announce(Note(f"{name} cannot tell steady times now: {told}"))

    def _interleaves(self, state: JobState) -> bool:
        backend = self._session.plan.boards[state.job.board.name].backend
        small = state.artifact is not None and state.artifact.size_bytes <= ABREAST_BYTES
        return small and isinstance(backend, Interleaving) and backend.interleaves

    def _in_turn(self, state: JobState, turns: Turns) -> None:
        with turns.turn() as turn:
            self._one(state, turn)

    def _meet(self, board: BoardSpec) -> None:
        """Connect before anything is ready for it. Raises BoardBusyError where every lane's board is busy."""
        if self.busy is not None:
            return
        try:
            self._connect(board)
            self._runner_of(board)
        except BoardBusyError as error:
            self.busy = error
            if self.has_jobs and all(lane.busy for lane in self._lanes):
                raise
            self._session.announce(Note(str(error)))
        except (BoardError, UsageError) as error:
            self._session.announce(Note(f"{board.name} cannot be used: {error}"))

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
                self._session.announce(Note(told))
                continue
            now = runner.tools.get(runner.key) if runner is not None else None
            jobs = [one.job for one in done if now is not None and one.measured_by != now]
            if runner is not None and jobs:
                why = f"{runner.name} on {board.name} is another one than measured {len(jobs)} of its rows"
                self._session.announce(RowsOutdated(board.name, len(jobs), f"{why}: they are measured again"))
            found += jobs
        return found

    def _runner_of(self, board: BoardSpec) -> Runner | None:
        """The program that measures on the board, asked for once a session. Raises BoardError, UsageError."""
        backend = self._session.plan.boards[board.name].backend
        if self._runner is None and self._connection is not None and isinstance(backend, Benching):
            self._runner = board_runner.identify_runner(*backend.runner(), self._connection)
            if not self._runner.path:
                told = f"{self._runner.name} is not on {board.name}: looked for {backend.runner()[1][-1]}"
                self._session.announce(Note(told))
        return self._runner

    def _one(self, state: JobState, turn: Turn | None = None) -> None:
        if process.stopping():
            raise Interrupted
        board = state.job.board
        loss: tuple[BoardError, Stage] | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                connection = self._connect(board)
            except BoardBusyError as error:
                return self._finish(lost(state, error, FailureClass.BOARD_BUSY, Stage.MEASURE))
            except (BoardError, UsageError) as error:
                if loss is None:
                    return self._finish(lost(state, error, FailureClass.BOARD_UNREACHABLE, Stage.TRANSFER))
                told = BoardError(f"{loss[0]}; it did not come back: {error}")
                return self._finish(lost(state, told, FailureClass.BOARD_LOST, loss[1]))
            if turn is not None and isinstance(connection, TakingTurns):
                connection = connection.in_turn(turn.pass_on)
            staged = StagedSession(connection, state.job, self._session.announce)
            try:
                runner = None if isinstance(state.job.case, BenchmarkSpec) else self._runner_of(board)
                measured = replace(measure(state, staged, self._session), runner=runner)
            except BoardError as error:
                self._drop_connection()
                loss = (error, staged.stage)
                if attempt == ATTEMPTS:
                    self._finish(lost(state, error, FailureClass.BOARD_LOST, staged.stage))
                else:
                    self._session.announce(Note(f"{board.name} was lost: {error}; waiting for it"))
            else:
                return self._finish(measured)
        return None

    def _connect(self, board: BoardSpec) -> Session:
        """The board's session, which holds the board; one that was silent is let be for a while."""
        if self.busy is not None:
            raise self.busy
        if self._connection is not None and self._connected_to == board.name:
            return self._connection
        self._drop_connection()
        refusal, until = self._refusals.get(board.name, (None, 0.0))
        if refusal is not None and time.monotonic() < until:
            raise refusal
        try:
            self._connection = self._session.transport_of(board).connect(board)
            self._connected_to = board.name
            hold(self._connection, board, self._session, wait=self.has_jobs)
        except (BoardError, UsageError) as error:
            self._drop_connection()
            self._refusals[board.name] = (error, time.monotonic() + RECONNECT_BACKOFF_S)
            raise
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with suppress(BoardError):
                self._connection.close()
        self._connection = self._runner = None


def hold(connection: Session, board: BoardSpec, session: RunSession, wait: bool = True) -> None:
    """Hold the board until the connection is closed; those that know no leases are let be.

    Without `wait` a board that another run holds is not waited for, whatever the options say.
    Raises BoardBusyError when `session.options.wait_s` is over, BoardError of the connection, Interrupted.
    """
    if not isinstance(connection, Leasing):
        return
    claim, began = own_claim(session.run_id), time.monotonic()
    wait_s = session.options.wait_s if wait else 0.0
    said_at: float | None = None
    while (other := connection.take(claim)) is not None:
        now = time.monotonic()
        # Another of this run's own boards is the same host, and lets it go at its end.
        ours = other.claim.run_id == session.run_id
        if wait_s is not None and not ours and now - began >= wait_s:
            raise BoardBusyError(_busy(board, other, wait_s))
        if said_at is None or now - said_at >= SAY_S:
            said_at = now
            session.announce(Note(_waiting(board, other, ours, now - began)))
        left_s = ASK_S if wait_s is None else min(ASK_S, began + wait_s - now)
        process.pause(max(0.05, left_s))


def _waiting(board: BoardSpec, other: Held, ours: bool, waited_s: float) -> str:
    if ours:
        return f"{board.name} is the same machine as another board of this run: waiting for that one"
    so_far = f"; waited for {waited_s:.0f} s so far" if waited_s >= SAY_S else ""
    return f"{board.name} is in use by {other}: waiting for it{so_far}"


def _busy(board: BoardSpec, other: Held, wait_s: float) -> str:
    how = "it was not to be waited for" if wait_s == 0 else f"it was waited for {wait_s:g} s"
    return f"{board.name} is in use by {other}: {how}: run again later, or give more --wait"


class StagedSession:
    """Passes everything on and tells of stages; `stage` is the one in which a board was lost."""

    def __init__(self, session: Session, job: Job, announce: Listener) -> None:
        self._session, self._job, self._announce = session, job, announce
        self._stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """Where the job is; what is neither transfer nor measurement counts as the latter."""
        return self._stage or Stage.MEASURE

    @property
    def alternates(self) -> bool:
        """Whether other cases are measured in turn with this one."""
        return isinstance(self._session, Alternating) and self._session.alternates

    def run(self, argv: Sequence[str], timeout_s: float, log: Path | None = None) -> Completed:
        """Run a command."""
        self._change(Stage.MEASURE)
        return self._session.run(argv, timeout_s, log)

    def put(self, source: Path, sha256: str) -> PurePosixPath:
        """Bring a file."""
        self._change(Stage.TRANSFER)
        return self._session.put(source, sha256)

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Fetch a file."""
        self._change(Stage.TRANSFER)
        self._session.get(source, target)

    def facts(self) -> BoardState:
        """The board's state."""
        return self._session.facts()

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def _change(self, stage: Stage) -> None:
        if stage is not self._stage:
            self._stage = stage
            self._announce(StageStarted(self._job, stage))
