"""`npubench results` and `npubench show`."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npubench.cli import values
from npubench.cli.atlas import (
    atlas_options,
    figure_doubts_seen,
    print_published,
    published_rows,
    read_atlas,
    refuse_filters,
)
from npubench.cli.beside import against_chips
from npubench.cli.options import shared_options
from npubench.domain.errors import UsageError
from npubench.domain.layout import record_table, terminal_columns, wrapped
from npubench.domain.text import counted, did_you_mean, printable

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.published.atlas import PublishedFigure
    from npubench.reporting.data.published_comparison import ComparedCase, PublishedComparison


@click.command()
@click.argument("cases", nargs=-1, shell_complete=values.stored_cases)
@click.option("--board", help="Only this board's rows.", shell_complete=values.stored_boards)
@shared_options("json")
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets.")
@click.option("--missing-operators", is_flag=True, help="Rank what toolchains lack by the models it blocks.")
@click.option("--doubts", is_flag=True, help="Rows that may not be what they say, with the evidence.")
@click.option(
    "--against",
    type=click.Choice(["published", "chips"]),
    help="Own rows beside published ones: ratio, ranks; chips: beside the same networks on any chip.",
)
@click.option("--published", is_flag=True, help="What others published: shipped, and your own tables of it.")
@click.option(
    "--networks", "of_networks", is_flag=True,
    help="Published: which networks the names mean, why, and which names mean none that is known.",
)  # fmt: skip
@click.option("--cpu", "of_processors", is_flag=True, help="The rows of the stage cpu, one by one.")
@atlas_options
@shared_options("out")
def results(
    cases: tuple[str, ...],
    board: str | None,
    as_json: bool,
    as_csv: bool,
    missing_operators: bool,
    doubts: bool,
    against: str | None,
    published: bool,
    of_networks: bool,
    of_processors: bool,
    filters: dict[str, tuple[str, ...]],
    table_folders: tuple[Path, ...],
    out: Path,
) -> None:
    """Print the newest row of every case at OUT, or of CASES (names or globs)."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    asked = {"--missing-operators": missing_operators, "--doubts": doubts, "--against": against is not None}
    views = [name for name, wanted in {**asked, "--networks": of_networks}.items() if wanted]
    if len(views) > 1:
        raise click.UsageError(f"{' and '.join(views)} exclude each other")
    if views and as_csv:
        raise click.UsageError(f"{views[0]} is a table or --json, not --csv")
    if published and against:
        raise click.UsageError("--against lines up own rows: leave --published out")
    if not published:
        refuse_filters(filters, () if against else table_folders, of_networks)
    figures: Sequence[PublishedFigure] = ()
    if published:
        found, figures = _published(cases, board, filters, table_folders)
        history: list[Result] = []
    else:
        found, history = _stored(
            out, cases, board, doubts or not (views or as_json or as_csv or of_processors)
        )
    if views:
        if of_networks:
            records, lines = networks(figures)
        elif against:
            lined_up = against_chips if against == "chips" else against_published
            records, lines = lined_up(found, table_folders)
        else:
            records, lines = _seen(views[0], found, history, published)
        if published and doubts:
            more = figure_doubts_seen(figures, table_folders)
            records, lines = [*records, *more[0]], [*lines, *more[1]]
        as_text = [json.dumps([asdict(one) for one in records], indent=1, allow_nan=False)]
        for line in as_text if as_json else lines:
            click.echo(line)
        return
    if of_processors:
        print_rows(found, as_json, as_csv)
    elif published:
        print_published(found, figures, as_json, as_csv)
    else:
        _print_results(found, history, as_json, as_csv, out)


def _print_results(
    found: "Sequence[Result]", history: "Sequence[Result]", as_json: bool, as_csv: bool, out: Path
) -> None:
    from npubench.reporting.data.rows import row_of
    from npubench.reporting.data.table import to_csv, to_json

    rows = [row_of(result) for result in found]
    if as_csv:
        click.echo(to_csv(rows), nl=False)
    elif as_json:
        click.echo(to_json(rows))
    else:
        from npubench.reporting import sanity
        from npubench.reporting.terminal.advice import advice_of, doubts_line
        from npubench.reporting.terminal.results import to_text

        doubted = sanity.doubts(found, history)
        advice, more = advice_of(found, doubted, out), doubts_line(doubted, out)
        click.echo(to_text(rows, terminal_columns(), advice, more))


def _seen(view: str, found: "Sequence[Result]", history: "Sequence[Result]", published: bool) -> "View":
    if view == "--doubts":
        return doubts(found, history)
    return published_missing_operators() if published else missing_operators(found)


def _stored(
    out: Path, cases: Sequence[str], board: str | None, with_history: bool
) -> "tuple[list[Result], list[Result]]":
    """The newest rows that are meant; with older ones, which tell what is usual on a board."""
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        found = _matching(store.latest(board=board), cases, board, store.boards())
        return found, store.earlier(board=board) if with_history else []


def _published(
    cases: Sequence[str], board: str | None, filters: "dict[str, tuple[str, ...]]", folders: Sequence[Path]
) -> "tuple[list[Result], list[PublishedFigure]]":
    from npubench.published import results
    from npubench.published.query import Query

    boards = {row.board for row in results()}
    if board is not None and board not in boards:
        raise UsageError(_no_board(board, boards))
    return published_rows(cases, board, Query(**filters), folders)


def _matching(
    found: "list[Result]", cases: Sequence[str], board: str | None, boards: Collection[str]
) -> "list[Result]":
    if board is not None and not found:
        raise UsageError(_no_board(board, boards))
    for pattern in cases:
        if not any(_is_meant(row.case, pattern) for row in found):
            raise UsageError(_nothing_like(pattern, [row.case for row in found]))
    return [row for row in found if not cases or any(_is_meant(row.case, pattern) for pattern in cases)]


def _is_meant(case: str, pattern: str) -> bool:
    return case == pattern or fnmatchcase(case, pattern)


def _nothing_like(name: str, known: Sequence[str]) -> str:
    near = did_you_mean(name, known)
    # A short name of a network is often the beginning of a long one, which is not near it letter by letter.
    holding = [one for one in known if name.strip() and name.casefold() in one.casefold()]
    if holding and not near:
        near = did_you_mean(min(holding, key=len), holding, most=1)
    return f"no results of {name!r}{near}: see `npubench results`"


def _no_board(board: str, known: Collection[str]) -> str:
    there = ", ".join(sorted(known)[:8]) or "none"
    return f"no results of board {board!r} there{did_you_mean(board, known)}: there are those of {there}"


@click.command()
@click.argument("case", shell_complete=values.stored_cases)
@click.option("--board", help="Only this board's row.", shell_complete=values.stored_boards)
@click.option("--precision", type=click.Choice(["fp32", "int8"]))
@click.option("--log/--no-log", "with_log", default=True, show_default=False, help="The raw log, too.")
@shared_options("json", "out")
def show(
    case: str, board: str | None, precision: str | None, with_log: bool, as_json: bool, out: Path
) -> None:
    """Show the newest row of CASE: figures, provenance, board state and raw log."""
    from npubench.reporting.data.rows import row_of
    from npubench.storage.store import Store

    with Store.read(out / "results.db") as store:
        found = [row for row in store.latest(case=case, board=board) if precision in (None, row.precision)]
        rows = [] if as_json else store.latest()
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
        return
    _print_shown(found, rows, with_log, out)


def _print_shown(found: "Sequence[Result]", rows: "Sequence[Result]", with_log: bool, out: Path) -> None:
    """These rows one after the other; what is doubtful about them shows among all `rows`."""
    from npubench.reporting import sanity
    from npubench.reporting.terminal.show import lines_of

    doubted = sanity.doubts(rows)
    for number, result in enumerate(found):
        own = [one for one in doubted if one.is_about(result)]
        click.echo("\n".join([*([""] if number else []), *lines_of(result, own, out, terminal_columns())]))
        if with_log:
            _print_log(result, out)


LOG_LINE = 300
"""Characters of a log's line that are shown: what programs tell each other has thousands."""


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
        cut = f" ... ({len(line)} characters: the file has all)" if len(line) > LOG_LINE else ""
        click.echo(f"{printable(line[:LOG_LINE])}{cut}")
    click.echo("---")


View = tuple[Sequence[Any], list[str]]
"""Records for programs, and lines for people."""


def missing_operators(found: "Sequence[Result]") -> View:
    """Operators that toolchains lack, by the models that they block."""
    from npubench.reporting.data import op_support

    ranking = op_support.missing_operators(found)
    rows = [
        [one.operator, one.backend, str(len(one.models)), str(len(one.cases)), ", ".join(one.models)]
        for one in ranking
    ]
    head = ["operator", "backend", "models", "operator cases", "which models"]
    if not rows:
        return ranking, ["no row says that an operator is missing"]
    return ranking, record_table(head, rows, terminal_columns(), right=head[2:4])


def networks(figures: "Sequence[PublishedFigure]") -> View:
    """The networks of published figures with their names, and the names that joined to none."""
    from npubench.reporting.data.networks import networks_of, to_lines, totals

    uses = networks_of(figures)
    return uses, to_lines(uses, totals(figures), terminal_columns())


def published_missing_operators() -> View:
    """The same as it was published: how many models an operator blocked, not which."""
    from npubench import published

    ranking = published.missing_operators()
    rows = [[one.operator, one.backend, str(one.models_blocked), one.source] for one in ranking]
    head = ["operator", "backend", "models", "published in"]
    return ranking, record_table(head, rows, terminal_columns(), right=("models",))


def doubts(found: "Sequence[Result]", history: "Sequence[Result]") -> View:
    """Rows that may not be what they say, the strong doubts first; `history` tells what is usual."""
    from npubench.reporting import sanity

    all_doubts, width = sanity.doubts(found, history), terminal_columns()
    lines: list[str] = []
    for doubt in all_doubts:
        where = f"{doubt.board} {doubt.precision}".strip()
        lines += wrapped(f"{doubt.strength} {doubt.doubt_class} on {where}: {doubt.reason}", width, "", "  ")
        below = [f"cases: {', '.join(doubt.cases)}" if doubt.cases else "the board itself", *doubt.evidence]
        below += [f"next: {doubt.next_step}"] if doubt.next_step else []
        lines += [line for text in below for line in wrapped(text, width, "    ", "      ")]
    strong = sum(doubt.strength is sanity.Strength.STRONG for doubt in all_doubts)
    counts = f"{counted(len(found), 'row')}: {counted(len(all_doubts), 'doubt')}, {strong} of them strong"
    return all_doubts, [*lines, counts]


def against_published(own: "Sequence[Result]", folders: Sequence[Path] = ()) -> View:
    """Own rows beside the published ones of the same cases, and of the same networks on the same chip."""
    from npubench import published
    from npubench.reporting.data.atlas_comparison import compare_with_atlas
    from npubench.reporting.data.published_comparison import compare_with_published, left_out

    found = compare_with_published(own, published.results())
    found += compare_with_atlas(own, read_atlas(folders).figures, found)
    lines = [line for one in found for line in _line_up(one)]
    if emulated := left_out(own):
        lines.append(f"{counted(emulated, 'emulated row')} left out: no figure of theirs is a chip's")
    if not found:
        lines.append("no own figure has a published one of the same network, chip and kind: see")
        lines.append("`npubench results --published --networks` for the names that are joined")
    return found, lines


def _line_up(one: "PublishedComparison") -> list[str]:
    from npubench.reporting.data.figures import mark

    here, width = f"{one.board} ({one.chip}, {one.precision})", terminal_columns()
    rows = [
        [
            *(line.case, line.published_case, f"{line.own_us:.6g}", f"{line.published_us:.6g}"),
            f"{mark(line.bound)}{line.ratio:.3f}" if line.bound else "-",
            "doubtful" if line.doubtful else "a bound" if not line.sure else "",
        ]
        for line in one.lines
    ]
    count = counted(sum(line.sure for line in one.lines), "case")
    rho = "not told" if one.rank_correlation is None else f"{one.rank_correlation:.3f}"
    table = record_table(
        ["case", "published as", "own us", "published us", "ratio", ""],
        rows, width, right=("own us", "published us", "ratio"),
    )  # fmt: skip
    above = f"{one.kind} here; published there, {one.kind} by its publisher: {one.source}"
    below = [
        *(text for case in one.lines for text in _why(case)),
        f"geometric mean of own / published over {count}: {_interval(one.ratio)}",
        f"Spearman's rank correlation: {rho}",
        *one.notes,
    ]
    return [
        *wrapped(f"{here} beside {one.published_board}: {one.basis}", width, "", "  "),
        *wrapped(above, width, "    ", "      "),
        *table,
        *(line for text in below for line in wrapped(text, width, "    ", "      ")),
        "",
    ]


def _why(line: "ComparedCase") -> list[str]:
    """The likely causes of a difference, the likeliest first."""
    if not line.causes:
        return []
    causes = "; ".join(f"{number}. {cause.kind}: {cause.told}" for number, cause in enumerate(line.causes, 1))
    return [f"{line.case}, {line.ratio:.2f}: {causes}"]


def _interval(value: Any) -> str:
    from npubench.reporting.compare.statistics import Interval

    if isinstance(value, Interval):
        return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f}; {value.method})"
    return "not told" if value is None else f"{value:.3f}"


def print_rows(results: "Sequence[Result]", as_json: bool, as_csv: bool) -> None:
    """Print every processor row of these results."""
    from npubench.reporting.data.formatting import significant
    from npubench.reporting.data.processor import COLUMNS, SHOWN, processor_rows, rate_of
    from npubench.reporting.data.table import csv_of

    rows = processor_rows(results)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif as_csv:
        click.echo(csv_of(COLUMNS, [[row[name] for name in COLUMNS] for row in rows]), nl=False)
    elif not rows:
        click.echo("no processor was measured there: npubench run --stages cpu")
    else:
        lines = []
        for row in rows:
            rate, unit = rate_of(row)
            shown = [_text(row[name]) for name in SHOWN]
            lines.append([*shown, f"{significant(rate, separator='')} {unit}" if rate is not None else "-"])
        head = [*(name.replace("_", " ") for name in SHOWN), "rate"]
        click.echo("\n".join(record_table(head, lines, terminal_columns())))


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
