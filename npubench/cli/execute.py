"""Runs a plan for the command line: listeners, workspace, report, exit code."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from npubench.cli.assemble import Boards, make_context
from npubench.cli.listeners import listener
from npubench.cli.report import write_report
from npubench.domain.errors import ExitCode
from npubench.domain.records import FailureClass, Kind, Result, Status, Verdict
from npubench.domain.specs import FileSpec, Precision, titled
from npubench.domain.text import counted, printable
from npubench.engine import plugins
from npubench.engine import run as engine
from npubench.engine.plan import Plan, Request
from npubench.reporting.data.accuracy import low_rows
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace

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


def execute(
    plan: Plan,
    boards: Boards,
    request: Request,
    out: Path,
    workers: int | None,
    fresh: bool,
    strict: bool,
    style: str,
    wrong_input: int,
    wait_s: float | None = None,
) -> int:
    """Run the plan, write the report, say where it is; the exit code."""
    workspace = Workspace(out)
    workspace.create()
    with workspace.lock():
        store = Store.create(workspace.database)
        with listener(style) as listen:
            context = make_context(workspace, request, boards, [listen], fresh, plan.benchmarks, wait_s)
            count = workers or max(1, (os.cpu_count() or 2) // 2)
            summary = engine.run(plan, count, lambda b: plugins.transport(b.transport), context, store)
        failures = store.failed({job.key for job in plan.jobs})
        low = _low(plan, store, summary.results)
        page = write_report(workspace, store)
        store.close()
    if summary.interrupted:
        click.echo("npubench: interrupted: finished cases are kept, the same command continues", err=True)
        click.echo(f"report: {page}", err=style == "json")
        return ExitCode.INTERRUPTED
    if style not in {"json", "quiet"}:
        _tell(plan, failures, summary.results)
    click.echo(f"report: {page}{f'; {low}' if low else ''}", err=style == "json")
    return exit_code(plan, failures, summary.results, wrong_input, strict)


def _low(plan: Plan, store: Store, new: Sequence[Result]) -> str:
    """The planned rows of low accuracy, those done before included, for the last line."""
    fresh = {result.key for result in new}
    before = {job.key for job in plan.jobs} - fresh
    old = [row for row in store.latest(brief=True) if row.key in before] if before else []
    return printable(low_rows([*new, *old]))


def _tell(plan: Plan, failures: Sequence[Result], new: Sequence[Result]) -> None:
    done = len({job.key for job in plan.jobs if job.done is not None} - {result.key for result in new})
    click.echo(
        f"{counted(len(plan.jobs), 'case')}: {len(plan.jobs) - len(failures)} ok, {len(failures)} failed"
        + (f" ({done} done before)" if done else "")
    )
    fresh = {result.key for result in new}
    for result in failures:
        if result.key not in fresh and result.failure:
            text = f"{titled(result.case, result.precision)} on {result.board}: {result.failure.message}"
            click.echo(f"failed before: {printable(text)}", err=True)


def exit_code(
    plan: Plan, failures: Sequence[Result], new: Sequence[Result], wrong_input: int, strict: bool
) -> ExitCode:
    """The exit code for the planned cases, those done before included; see docs/measuring.md."""
    files = {job.key for job in plan.jobs if isinstance(job.case, FileSpec)}
    classes = {failure.key: failure.failure.failure_class for failure in failures if failure.failure}
    if wrong_input or any(key in files and cls in INPUT_CLASSES for key, cls in classes.items()):
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
    if strict and any(_is_doubtful(result) for result in new):
        return ExitCode.UNSTABLE
    return ExitCode.OK


def _is_doubtful(result: Result) -> bool:
    """Only what was measured can be unstable, and of a board's own benchmarks only what has a verdict."""
    if result.figures is None or result.figures.kind is not Kind.MEASURED:
        return False
    if result.precision is Precision.NONE and result.verdict is None:
        return False
    return result.status is Status.OK and result.verdict is not Verdict.STABLE
