"""`npubench run --suite onnx-node`: the ONNX project's own tests, a row each."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from npubench import __version__, plugins
from npubench.cli.report import write_report
from npubench.cli.terminal import counted, printable
from npubench.errors import ExitCode, UsageError
from npubench.identity import digest, sha256_of_file
from npubench.records import Accuracy, Failure, FailureClass, Figures, Kind, Result, Status
from npubench.specs import BoardSpec, CaseKind, Precision
from npubench.store import Store
from npubench.workspace import Workspace, writing

SUITE = "onnx-node"
TITLE = "The ONNX project's own node tests, outputs compared"
UNSUPPORTED = {FailureClass.UNSUPPORTED_OPERATOR, FailureClass.UNSUPPORTED_OPSET}


def run_node_tests(board: BoardSpec, out: Path, fresh: bool, strict: bool, quiet: bool) -> ExitCode:
    """Run what has no row yet, write the report, say the counts. Raises UsageError for another board."""
    if board.backend != "onnxruntime" or board.transport != "local":
        raise UsageError(
            f"the suite {SUITE} runs on the board local only, not on {board.name}: use --board local"
        )
    workspace = Workspace(out)
    workspace.create()
    with workspace.lock():
        store = Store.create(workspace.database)
        versions = plugins.backend(board.backend).probe().versions
        before = {} if fresh else _rows(store, versions)
        new = {row.case: row for row in _run(board, versions, before, workspace, store)}
        page = write_report(workspace, store)
        store.close()
    rows = {**before, **new}
    failed = [row for row in rows.values() if row.failure and row.failure.failure_class not in UNSUPPORTED]
    passed = sum(row.status is Status.OK for row in rows.values())
    if not quiet:
        for row in failed:
            if row.failure:
                click.echo(
                    printable(f"{row.case}: {row.failure.failure_class}: {row.failure.message}"), err=True
                )
        unsupported = len(rows) - passed - len(failed)
        counts = f"{passed} passed, {unsupported} unsupported, {len(failed)} failed"
        click.echo(f"{counted(len(rows), 'node test')}: {counts} ({len(before)} done before)")
    click.echo(f"report: {page}")
    return ExitCode.REGRESSION if strict and passed < len(rows) else ExitCode.OK


def _key(case: str, versions: Mapping[str, str]) -> str:
    return digest(SUITE, case, dict(versions))


def _rows(store: Store, versions: Mapping[str, str]) -> dict[str, Result]:
    return {row.case: row for row in store.latest() if row.key == _key(row.case, versions)}


def _run(
    board: BoardSpec,
    versions: Mapping[str, str],
    done: Mapping[str, Result],
    workspace: Workspace,
    store: Store,
) -> Iterator[Result]:
    from npubench.backends.onnxruntime import node_tests

    run_id = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{SUITE}"
    log = workspace.log_file(run_id, board.name, SUITE)
    with writing(log.parent):
        log.touch()
    for case, about, failure in node_tests.run(done, log):
        row = _row(case, about, failure, board, versions, run_id)
        row = replace(row, log_path=workspace.relative(log), log_sha256=sha256_of_file(log))
        store.append(row)
        yield row


def _row(
    case: str,
    about: Mapping[str, Any],
    failure: Failure | None,
    board: BoardSpec,
    versions: Mapping[str, str],
    run_id: str,
) -> Result:
    sha256 = about.get("sha256")
    accuracy = Accuracy(None, None, about.get("max_abs"))
    figures = Figures(Kind.MEASURED, accuracy=accuracy, artifact_sha256=sha256)
    return Result(
        key=_key(case, versions),
        run_id=run_id,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_s=0.0,
        board=board.name,
        chip=board.chip,
        backend=board.backend,
        tools=versions,
        case=case,
        case_kind=CaseKind.OPERATOR,
        precision=Precision.FP32,
        status=Status.FAILED if failure else Status.OK,
        onnx_sha256=sha256,
        artifact_sha256=sha256,
        opset=about.get("opset"),
        operators=dict.fromkeys(about.get("operators", ()), 1),
        op=SUITE,
        figures=None if failure else figures,
        failure=replace(failure, detail="") if failure else None,
        command=("npubench", *sys.argv[1:]),
        npubench_version=__version__,
    )
