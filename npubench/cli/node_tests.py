"""`npubench run --suite onnx-node`: the ONNX project's own tests, a row each."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from npubench import __version__
from npubench.catalog import NODE_TESTS, find_board
from npubench.cli.listeners import counting, listener
from npubench.cli.options import load_catalog
from npubench.cli.report import page_stage
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.figures import Accuracy, Figures, Kind
from npubench.domain.records import CURRENT, Failure, FailureClass, Result, Status
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.domain.text import counted
from npubench.engine import plugins
from npubench.engine.plan import RunOptions
from npubench.engine.session import (
    JobFinished,
    Listener,
    RunSession,
    SessionStage,
    run_session,
    unheard,
)
from npubench.storage.hashing import digest, sha256_of_file
from npubench.storage.store import Store
from npubench.storage.workspace import Workspace, writing

TITLE = "The ONNX project's own node tests, outputs compared"
UNSUPPORTED = {FailureClass.UNSUPPORTED_OPERATOR, FailureClass.UNSUPPORTED_OPSET}


def run(options: RunOptions, style: str, strict: bool, dry_run: bool) -> ExitCode:
    """Run what has no row yet, write the report, say the counts; dry: say what would run.

    ONNX's own tests bring their data and are no cases of the catalogue. Raises UsageError for another board.
    """
    if len(options.selection.suites) > 1 or options.selection.cases or len(options.boards) > 1:
        raise click.UsageError(f"--suite {NODE_TESTS} goes alone: without cases, other suites and boards")
    board = find_board(load_catalog(options.selection.catalog_folders), options.boards[0])
    versions = _versions(board)
    before = _before(options, versions)
    if dry_run:
        _print_plan(before, style)
        return ExitCode.OK

    def run_missing(session: RunSession) -> tuple[Result, ...]:
        return tuple(_run(board, versions, before, session))

    stages = (SessionStage(run_missing, gives=tuple), page_stage())
    given = run_session(options, stages, listener=_listener(style))
    rows = (*before.values(), *given[tuple])
    passed = sum(row.status is Status.OK for row in rows)
    if style == "auto":
        unsupported = sum(map(_unsupported, rows))
        counts = f"{passed} passed, {unsupported} unsupported, {len(rows) - passed - unsupported} failed"
        click.echo(f"{counted(len(rows), 'node test')}: {counts} ({len(before)} done before)")
    click.echo(f"report: {given[Path]}", err=style == "json")
    return ExitCode.REGRESSION if strict and passed < len(rows) else ExitCode.OK


def _before(options: RunOptions, versions: Mapping[str, str]) -> Mapping[str, Result]:
    database = Workspace(options.out).database
    if options.fresh or not database.is_file():
        return {}
    with Store.read(database) as store:
        return {row.case: row for row in store.latest() if row.key == _key(row.case, versions)}


def _print_plan(before: Mapping[str, Result], style: str) -> None:
    from npubench.backends.onnxruntime import node_tests

    names = node_tests.names()
    if style == "json":
        click.echo(json.dumps([{"case": n, "state": "done" if n in before else "to run"} for n in names]))
    else:
        todo = sum(name not in before for name in names)
        done = len(names) - todo
        click.echo(f"{counted(len(names), 'node test')} planned, {done} done, {todo} to run")


def _versions(board: BoardSpec) -> Mapping[str, str]:
    if board.backend != "onnxruntime" or board.transport != "local":
        raise UsageError(
            f"the suite {NODE_TESTS} runs on the board local only, not on {board.name}: use --board local"
        )
    return plugins.backend(board.backend).probe().versions


def _unsupported(row: Result) -> bool:
    return row.failure is not None and row.failure.failure_class in UNSUPPORTED


def _listener(style: str) -> AbstractContextManager[Listener]:
    """Of the many rows a person hears a count that moves, and what failed; a program every one."""
    if style == "auto":
        return counting(JobFinished, _failed, "node tests")
    return listener(style) if style == "json" else nullcontext(unheard)


def _failed(event: JobFinished) -> str | None:
    row = event.result
    if row.failure is None or _unsupported(row):
        return None
    return f"{row.case}: {row.failure.failure_class}: {row.failure.message}"


def _key(case: str, versions: Mapping[str, str]) -> str:
    return digest(NODE_TESTS, case, dict(versions))


def _run(
    board: BoardSpec, versions: Mapping[str, str], done: Mapping[str, Result], session: RunSession
) -> Iterator[Result]:
    from npubench.backends.onnxruntime import node_tests

    run_id = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{NODE_TESTS}"
    log = session.workspace.log_file(run_id, board.name, NODE_TESTS)
    with writing(log.parent):
        log.touch()
    base = Result(
        key="",
        run_id=run_id,
        started_at="",
        duration_s=0.0,
        board=board.name,
        chip=board.chip,
        backend=board.backend,
        tools=versions,
        case="",
        case_kind=CaseKind.OPERATOR,
        precision=Precision.FP32,
        status=Status.OK,
        op=NODE_TESTS,
        command=session.command,
        log_path=session.workspace.relative(log),
        npubench_version=__version__,
        definitions=CURRENT,
    )
    for case, about, failure in node_tests.run(done, log):
        known = replace(base, key=_key(case, versions), case=case, log_sha256=sha256_of_file(log))
        row = _row(known, about, failure)
        session.store.append(row)
        session.announce(JobFinished(row))
        yield row


def _row(base: Result, about: Mapping[str, Any], failure: Failure | None) -> Result:
    sha256 = about.get("sha256")
    accuracy = Accuracy(None, None, about.get("max_abs"))
    return replace(
        base,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        status=Status.FAILED if failure else Status.OK,
        onnx_sha256=sha256,
        artifact_sha256=sha256,
        opset=about.get("opset"),
        operators=dict.fromkeys(about.get("operators", ()), 1),
        figures=None if failure else Figures(Kind.MEASURED, accuracy=accuracy, artifact_sha256=sha256),
        failure=replace(failure, detail="") if failure else None,
    )
