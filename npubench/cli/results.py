"""`npubench results` and `npubench show`."""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli.options import json_option, out_option
from npubench.domain.errors import UsageError
from npubench.domain.text import did_you_mean, printable

if TYPE_CHECKING:
    from npubench.domain.records import Result


@click.command()
@click.argument("cases", nargs=-1)
@click.option("--board", default=None, help="Only this board's rows.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets.")
@click.option("--missing-operators", is_flag=True, help="Rank what toolchains lack by the models it blocks.")
@click.option("--doubts", is_flag=True, help="Rows that may not be what they say, with the evidence.")
@click.option(
    "--against", type=click.Choice(["published"]), help="Own rows beside published ones: ratio, ranks."
)
@click.option("--published", is_flag=True, help="The rows that others published and npubench ships.")
@click.option("--cpu", "of_processors", is_flag=True, help="The rows of the stage cpu, one by one.")
@out_option
def results(
    cases: tuple[str, ...],
    board: str | None,
    as_json: bool,
    as_csv: bool,
    missing_operators: bool,
    doubts: bool,
    against: str | None,
    published: bool,
    of_processors: bool,
    out: Path,
) -> int:
    """Print the newest row of every case at OUT, or of CASES (names or globs)."""
    from npubench.reporting.data.rows import row_of
    from npubench.reporting.data.table import to_csv, to_json, to_text

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    view = _view(missing_operators, doubts, against, as_csv)
    if published and against:
        raise click.UsageError("--against lines up own rows: leave --published out")
    found = _published(cases, board) if published else _stored(out, cases, board)
    if view is not None:
        history = _earlier(out, board) if doubts and not published else []
        records, lines = _seen(view, found, history, published)
        as_text = [json.dumps([asdict(one) for one in records], indent=1, allow_nan=False)]
        for line in as_text if as_json else lines:
            click.echo(line)
        return 0
    if of_processors:
        from npubench.cli.result_views import print_rows

        print_rows(found, as_json, as_csv)
        return 0
    rows = [row_of(result) for result in found]
    if as_json:
        click.echo(to_json(rows))
    elif as_csv:
        click.echo(to_csv(rows), nl=False)
    else:
        click.echo(to_text(rows, shutil.get_terminal_size((120, 24)).columns))
    return 0


def _view(missing_operators: bool, doubts: bool, against: str | None, as_csv: bool) -> str | None:
    asked = {"--missing-operators": missing_operators, "--doubts": doubts, "--against": against is not None}
    views = [name for name, wanted in asked.items() if wanted]
    if len(views) > 1:
        raise click.UsageError(f"{' and '.join(views)} exclude each other")
    if views and as_csv:
        raise click.UsageError(f"{views[0]} is a table or --json, not --csv")
    return views[0] if views else None


def _earlier(out: Path, board: str | None) -> "list[Result]":
    """Older rows: they tell what is usual on a board."""
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        return store.earlier(board=board)


def _seen(
    view: str, found: "Sequence[Result]", history: "Sequence[Result]", published: bool
) -> "tuple[Sequence[Any], list[str]]":
    from npubench.cli import result_views

    if view == "--doubts":
        return result_views.doubts(found, history)
    if view == "--against":
        return result_views.against_published(found)
    if published:
        return result_views.published_missing_operators()
    return result_views.missing_operators(found)


def _stored(out: Path, cases: Sequence[str], board: str | None) -> "list[Result]":
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        return _matching(store.latest(board=board), cases, board, store.boards())


def _published(cases: Sequence[str], board: str | None) -> "list[Result]":
    from npubench import published

    rows = published.results()
    found = [row for row in rows if board in (None, row.board)]
    return _matching(found, cases, board, {row.board for row in rows})


def _matching(
    found: "list[Result]", cases: Sequence[str], board: str | None, boards: Collection[str]
) -> "list[Result]":
    if board is not None and not found:
        raise UsageError(_no_board(board, boards))
    if not cases:
        return found
    for pattern in cases:
        if not any(_is_meant(result.case, pattern) for result in found):
            raise UsageError(_nothing_like(pattern, [result.case for result in found]))
    return [result for result in found if any(_is_meant(result.case, pattern) for pattern in cases)]


def _is_meant(case: str, pattern: str) -> bool:
    return case == pattern or fnmatchcase(case, pattern)


def _nothing_like(name: str, known: Sequence[str]) -> str:
    return f"no results of {name!r}{did_you_mean(name, known)}: see `npubench results`"


def _no_board(board: str, known: Collection[str]) -> str:
    there = ", ".join(sorted(known)[:8]) or "none"
    return f"no results of board {board!r} there{did_you_mean(board, known)}: there are those of {there}"


@click.command()
@click.argument("case")
@click.option("--board", default=None, help="Only this board's row.")
@click.option("--precision", type=click.Choice(["fp32", "int8"]), default=None)
@click.option("--log/--no-log", "with_log", default=True, help="The raw log, too.  [default: yes]")
@json_option
@out_option
def show(
    case: str, board: str | None, precision: str | None, with_log: bool, as_json: bool, out: Path
) -> int:
    """Show the newest row of CASE: figures, provenance, board state and raw log."""
    from npubench.reporting.data.rows import row_of
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        found = [row for row in store.latest(case=case, board=board) if precision in (None, row.precision)]
        boards, cases = store.boards(), store.case_names() if not found else []
    if board is not None and board not in boards:
        raise UsageError(_no_board(board, boards))
    if not found and case in cases:
        asked = " and ".join(filter(None, (board and f"of board {board!r}", precision and f"in {precision}")))
        raise UsageError(f"no results of {case!r} {asked}: see `npubench results`")
    if not found:
        raise UsageError(_nothing_like(case, cases))
    if as_json:
        click.echo(json.dumps([row_of(result) for result in found], indent=1))
        return 0
    for result in found:
        _print_tree(row_of(result))
        if with_log:
            _print_log(result, out)
    return 0


def _print_tree(value: object, indent: int = 0, name: str = "") -> None:
    pad = "  " * indent
    if isinstance(value, dict) and value:
        if name:
            click.echo(f"{pad}{printable(name)}:")
        for key, inner in value.items():
            _print_tree(inner, indent + bool(name), str(key))
    elif isinstance(value, list) and value and isinstance(value[0], (dict, list)):
        click.echo(f"{pad}{printable(name)}: {printable(json.dumps(value, ensure_ascii=False))}")
    else:
        text = "-" if value in (None, {}, [], ()) else value
        text = ", ".join(str(item) for item in text) if isinstance(text, (list, tuple)) else str(text)
        click.echo(f"{pad}{printable(name)}: {printable(text)}")


def _print_log(result: "Result", out: Path) -> None:
    from npubench.storage.hashing import sha256_of_file

    if result.log_path is None:
        click.echo("log: none was kept")
        return
    log = out / result.log_path
    if not log.is_file():
        click.echo(f"log: {printable(str(log))} is gone")
        return
    changed = "" if sha256_of_file(log) == result.log_sha256 else " (changed since the row was written)"
    click.echo(f"--- log {printable(result.log_path)}{changed}")
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        click.echo(printable(line))
    click.echo("---")
