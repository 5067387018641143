"""Geometry of dot plots: a row a name, a mark a series, one axis; `plots.svg.j2` draws them.

Series differ by shape and colour, so that a chart reads in grey too. One chart shows one kind of figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Kind
from npubench.reporting.charts.charts import TOP_PX, WIDTH, label_of, label_width
from npubench.reporting.charts.scales import Axis, Show, axis
from npubench.reporting.page.escapes import visible

SERIES_LIMIT = 8
"""As many shapes as a reader tells apart; further series have no room."""

ROW_LIMIT, ROW_PX, AXIS_PX, RIGHT_PX = 40, 24.0, 34.0, 64.0


@dataclass(frozen=True, slots=True)
class Value:
    """One figure of one series; `text` is what a pointer shows, `label` what stands beside the mark."""

    series: str
    value: float
    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class DotRow:
    """One name with its figures."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """A mark in pixels; `series` is its number, which gives shape and colour."""

    x: float
    series: int
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row in pixels."""

    y: float
    label: str
    name: str
    marks: tuple[PlacedMark, ...]


@dataclass(frozen=True, slots=True)
class DotChart:
    """A drawn chart; `bars` start at the axis instead of standing as marks."""

    name: str
    title: str
    about: str
    kind: Kind | None
    series: tuple[str, ...]
    rows: tuple[PlacedRow, ...]
    axis: Axis
    label_x: float
    height: float
    left_out: int
    series_left_out: int
    warning: str = ""
    bars: bool = False
    width: float = WIDTH


def dot_chart(
    name: str,
    title: str,
    about: str,
    kind: Kind | None,
    rows: Sequence[DotRow],
    show: Show,
    warning: str = "",
    bars: bool = False,
    logarithmic: bool | None = None,
) -> DotChart | None:
    """The chart of the first rows that have room, largest series first; None without a positive figure."""
    counts: dict[str, int] = {}
    for row in rows:
        for value in row.values:
            counts[value.series] = counts.get(value.series, 0) + 1
    kept = sorted(counts, key=lambda one: (-counts[one], one))[:SERIES_LIMIT]
    series = tuple(sorted(kept))
    having = [row for row in rows if any(v.series in series and v.value > 0 for v in row.values)]
    shown = having[:ROW_LIMIT]
    if not shown:
        return None
    label_x = label_width([row.name for row in shown])
    values = [v.value for row in shown for v in row.values if v.series in series and v.value > 0]
    scale = axis(values, label_x + 24, WIDTH - RIGHT_PX, show, logarithmic)
    placed = tuple(
        _row(row, series, scale, round(TOP_PX + ROW_PX * (at + 0.5), 1)) for at, row in enumerate(shown)
    )
    return DotChart(
        *(name, title, about, kind, series, placed, scale, label_x),
        height=TOP_PX + ROW_PX * len(placed) + AXIS_PX,
        left_out=len(having) - len(shown),
        series_left_out=len(counts) - len(series),
        warning=warning,
        bars=bars,
    )


def _row(row: DotRow, series: Sequence[str], scale: Axis, y: float) -> PlacedRow:
    marks = tuple(
        PlacedMark(scale.at(value.value), series.index(value.series), visible(value.text), value.label)
        for value in row.values
        if value.series in series and value.value > 0
    )
    return PlacedRow(y, label_of(row.name), visible(row.name), marks)
