"""Figures of the atlas as tables for terminals, CSV and JSON: each of kind published, and what it was."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from npubench.domain.figures import Kind
from npubench.domain.layout import Column, Gives, fitted_table, wrapped
from npubench.domain.text import counted
from npubench.published.atlas import PublishedFigure, family, join_of, publisher_of
from npubench.published.metrics import Family
from npubench.reporting.data.rows import Row
from npubench.reporting.data.table import csv_columns, csv_line, csv_of

COLUMNS = (
    *("kind", "origin", "chip", "case", "precision", "family", "mode", "model", "input", "metric", "value"),
    *("unit", "text", "tool", "note", "source", "publisher", "network", "confidence", "table", "line"),
    "column",
)
"""Of a figure in JSON and CSV; `case` is the model, as in a row."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure as programs get it: value in its own unit, None where the text says that there is none."""

    kind: Kind  # published
    origin: Kind  # what it was for its publisher
    chip: str
    case: str
    precision: str | None
    family: Family
    mode: str
    model: str
    input: str
    metric: str
    value: float | None
    unit: str
    text: str
    tool: str
    note: str
    source: str
    publisher: str
    network: str | None  # that the name was joined to
    confidence: str  # of that join
    table: str
    line: int
    column: str


def row_of_figure(figure: PublishedFigure) -> FigureRow:
    """One figure with what it was joined to."""
    joined = join_of(figure)
    return FigureRow(
        *(Kind.PUBLISHED, figure.kind, figure.chip, figure.model, figure.precision or None, family(figure)),
        *(figure.mode, figure.model, figure.input, figure.metric),
        figure.value,
        *(figure.unit, figure.text, figure.tool, figure.note, figure.source, publisher_of(figure.source)),
        joined.network.key if joined.network else None,
        joined.confidence.value,
        figure.table,
        figure.line,
        figure.column,
    )


def plain_row(row: FigureRow) -> Mapping[str, str | float | None]:
    """The same by the names of `COLUMNS`."""
    return {name: getattr(row, name) for name in COLUMNS}


def json_lines(figures: Iterable[PublishedFigure]) -> list[str]:
    """One JSON object a figure; ASCII only, so that no name can break a terminal or a decoder."""
    return [json.dumps(plain_row(row_of_figure(figure)), allow_nan=False) for figure in figures]


def to_csv(rows: Sequence[Row], figures: Sequence[PublishedFigure]) -> str:
    """Rows as `table.to_csv` has them, then figures: in columns of that name, and in columns of their own."""
    names = csv_columns()
    further = [name for name in COLUMNS if name not in names]
    header = [*names, *further]
    lines = [[*csv_line(row), *(_of_protocol(row, name) for name in further)] for row in rows]
    for figure in figures:
        plain = plain_row(row_of_figure(figure))
        lines.append([plain.get(name) for name in header])
    return csv_of(header, lines)


_TOLD_IN_PROTOCOL = frozenset({"mode", "input", "source", "table"})


def _of_protocol(row: Row, name: str) -> object:
    return row["protocol"].get(name) if name in _TOLD_IN_PROTOCOL else None


_TITLES = {
    Family.VISION: "networks of images",
    Family.LANGUAGE: "language models",
    Family.OTHER: "speech, memory and all else",
}


def to_text(figures: Sequence[PublishedFigure], width: int) -> str:
    """A table for each family, as figures of one have nothing to do with those of another.

    Untrusted text is made printable; long names give way on a narrow terminal.
    """
    by_family: defaultdict[Family, list[PublishedFigure]] = defaultdict(list)
    for figure in figures:
        by_family[family(figure)].append(figure)
    parts = [
        f"{_TITLES[one]}: {counted(len(by_family[one]), 'figure')}\n{_table(by_family[one], width)}"
        for one in Family
        if by_family[one]
    ]
    chips = counted(len({figure.chip for figure in figures}), "chip")
    publishers = counted(len({publisher_of(figure.source) for figure in figures}), "publisher")
    total = f"{counted(len(figures), 'figure')} of {chips} by {publishers} (--csv: sources, tools and notes)"
    return "\n\n".join([*parts, "\n".join(wrapped(total, width))])


_HEAD = ("model", "input", "chip", "mode", "precision", "metric", "figure", "kind", "publisher")
_SHARED = ("chip", "precision", "kind", "mode", "metric")
"""Columns that go where a table is too wide and all figures have the same in them, which a line then says."""
_DISPENSABLE = ("publisher", "input", "metric")
"""Columns that go then, first ones first; --csv has them."""
_NAMES = frozenset({"model", "input", "mode", "metric", "publisher"})


def _table(figures: Sequence[PublishedFigure], width: int) -> str:
    rows = [
        (
            *(figure.model, figure.input, figure.chip, figure.mode, figure.precision, figure.metric),
            f"{figure.text} {figure.unit}".strip() if figure.value is not None else figure.text,
            f"published, {figure.kind}",
            publisher_of(figure.source),
        )
        for figure in figures
    ]
    columns = {
        name: _column(name, [row[at] or "-" for row in rows])
        for at, name in enumerate(_HEAD)
        if any(row[at] for row in rows)
    }
    told = []
    if len(rows) > 1 and _total(one.natural for one in columns.values()) > width:
        alike = [name for name in _SHARED if name in columns and len({*columns[name].cells}) == 1]
        told = [f"{name} {columns.pop(name).cells[0]}" for name in alike]
    for name in _DISPENSABLE:
        if name in columns and _total(one.floor for one in columns.values()) > width:
            del columns[name]
    above = wrapped(f"all: {', '.join(told)}", width, "", "    ") if told else []
    return "\n".join([*above, *fitted_table(list(columns.values()), width)])


def _column(name: str, cells: Sequence[str]) -> Column:
    if name in _NAMES:
        return Column(name, cells, Gives.MIDDLE, 12)
    gives = Gives.LINES if name in ("kind", "chip") else Gives.NOTHING
    return Column(name, cells, gives, 10, right=name == "figure")


def _total(widths: Iterable[int]) -> int:
    return sum(width + 2 for width in widths) - 2
