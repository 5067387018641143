"""`npubench import`: rows out of logs that other programs wrote."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import click

from npubench.cli.import_published import published
from npubench.cli.options import batch_axis_option, catalog_option, load_catalog, out_option
from npubench.domain.errors import ExitCode, UsageError
from npubench.domain.text import printable

if TYPE_CHECKING:
    from npubench.domain.protocols import LogReading
    from npubench.domain.records import Result
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace


@click.group("import", no_args_is_help=False)
def import_() -> None:
    """Add rows out of logs that other programs wrote, or out of what was published."""


import_.add_command(published)


_FOLDER = click.argument("folder", type=click.Path(path_type=Path))
_NAME = click.option(
    "--name", default=None, help="What the rows call that board, beside rows of its live runs."
)


@import_.command("logs")
@_FOLDER
@click.option("--board", required=True, help="The board that the logs are of; its backend reads them.")
@_NAME
@batch_axis_option
@catalog_option
@out_option
def logs(
    folder: Path,
    board: str,
    name: str | None,
    batch_axes: tuple[str, ...],
    catalog_folders: tuple[Path, ...],
    out: Path,
) -> int:
    """Add the cases of FOLDER: one log a case, as the tools of the board's backend print them.

    Rows are as of a live run: simulated and measured figures apart, failures with their class. What
    was imported before is left alone, and so are cases that a live run has rows of; --name gives
    these a place of their own. A file that is no log costs a line and exit code 2.
    """
    return _import(folder, board, name, batch_axes, catalog_folders, out)


@import_.command("pulsar-logs")
@_FOLDER
@click.option("--board", default="axera-pi", show_default=True, help="The board that the logs are of.")
@_NAME
@batch_axis_option
@catalog_option
@out_option
def pulsar_logs(
    folder: Path,
    board: str,
    name: str | None,
    batch_axes: tuple[str, ...],
    catalog_folders: tuple[Path, ...],
    out: Path,
) -> int:
    """The old name of `import logs`, for AX620A boards."""
    return _import(folder, board, name, batch_axes, catalog_folders, out)


def _import(
    folder: Path,
    board: str,
    name: str | None,
    batch_axes: tuple[str, ...],
    catalog_folders: tuple[Path, ...],
    out: Path,
) -> int:
    from dataclasses import replace

    from npubench.backends.axera import equal_figures
    from npubench.catalog import find_board
    from npubench.catalog.schema import check_name
    from npubench.cli.batch_axes import parse_batch_axes
    from npubench.cli.report import write_report
    from npubench.domain.protocols import LogReading
    from npubench.engine import plugins
    from npubench.measure.sampling import sampled
    from npubench.storage.hashing import digest
    from npubench.storage.store import Store
    from npubench.storage.workspace import Workspace
    from npubench.tools import logs

    batch = parse_batch_axes(batch_axes)
    catalog = load_catalog(catalog_folders)
    of = find_board(catalog, board)
    if name is not None:
        try:
            of = replace(of, name=check_name(name))
        except ValueError as error:
            raise UsageError(f"--name {error}") from error
    reading = plugins.backend(of.backend)
    if not isinstance(reading, LogReading):
        raise UsageError(f"{of.backend}, the backend of {of.name}, reads no logs: choose another --board")
    try:
        cases, problems = logs.read_folder(folder, of.backend, reading, _log_readers)
    except logs.NoLogError as error:
        _tell_problems(error.problems[1:])
        raise
    _tell_problems(problems)
    workspace = Workspace(out)
    workspace.create()
    with workspace.lock():
        store = Store.create(workspace.database)
        rows = logs.rows(cases, of, f"import-{of.name}", catalog.operators)
        rows = equal_figures.warned(rows)
        rows = [sampled(row, batch) for row in rows]
        if batch is not None:
            # Other samples make another row of the same log.
            rows = [replace(row, key=digest(row.key, batch)) for row in rows]
        added, known, live = _add(rows, {case.name: case.source for case in cases}, workspace, store)
        page = write_report(workspace, store)
        store.close()
    _tell(rows, added, known, live, of.name)
    click.echo(f"report: {page}")
    return ExitCode.USAGE if problems or catalog.problems else ExitCode.OK


def _tell_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        click.echo(f"npubench: {printable(problem)}", err=True)


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


def _add(
    rows: "Sequence[Result]", sources: dict[str, Path], workspace: "Workspace", store: "Store"
) -> tuple[int, int, list[str]]:
    """Keep each new row with a copy of its log; how many were new and known, and which have live rows."""
    from dataclasses import replace

    from npubench.storage.workspace import writing

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
    return added, known, left_out


def _tell(rows: "Sequence[Result]", added: int, known: int, live: Sequence[str], board: str) -> None:
    from npubench.backends.axera.equal_figures import suspicious_groups

    click.echo(f"{len(rows)} cases: {added} added, {known} imported before" + _left_out(live, board))
    for group in suspicious_groups(rows):
        cases = ", ".join(map(printable, group.cases))
        click.echo(f"npubench: equal {group.kind} figures of different cases: {cases}", err=True)


def _left_out(live: Sequence[str], board: str) -> str:
    if not live:
        return ""
    return f", {len(live)} left out for rows of live runs on {printable(board)}: give --name to keep both"
