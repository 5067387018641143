"""`npubench import`: rows out of logs that other programs wrote, or out of what was published."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.options import PATH, load_catalog, say_problem, shared_options
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.text import counted, printable

if TYPE_CHECKING:
    from npubench.domain.protocols import LogReading
    from npubench.domain.records import Result
    from npubench.domain.specs import BoardSpec
    from npubench.engine.session import RunSession


@click.group("import", no_args_is_help=False)
def import_() -> None:
    """Add rows out of logs that other programs wrote, or out of what was published."""


def _log_options(function: Callable[..., int]) -> Callable[..., int]:
    """What both names of the command take besides their --board."""
    for option in (
        shared_options("batch_axis", "catalog", "out"),
        click.option("--name", help="What the rows call that board, beside rows of its live runs."),
        click.argument("folder", type=PATH),
    ):
        function = option(function)
    return function


@import_.command("logs")
@click.option(
    "--board",
    required=True,
    help="The board that the logs are of; its backend reads them.",
    shell_complete=values.boards,
)
@_log_options
def logs(**words: Any) -> int:
    """Add the cases of FOLDER: one log a case, as the tools of the board's backend print them.

    Rows are as of a live run: simulated and measured figures apart, failures with their class. What
    was imported before is left alone, and so are cases that a live run has rows of; --name gives
    these a place of their own. A file that is no log costs a line and exit code 2.
    """
    return _import(**words)


@import_.command("pulsar-logs")
@click.option(
    "--board", default="axera-pi", help="The board that the logs are of.", shell_complete=values.boards
)
@_log_options
def pulsar_logs(**words: Any) -> int:
    """The old name of `import logs`, for AX620A boards."""
    return _import(**words)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of rows that are imported."""

    rows: "Sequence[Result]"  # all of them
    added: int  # so many were new
    known: int  # so many were imported before
    left_out: tuple[str, ...] = ()  # cases of which a live run has rows there


def _import(
    folder: Path,
    board: str,
    name: str | None,
    batch_axes: tuple[str, ...],
    catalog_folders: tuple[Path, ...],
    out: Path,
) -> int:
    from npubench.catalog import find_board
    from npubench.cli.report import page_stage
    from npubench.domain.protocols import LogReading
    from npubench.engine import plugins
    from npubench.engine.assemble import parse_batch_axes
    from npubench.engine.plan import RunOptions
    from npubench.engine.session import SessionStage, run_session
    from npubench.measure import reliability
    from npubench.measure.statistics import sampled
    from npubench.storage.hashing import digest
    from npubench.tools import logs

    batch = parse_batch_axes(batch_axes)
    catalog = load_catalog(catalog_folders)
    spec = _named(find_board(catalog, board), name)
    reading = plugins.backend(spec.backend)
    if not isinstance(reading, LogReading):
        raise UsageError(f"{spec.backend}, the backend of {spec.name}, reads no logs: choose another --board")
    try:
        cases, problems = logs.read_folder(folder, spec.backend, reading, _log_readers)
    except logs.NoLogError as error:
        for problem in error.problems[1:]:
            say_problem(problem)
        raise
    for problem in problems:
        say_problem(problem)

    def add(session: "RunSession") -> Imported:
        read = reliability.warned(logs.rows(cases, spec, f"import-{spec.name}", catalog.operators))
        rows = [sampled(row, batch) for row in read]
        if batch is not None:
            # Other samples make another row of the same log.
            rows = [replace(row, key=digest(row.key, batch)) for row in rows]
        return _add(rows, {case.name: case.log.path for case in cases}, session)

    given = run_session(RunOptions(out=out), (SessionStage(add, gives=Imported), page_stage()))
    _tell(given[Imported], spec.name)
    click.echo(f"report: {given[Path]}")
    return ExitCode.USAGE if problems or catalog.problems else ExitCode.OK


def _named(board: "BoardSpec", name: str | None) -> "BoardSpec":
    from npubench.catalog.schema import check_name

    try:
        return board if name is None else replace(board, name=check_name(name))
    except ValueError as error:
        raise UsageError(f"--name {error}") from error


def _log_readers() -> "dict[str, LogReading]":
    """Every installed backend that reads logs, by name."""
    from npubench.domain.protocols import LogReading
    from npubench.engine import plugins

    found: dict[str, LogReading] = {}
    for name in plugins.names(plugins.BACKENDS):
        # It only serves a hint: a plugin that cannot be imported spoils no import of logs.
        with suppress(UsageError):
            if isinstance(backend := plugins.backend(name), LogReading):
                found[name] = backend
    return found


def _add(rows: "Sequence[Result]", sources: dict[str, Path], session: "RunSession") -> Imported:
    """Keep each new row with a copy of its log."""
    from npubench.storage.workspace import writing

    store, workspace = session.store, session.workspace
    finished = store.final_keys()
    live = {
        (row.case, row.backend)
        for row in store.latest(board=rows[0].board)
        if "imported_from" not in row.protocol
    }
    added, known, left_out = 0, 0, []
    for row in rows:
        if row.key in finished:
            known += 1
        elif (row.case, row.backend) in live:
            left_out.append(row.case)
        else:
            log = workspace.log_file(row.run_id, row.case, row.key[:8])
            with writing(workspace.root):
                copyfile(sources[row.case], log)
            store.append(replace(row, log_path=workspace.relative(log)))
            added += 1
    return Imported(rows, added, known, tuple(left_out))


def _tell(found: Imported, board: str) -> None:
    from npubench.measure.reliability import suspicious_groups

    told = f"{len(found.rows)} cases: {found.added} added, {found.known} imported before"
    if live := len(found.left_out):
        told += f", {live} left out for rows of live runs on {printable(board)}: give --name to keep both"
    click.echo(told)
    for group in suspicious_groups(found.rows):
        say_problem(f"equal {group.kind} figures of different cases: {', '.join(group.cases)}")


@import_.command()
@shared_options("out")
def published(out: Path) -> None:
    """Add what others published of AXera chips; says of every column what it was for its publisher.

    Every figure is of kind published. What is there already is left alone.
    """
    from npubench.cli.report import page_stage
    from npubench.engine.plan import RunOptions
    from npubench.engine.session import SessionStage, run_session
    from npubench.published import table

    stages = (SessionStage(_add_published, gives=Imported), page_stage())
    given = run_session(RunOptions(out=out), stages)
    found = given[Imported]
    for name in dict.fromkeys(row.run_id for row in found.rows):
        shipped = table(name)
        count = counted(len(shipped.lines), "row")
        click.echo(f"{printable(shipped.title)} ({printable(shipped.source)}): {count}")
        for column in shipped.columns:
            click.echo(f"    {printable(column.statement)}")
    click.echo(f"{found.added} rows added, {found.known} imported before")
    click.echo(f"report: {given[Path]}")


def _add_published(session: "RunSession") -> Imported:
    from npubench import __version__, published

    rows = published.results()
    known = session.store.final_keys()
    new = [row for row in rows if row.key not in known]
    for row in new:
        session.store.append(replace(row, npubench_version=__version__))
    return Imported(rows, len(new), len(rows) - len(new))
