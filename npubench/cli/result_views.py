"""What `npubench results` prints besides rows: missing operators, doubts, published rows, processors."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from npubench.domain.text import counted, printable, text_table

if TYPE_CHECKING:
    from npubench.domain.records import Result
    from npubench.reporting.data.published_comparison import PublishedComparison


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
    return ranking, [text_table(head, rows) if rows else "no row says that an operator is missing"]


def published_missing_operators() -> View:
    """The same as it was published: how many models an operator blocked, not which."""
    from npubench import published

    ranking = published.missing_operators()
    rows = [[one.operator, one.backend, str(one.models_blocked), one.source] for one in ranking]
    return ranking, [text_table(["operator", "backend", "models", "published in"], rows)]


def doubts(found: "Sequence[Result]", history: "Sequence[Result]") -> View:
    """Rows that may not be what they say, the strong doubts first; `history` tells what is usual."""
    from npubench.reporting import sanity

    all_doubts = sanity.doubts(found, history)
    lines = []
    for doubt in all_doubts:
        where = printable(f"{doubt.board} {doubt.precision}".strip())
        lines += [
            f"{doubt.strength} {doubt.doubt_class} on {where}: {printable(doubt.reason)}",
            f"    cases: {printable(', '.join(doubt.cases))}" if doubt.cases else "    the board itself",
            *(f"    {printable(line)}" for line in doubt.evidence),
            *([f"    next: {printable(doubt.next_step)}"] if doubt.next_step else []),
        ]
    strong = sum(doubt.strength is sanity.Strength.STRONG for doubt in all_doubts)
    counts = f"{counted(len(found), 'row')}: {counted(len(all_doubts), 'doubt')}, {strong} of them strong"
    return all_doubts, [*lines, counts]


def against_published(own: "Sequence[Result]") -> View:
    """Own rows beside the published ones of the same cases."""
    from npubench import published
    from npubench.reporting.data.published_comparison import compare_with_published, left_out

    found = compare_with_published(own, published.results())
    lines = [line for one in found for line in _line_up(one)]
    if emulated := left_out(own):
        lines.append(f"{counted(emulated, 'emulated row')} left out: no figure of theirs is a chip's")
    if not found:
        lines.append(
            "no own figure has a published one of the same case and kind; names are OpenMMLab's, see"
        )
        lines.append("`npubench results --published` for what is there")
    return found, lines


def _line_up(one: "PublishedComparison") -> list[str]:
    from npubench.reporting.data.figures import mark

    here = f"{one.board} ({one.chip}, {one.precision})"
    rows = [
        [
            *(line.case, f"{line.own_us:.6g}", f"{line.published_us:.6g}"),
            f"{mark(line.bound)}{line.ratio:.3f}" if line.bound else "-",
            "doubtful" if line.doubtful else "a bound" if not line.sure else "",
        ]
        for line in one.lines
    ]
    count = counted(sum(line.sure for line in one.lines), "case")
    rho = "not told" if one.rank_correlation is None else f"{one.rank_correlation:.3f}"
    return [
        f"{printable(here)} beside {printable(one.published_board)}: {one.basis}",
        f"    {one.kind} here; published there, {one.kind} by its publisher: {printable(one.source)}",
        text_table(["case", "own us", "published us", "ratio", ""], rows),
        f"    geometric mean of own / published over {count}: {_interval(one.ratio)}",
        f"    Spearman's rank correlation: {rho}",
        *(f"    {printable(note)}" for note in one.notes),
        "",
    ]


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
        click.echo(text_table([*(name.replace("_", " ") for name in SHOWN), "rate"], lines))


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
