"""What `npubench results` prints besides rows: missing operators, doubts, published rows, processors."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from npubench.domain.text import counted, printable, text_table

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.data.published_comparison import LineUp


def print_ranking(found: "Sequence[Result]", as_json: bool) -> None:
    """Operators that toolchains lack, by the models that they block."""
    from npubench.reporting.data.op_support import missing_operators

    ranking = missing_operators(found)
    if as_json:
        _json(ranking)
    elif not ranking:
        click.echo("no row says that an operator is missing")
    else:
        rows = [
            [one.operator, one.backend, str(len(one.models)), str(len(one.cases)), ", ".join(one.models)]
            for one in ranking
        ]
        click.echo(text_table(["operator", "backend", "models", "operator cases", "which models"], rows))


def print_published_ranking(as_json: bool) -> None:
    """The same as it was published: how many models an operator blocked, not which."""
    from npubench.published import missing_operators

    ranking = missing_operators()
    if as_json:
        _json(ranking)
        return
    rows = [[one.operator, one.backend, str(one.models_blocked), one.source] for one in ranking]
    click.echo(text_table(["operator", "backend", "models", "published in"], rows))


def print_doubts(found: "Sequence[Result]", history: "Sequence[Result]", as_json: bool) -> None:
    """Rows that may not be what they say, the strong doubts first; `history` tells what is usual."""
    from npubench.reporting.sanity import Strength, doubts

    all_doubts = doubts(found, history)
    if as_json:
        _json(all_doubts)
        return
    for doubt in all_doubts:
        where = f"{doubt.board} {doubt.precision}".strip()
        click.echo(f"{doubt.strength} {doubt.doubt_class} on {printable(where)}: {printable(doubt.reason)}")
        click.echo(
            f"    cases: {printable(', '.join(doubt.cases))}" if doubt.cases else "    the board itself"
        )
        for line in doubt.evidence:
            click.echo(f"    {printable(line)}")
        if doubt.next_step:
            click.echo(f"    next: {printable(doubt.next_step)}")
    strong = sum(doubt.strength is Strength.STRONG for doubt in all_doubts)
    click.echo(f"{counted(len(found), 'row')}: {counted(len(all_doubts), 'doubt')}, {strong} of them strong")


def print_line_ups(own: "Sequence[Result]", as_json: bool) -> None:
    """Own rows beside the published ones of the same cases."""
    from npubench import published
    from npubench.reporting.data.published_comparison import left_out, line_up

    found = line_up(own, published.results())
    if as_json:
        _json(found)
        return
    for one in found:
        _print_line_up(one)
    emulated = left_out(own)
    if emulated:
        click.echo(f"{counted(emulated, 'emulated row')} left out: no figure of theirs is a chip's")
    if not found:
        click.echo("no own figure has a published one of the same case and kind; names are OpenMMLab's, see")
        click.echo("`npubench results --published` for what is there")


def _print_line_up(one: "LineUp") -> None:
    from npubench.reporting.data.figures import mark

    here = f"{one.board} ({one.chip}, {one.precision})"
    click.echo(f"{printable(here)} beside {printable(one.published_board)}: {one.basis}")
    click.echo(f"    {one.kind} here; published there, {one.kind} by its publisher: {printable(one.source)}")
    rows = [
        [
            *(line.case, f"{line.own_us:.6g}", f"{line.published_us:.6g}"),
            f"{mark(line.bound)}{line.ratio:.3f}" if line.bound else "-",
            "doubtful" if line.doubtful else "a bound" if not line.sure else "",
        ]
        for line in one.lines
    ]
    click.echo(text_table(["case", "own us", "published us", "ratio", ""], rows))
    means = sum(line.sure for line in one.lines)
    rho = "not told" if one.rank_correlation is None else f"{one.rank_correlation:.3f}"
    click.echo(f"    geometric mean of own / published over {counted(means, 'case')}: {_interval(one.ratio)}")
    click.echo(f"    Spearman's rank correlation: {rho}")
    for note in one.notes:
        click.echo(f"    {printable(note)}")
    click.echo("")


def _interval(value: Any) -> str:
    from npubench.reporting.compare.statistics import Interval

    if isinstance(value, Interval):
        return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f}; {value.method})"
    return "not told" if value is None else f"{value:.3f}"


def _json(records: "Sequence[Any]") -> None:
    click.echo(json.dumps([asdict(one) for one in records], indent=1, allow_nan=False))


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
        click.echo(text_table([*(name.replace("_", " ") for name in SHOWN), "rate"], lines))


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
