"""A run: what is missing of a plan is run, and every outcome becomes a row at once."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from npubench.domain.errors import Interrupted, WorkspaceError
from npubench.domain.protocols import Benching, Transport
from npubench.domain.records import Result, Runner, Stage, Status
from npubench.domain.specs import BoardSpec
from npubench.engine import lanes
from npubench.engine.context import Context, Measured, Prepared
from npubench.engine.events import JobFinished, RunFinished, RunStarted
from npubench.engine.plan import Plan
from npubench.engine.row import row
from npubench.engine.signals import stop_on_signals
from npubench.storage.store import Run, Store
from npubench.tools import process


@dataclass(frozen=True, slots=True)
class Summary:
    """What this run added."""

    results: tuple[Result, ...]
    interrupted: bool


def run(
    plan: Plan,
    workers: int,
    transport_of: Callable[[BoardSpec], Transport],
    context: Context,
    store: Store,
) -> Summary:
    """Run what the plan still needs. Ctrl-C, SIGTERM and SIGHUP end it at once; finished rows stay.

    Raises WorkspaceError when the workspace can no longer be written.
    """
    results: list[Result] = []
    store.note_run(Run(context.run_id, len(plan.jobs), len(plan.todo)))
    context.announce(RunStarted(context.run_id, len(plan.jobs), len(plan.jobs) - len(plan.todo)))

    def finish(prepared: Prepared, measured: Measured | None) -> None:
        if process.stopping():
            raise Interrupted
        result = row(prepared, measured, context)
        # What a program says on a board of its own is about that board's disk.
        if prepared.job.board.shares_host or not result.failure or result.failure.stage is not Stage.MEASURE:
            _refuse_symptom_of_full_disk(result, context)
        store.append(result)
        results.append(result)
        context.announce(JobFinished(prepared.job, result))

    interrupted = False
    with stop_on_signals():
        try:
            lanes.run(plan.todo, _measured_by(plan, context, store), workers, transport_of, context, finish)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
    context.announce(_finished(results, interrupted))
    return Summary(tuple(results), interrupted)


def _measured_by(plan: Plan, context: Context, store: Store) -> Sequence[lanes.Done]:
    """What is done already and was measured by a program on the board, which may be another one by now."""
    done = {
        job.key: (job, backend.runner()[0])
        for job in plan.jobs
        if job.done == Status.OK and job.compile_key and not job.board.simulated
        and isinstance(backend := context.backends[job.board.name], Benching)
    }  # fmt: skip
    recorded = store.tools(done) if done else {}
    return [
        lanes.Done(job, known)
        for key, (job, name) in done.items()
        if (known := recorded.get(key, {}).get(Runner(name).key))
    ]


def _finished(results: Sequence[Result], interrupted: bool) -> RunFinished:
    counts = Counter(result.status for result in results)
    return RunFinished(counts[Status.OK], counts[Status.FAILED], counts[Status.SKIPPED], interrupted)


def _refuse_symptom_of_full_disk(result: Result, context: Context) -> None:
    text = result.failure.message if result.failure else ""
    if "No space left on device" in text or "Read-only file system" in text:
        raise WorkspaceError(
            f"cannot write to {context.workspace.root}: {text}: free or change it, or choose another --out"
        )
