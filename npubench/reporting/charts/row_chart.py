"""Charts of rows of marks on one axis, and those of one board's latencies."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import Bounds, Kind, Latency, Result
from npubench.domain.specs import CaseKind, Precision
from npubench.domain.text import columns_of, shortened, visible
from npubench.reporting.charts.axis import Axis, Show, axis
from npubench.reporting.data.figures import aside, bounds_of, mark, opposite, told
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.pairs import Pair, Speedup, figures_of, latency_of, pairs, speedup
from npubench.reporting.data.translate import say, say_count

WIDTH = 960.0
LABEL_COLUMNS, LABEL_PX = 34, 280.0
FONT_PX = 12.5
"""Size of labels in page.css; `text_px` must know it to leave them room."""

VALUE_PX, NOTE_PX, ROW_PX, TOP_PX, AXIS_PX = 74.0, 124.0, 27.0, 8.0, 34.0
ROW_LIMIT = 40
MARK_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure: where, which precision, and what a pointer shows of it."""

    x: float
    precision: Precision
    title: str
    label: str = ""
    label_x: float = 0.0
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Lane:
    """Marks on one line, with their median where it is drawn."""

    y: float
    marks: tuple[Mark, ...]
    middle: Mark | None = None


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One model or operator type; `name` is the whole of what `label` may shorten."""

    y: float
    label: str
    name: str
    note: str
    lanes: tuple[Lane, ...]
    link: tuple[float, float] | None = None
    slower: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart of one board and one kind; `left_out` rows found no room.

    `bounds` says of which reasons figures are only bounds, where some are.
    """

    board: str
    backend: str
    emulated: bool
    kind: Kind
    statistic: str
    rows: tuple[ChartRow, ...]
    axis: Axis
    label_x: float
    height: float
    left_out: int = 0
    width: float = WIDTH
    bounds: str = ""

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """What the legend explains."""
        marks = [m for row in self.rows for lane in row.lanes for m in (*lane.marks, lane.middle) if m]
        return tuple(p for p in Precision if any(mark.precision is p for mark in marks))

    @property
    def title(self) -> str:
        """What it compares, when it compares."""
        names = [precision.upper() for precision in self.precisions]
        if len(names) == 2:
            return say("{one} against {other} latency", one=names[0], other=names[1])
        return say("{names} latency", names=", ".join(names))


def model_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> list[Chart]:
    """FP32 against INT8 latency, a chart per board and kind that has figures."""
    return [_model_chart(rows, kind) for kind, rows in _by_board(results, CaseKind.MODEL, kinds)]


def operator_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> list[Chart]:
    """Latency of every operator case by operator type, a chart per board and kind that has figures."""
    return [_operator_chart(rows, kind) for kind, rows in _by_board(results, CaseKind.OPERATOR, kinds)]


def _by_board(
    results: Sequence[Result], case_kind: CaseKind, kinds: Sequence[Kind]
) -> Iterator[tuple[Kind, list[Result]]]:
    boards: dict[tuple[str, str], dict[Kind, list[Result]]] = {}
    for result in results:
        if result.case_kind is case_kind:
            board = boards.setdefault((result.board, result.backend), {})
            for kind in {figures.kind for figures in result.all_figures}:
                if _positive(latency_of(result, kind)):
                    board.setdefault(kind, []).append(result)
    for board in boards.values():
        yield from ((kind, board[kind]) for kind in kinds if kind in board)


def _positive(latency: Latency | None) -> bool:
    return (
        latency is not None and 0 < latency.mean < float("inf") and (latency.p50 is None or latency.p50 > 0)
    )


def _statistic(rows: Sequence[Result], kind: Kind) -> str:
    """The median where every row has one, otherwise the mean of all: never both in one chart."""
    latencies = [latency_of(result, kind) for result in rows]
    return "p50" if all(one is not None and one.p50 is not None for one in latencies) else "mean"


def _value(result: Result | None, kind: Kind, statistic: str) -> float | None:
    latency = latency_of(result, kind)
    value: float | None = getattr(latency, statistic) if latency else None
    return value


def _model_chart(rows: Sequence[Result], kind: Kind) -> Chart:
    statistic = _statistic(rows, kind)
    found = sorted(pairs(rows), key=lambda pair: -max(_values(pair, kind, statistic)))
    shown = found[:ROW_LIMIT]
    label_x = label_width([pair.case for pair in shown])
    times = [value for pair in shown for value in _values(pair, kind, statistic)]
    scale = axis(times, label_x + 10 + VALUE_PX, WIDTH - NOTE_PX - VALUE_PX)
    drawn = tuple(
        _model_row(pair, kind, statistic, scale, TOP_PX + ROW_PX * (i + 0.5)) for i, pair in enumerate(shown)
    )
    return Chart(
        *(rows[0].board, rows[0].backend, rows[0].emulated, kind, statistic, drawn, scale, label_x),
        height=TOP_PX + ROW_PX * len(drawn) + AXIS_PX,
        left_out=len(found) - len(shown),
        bounds=_told(rows, kind),
    )


def _values(pair: Pair, kind: Kind, statistic: str) -> list[float]:
    values = (_value(result, kind, statistic) for result in (pair.fp32, pair.int8))
    return [value for value in values if value is not None]


def _model_row(pair: Pair, kind: Kind, statistic: str, scale: Axis, y: float) -> ChartRow:
    values = {
        precision: value
        for precision, result in ((Precision.FP32, pair.fp32), (Precision.INT8, pair.int8))
        if (value := _value(result, kind, statistic)) is not None
    }
    left = min(values, key=lambda precision: values[precision])
    rows = {Precision.FP32: pair.fp32, Precision.INT8: pair.int8}
    marks = tuple(
        _labelled(
            *(scale.at(value), precision, value, len(values) == 2 and precision is left),
            _bounds(rows[precision], kind),
        )
        for precision, value in values.items()
    )
    factor = speedup(pair, kind)
    note = _note(factor) if factor else ""
    link = (scale.at(min(values.values())), scale.at(max(values.values()))) if len(values) == 2 else None
    slower = factor is not None and factor.factor < 1
    return ChartRow(y, label_of(pair.case), visible(pair.case), note, (Lane(y, marks),), link, slower)


def _bounds(row: Result | None, kind: Kind) -> Bounds | None:
    return bounds_of(figures_of(row, kind)) if row else None


def _labelled(x: float, precision: Precision, value: float, to_the_left: bool, bounds: Bounds | None) -> Mark:
    """The label has the mark of a bound, what a pointer shows says why, too."""
    offset, anchor = (-10.0, "end") if to_the_left else (10.0, "start")
    sign = mark(bounds.bound) if bounds else ""
    title = f"{precision.upper()}: {sign}{value:.6g} µs{aside(bounds)}"
    return Mark(x, precision, title, f"{sign}{duration(value)}", x + offset, anchor)


def _note(found: Speedup) -> str:
    factor = found.factor
    if factor >= 1:
        return say("{factor}× faster", factor=f"{mark(found.bound)}{significant(factor, 2)}")
    return say("{factor}× slower", factor=f"{mark(opposite(found.bound))}{significant(1 / factor, 2)}")


def _operator_chart(rows: Sequence[Result], kind: Kind) -> Chart:
    statistic = _statistic(rows, kind)
    types: dict[str, list[Result]] = {}
    for result in rows:
        types.setdefault(_type_of(result), []).append(result)
    found = sorted(types.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = found[:ROW_LIMIT]
    label_x = label_width([name for name, _ in shown])
    times = [value for _, group in shown for r in group if (value := _value(r, kind, statistic)) is not None]
    scale = axis(times, label_x + 24, WIDTH - NOTE_PX - 12)
    height = ROW_PX * 1.3
    each = len(times) <= MARK_LIMIT
    drawn = tuple(
        _operator_row(name, group, kind, statistic, scale, TOP_PX + height * (i + 0.5), each)
        for i, (name, group) in enumerate(shown)
    )
    return Chart(
        *(rows[0].board, rows[0].backend, rows[0].emulated, kind, statistic, drawn, scale, label_x),
        height=TOP_PX + height * len(drawn) + AXIS_PX,
        left_out=len(found) - len(shown),
        bounds=_told(rows, kind),
    )


def _told(rows: Sequence[Result], kind: Kind) -> str:
    return told(figures for row in rows if (figures := figures_of(row, kind)) is not None)


def _operator_row(
    name: str, group: Sequence[Result], kind: Kind, statistic: str, scale: Axis, y: float, each: bool
) -> ChartRow:
    present = [p for p in Precision if any(result.precision is p for result in group)]
    lanes = tuple(
        _lane(
            [result for result in group if result.precision is precision],
            *(kind, statistic, scale, y + (index - (len(present) - 1) / 2) * 12, each),
        )
        for index, precision in enumerate(present)
    )
    count = len({result.case for result in group})
    return ChartRow(
        y, label_of(name), visible(name), say_count(count, "{count} case", "{count} cases"), lanes
    )


def _lane(group: Sequence[Result], kind: Kind, statistic: str, scale: Axis, y: float, each: bool) -> Lane:
    precision = group[0].precision
    timed = [(result, value) for result in group if (value := _value(result, kind, statistic)) is not None]
    middle = statistics.median(value for _, value in timed)
    marks = tuple(
        Mark(scale.at(value), precision, f"{visible(result.case)}, {_exactly(result, kind, value)}")
        for result, value in (timed if each else [])
    )
    about = say("median of {count}", count=len(timed)) + f" {precision.upper()}: {duration(middle)}"
    return Lane(y, marks, Mark(scale.at(middle), precision, about) if len(timed) > 1 or not each else None)


def _exactly(result: Result, kind: Kind, value: float) -> str:
    bounds = _bounds(result, kind)
    sign = mark(bounds.bound) if bounds else ""
    return f"{result.precision.upper()}: {sign}{value:.6g} µs{aside(bounds)}"


def _type_of(result: Result) -> str:
    """The operator that a case is about; undeclared, the one its graph has most of, the first of equals."""
    if result.op or not result.operators:
        return result.op or result.case
    return max(result.operators, key=lambda name: result.operators[name])


def label_of(name: str) -> str:
    """`name` cut until it has room."""
    text = visible(name).replace("\n", " ")
    limits = range(LABEL_COLUMNS, 1, -1)
    return next((cut for limit in limits if text_px(cut := shortened(text, limit)) <= LABEL_PX), "…")


def label_width(names: Sequence[str]) -> float:
    """Pixels that the widest of these labels takes."""
    return round(max(text_px(label_of(name)) for name in names) + 4)


def text_px(text: str) -> float:
    """Pixels of a label in DejaVu Sans, the widest of the common sans serifs: em by class of letter."""
    return FONT_PX * sum(
        1.0
        if c in "mwMW@%…—" or columns_of(c) == 2
        else 0.42
        if c in "ijl.,:;|!' ()[]ftr"
        else 0.79
        if c.isupper() or not c.isascii() or c in "+<=>~#&"
        else 0.645
        for c in text
    )


SERIES_LIMIT = 8
"""As many shapes as a reader tells apart; further series have no room."""

DOTS_ROW_LIMIT, DOTS_ROW_PX, DOTS_AXIS_PX, RIGHT_PX = 40, 24.0, 34.0, 64.0


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
    shown = having[:DOTS_ROW_LIMIT]
    if not shown:
        return None
    label_x = label_width([row.name for row in shown])
    values = [v.value for row in shown for v in row.values if v.series in series and v.value > 0]
    scale = axis(values, label_x + 24, WIDTH - RIGHT_PX, show, logarithmic)
    placed = tuple(
        _row(row, series, scale, round(TOP_PX + DOTS_ROW_PX * (at + 0.5), 1)) for at, row in enumerate(shown)
    )
    return DotChart(
        *(name, title, about, kind, series, placed, scale, label_x),
        height=TOP_PX + DOTS_ROW_PX * len(placed) + DOTS_AXIS_PX,
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
