"""A run: what is missing of a plan is run, and every outcome becomes a row at once."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from npubench.domain.errors import Interrupted, WorkspaceError
from npubench.domain.protocols import Benching
from npubench.domain.records import Result, Runner, Stage, Status
from npubench.engine import lanes
from npubench.engine.assemble import plan_run
from npubench.engine.events import JobFinished, Listener, RunFinished, RunStarted, unheard
from npubench.engine.job import JobState
from npubench.engine.options import RunOptions
from npubench.engine.plan import Plan
from npubench.engine.row import row
from npubench.engine.session import RunSession, SessionSetup, SessionStage, run_session, stop_on_signals
from npubench.storage.store import Run
from npubench.tools import process


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a plan."""

    plan: Plan
    """What was planned."""
    results: tuple[Result, ...]
    """The rows that this run added, in the order they came."""
    before: tuple[Result, ...]
    """The rows of planned cases that were done before, without board states, protocol and seeds."""
    failures: tuple[Result, ...]
    """The newest rows of planned cases that are failures, those of earlier runs included."""
    interrupted: bool = False
    """Whether it was stopped: finished rows stay, and the same options continue."""

    @property
    def rows(self) -> tuple[Result, ...]:
        """The row of every planned case that has one."""
        return (*self.results, *self.before)


def run_plan(options: RunOptions, announce: Listener = unheard) -> RunOutcome:
    """Plan what the options ask, run what is missing of it; prints nothing and writes no page.

    `announce` hears of all that a person may want to know, refused words first. Raises NpubenchError where
    nothing can be run; what fails of a case is its row.
    """
    plan = plan_run(options, announce)
    setup = SessionSetup(options, plan, nullcontext(announce))
    return run_session(setup, (MEASURE,))[RunOutcome]


def measure_plan(session: RunSession) -> RunOutcome:
    """Run what the plan still needs. Ctrl-C, SIGTERM and SIGHUP end it at once; finished rows stay.

    Raises WorkspaceError when the workspace can no longer be written.
    """
    plan, store = session.plan, session.store
    results: list[Result] = []
    store.note_run(Run(session.run_id, len(plan.jobs), len(plan.todo)))
    session.announce(RunStarted(session.run_id, len(plan.jobs), len(plan.jobs) - len(plan.todo)))

    def finish(state: JobState) -> None:
        if process.stopping():
            raise Interrupted
        result = row(state, session)
        # What a program says on a board of its own is about that board's disk.
        if state.job.board.shares_host or not result.failure or result.failure.stage is not Stage.MEASURE:
            _refuse_symptom_of_full_disk(result, session)
        store.append(result)
        results.append(result)
        session.announce(JobFinished(state.job, result))

    interrupted = False
    with stop_on_signals():
        try:
            lanes.run(plan.todo, _measured_by(session), session, finish)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
    session.announce(_finished(results, interrupted))
    return _outcome(session, results, interrupted)


MEASURE = SessionStage(measure_plan, gives=RunOutcome)


def _outcome(session: RunSession, results: Sequence[Result], interrupted: bool) -> RunOutcome:
    planned = {job.key for job in session.plan.jobs}
    before = planned - {result.key for result in results}
    old = [row for row in session.store.latest(brief=True) if row.key in before] if before else []
    failures = session.store.failed(planned)
    return RunOutcome(session.plan, tuple(results), tuple(old), tuple(failures), interrupted)


def _measured_by(session: RunSession) -> Sequence[lanes.Done]:
    """What is done already and was measured by a program on the board, which may be another one by now."""
    done = {
        job.key: (job, backend.runner()[0])
        for job in session.plan.jobs
        if job.done == Status.OK and job.compile_key and not job.board.simulated
        and isinstance(backend := session.plan.boards[job.board.name].backend, Benching)
    }  # fmt: skip
    recorded = session.store.tools(done) if done else {}
    return [
        lanes.Done(job, known)
        for key, (job, name) in done.items()
        if (known := recorded.get(key, {}).get(Runner(name).key))
    ]


def _finished(results: Sequence[Result], interrupted: bool) -> RunFinished:
    counts = Counter(result.status for result in results)
    return RunFinished(counts[Status.OK], counts[Status.FAILED], counts[Status.SKIPPED], interrupted)


def _refuse_symptom_of_full_disk(result: Result, session: RunSession) -> None:
    text = result.failure.message if result.failure else ""
    if "No space left on device" in text or "Read-only file system" in text:
        raise WorkspaceError(
            f"cannot write to {session.workspace.root}: {text}: free or change it, or choose another --out"
        )
