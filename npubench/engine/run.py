"""A run: what is missing of a plan is run, and every outcome becomes a row at once."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from npubench.domain.errors import ExitCode, Interrupted, WorkspaceError
from npubench.domain.figures import Kind
from npubench.domain.protocols import Benching
from npubench.domain.records import FailureClass, Result, Runner, Stage, Status, Verdict
from npubench.domain.specs import FileSpec, Precision
from npubench.engine import lanes
from npubench.engine.assemble import plan_run
from npubench.engine.job import JobState, row
from npubench.engine.plan import Plan, RunOptions
from npubench.engine.session import (
    JobFinished,
    Listener,
    RunFinished,
    RunSession,
    RunStarted,
    SessionStage,
    run_session,
    stop_on_signals,
    unheard,
)
from npubench.storage.store import Run
from npubench.tools import process

INPUT_CLASSES = frozenset(
    {
        FailureClass.NOT_FOUND,
        FailureClass.INVALID_MODEL,
        FailureClass.DYNAMIC_SHAPE,
        FailureClass.EXTERNAL_DATA,
        FailureClass.INVALID_CALIBRATION,
        FailureClass.UNSUPPORTED_OPSET,
        FailureClass.UNSUPPORTED_OPERATOR,
    }
)
"""Failures of a user's own file that are the file's fault: the command ends with exit code 2."""

BOARD_CLASSES = frozenset(
    {
        FailureClass.BOARD_UNREACHABLE,
        FailureClass.BOARD_LOST,
        FailureClass.BOARD_BUSY,
        FailureClass.TRANSFER_FAILED,
    }
)
"""Failures that are a board's: the command ends with exit code 4."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a plan."""

    plan: Plan  # what was planned
    results: tuple[Result, ...]  # the rows that this run added, in the order they came
    before: tuple[Result, ...]
    """The rows of planned cases that were done before, without board states, protocol and seeds."""
    failures: tuple[Result, ...]
    """The newest rows of planned cases that are failures, those of earlier runs included."""
    interrupted: bool = False  # whether it was stopped: finished rows stay, and the same options continue

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
    given = run_session(options, (MEASURE,), plan, nullcontext(announce), command=("npubench.run",))
    return given[RunOutcome]


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
        session.announce(JobFinished(result))

    interrupted = False
    with stop_on_signals():
        try:
            lanes.run(plan.todo, _measured_by(session), session, finish)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
    counts = Counter(result.status for result in results)
    ok, failed, skipped = counts[Status.OK], counts[Status.FAILED], counts[Status.SKIPPED]
    session.announce(RunFinished(ok, failed, skipped, interrupted))
    return _outcome(session, results, interrupted)


MEASURE = SessionStage(measure_plan, gives=RunOutcome)


def exit_code(outcome: RunOutcome, strict: bool = False) -> ExitCode:
    """The exit code for the planned cases, those done before included; see docs/measuring.md."""
    if outcome.interrupted:
        return ExitCode.INTERRUPTED
    plan, failures = outcome.plan, outcome.failures
    files = {job.key for job in plan.jobs if isinstance(job.case, FileSpec)}
    classes = {failure.key: failure.failure.failure_class for failure in failures if failure.failure}
    if plan.refused or any(key in files and cls in INPUT_CLASSES for key, cls in classes.items()):
        return ExitCode.USAGE
    found = set(classes.values())
    if FailureClass.TOOL_MISSING in found:
        return ExitCode.TOOLCHAIN
    if found & BOARD_CLASSES:
        return ExitCode.BOARD
    if len(failures) == len(plan.jobs):
        return ExitCode.NOTHING_MEASURED
    if strict and failures:
        return ExitCode.REGRESSION
    if strict and any(_is_doubtful(result) for result in outcome.results):
        return ExitCode.UNSTABLE
    return ExitCode.OK


def _is_doubtful(result: Result) -> bool:
    """Only what was measured can be unstable, and of a board's own benchmarks only what has a verdict."""
    if result.figures is None or result.figures.kind is not Kind.MEASURED:
        return False
    judged = result.precision is not Precision.NONE or result.verdict is not None
    return judged and result.status is Status.OK and result.verdict is not Verdict.STABLE


def _outcome(session: RunSession, results: Sequence[Result], interrupted: bool) -> RunOutcome:
    planned = {job.key for job in session.plan.jobs}
    before = planned - {result.key for result in results}
    old = [one for one in session.store.latest(brief=True) if one.key in before] if before else []
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


def _refuse_symptom_of_full_disk(result: Result, session: RunSession) -> None:
    text = result.failure.message if result.failure else ""
    if "No space left on device" in text or "Read-only file system" in text:
        told = f"cannot write to {session.workspace.root}: {text}"
        raise WorkspaceError(f"{told}: free or change it, or choose another --out")
