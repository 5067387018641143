"""Latency of one board's cases: FP32 against INT8 by model, and every operator case by type.

One chart shows one board and one kind of figures, so no mark ever stands beside one of another kind.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.charts.axis import Axis, axis
from npubench.reporting.charts.plots import (
    AXIS_PX,
    ROW_LIMIT,
    TOP_PX,
    WIDTH,
    Mark,
    Row,
    RowChart,
    Subject,
    label_of,
    label_width,
)
from npubench.reporting.data.figures import (
    Pair,
    Speedup,
    aside,
    bounds_of,
    common_statistic,
    figures_of,
    mark,
    opposite,
    pairs,
    speedup,
    time_us,
    told,
)
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import translate, translate_count

VALUE_PX, NOTE_PX, ROW_PX, TYPE_PX = 74.0, 124.0, 27.0, 35.1
MARK_LIMIT = 2000
_SHAPES = {Precision.FP32: 0}


def about_times(statistic: str) -> str:
    """What a chart of latencies says of them."""
    word = translate("median") if statistic == "p50" else translate("mean")
    return translate("{statistic} of one inference; left is faster", statistic=word)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Of which figures a chart is, and where they stand."""

    kind: Kind
    statistic: str
    axis: Axis

    def timed(self, results: Iterable[Result]) -> list[tuple[Result, float]]:
        """Those that have the figure, with it, in microseconds."""
        times = ((result, time_us(result, self.kind, self.statistic)) for result in results)
        return [(result, time) for result, time in times if time is not None]

    def mark(self, result: Result, value: float, y: float, size: float) -> Mark:
        """The figure has the mark of a bound, what a pointer shows says why, too."""
        bounds = bounds_of(figures_of(result, self.kind))
        sign = mark(bounds.bound) if bounds else ""
        precision = result.precision
        title = f"{precision.upper()}: {sign}{value:.6g} µs{aside(bounds)}"
        x = self.axis.at(value)
        return Mark(
            x, y, _SHAPES.get(precision, 1), f"mark {precision}", title, size, f"{sign}{duration(value)}"
        )


def model_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> list[RowChart]:
    """FP32 against INT8 latency, a chart per board and kind that has figures."""
    return [_model_chart(rows, kind) for kind, rows in _by_board(results, CaseKind.MODEL, kinds)]


def operator_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> list[RowChart]:
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
                if time_us(result, kind, "mean"):
                    board.setdefault(kind, []).append(result)
    for board in boards.values():
        yield from ((kind, board[kind]) for kind in kinds if kind in board)


def _model_chart(rows: Sequence[Result], kind: Kind) -> RowChart:
    statistic = common_statistic(rows, kind)
    found = sorted(pairs(rows), key=lambda pair: -max(_values(pair, kind, statistic)))
    shown = found[:ROW_LIMIT]
    label_x = label_width([pair.case for pair in shown])
    times = [value for pair in shown for value in _values(pair, kind, statistic)]
    scale = _Scale(kind, statistic, axis(times, label_x + 10 + VALUE_PX, WIDTH - NOTE_PX - VALUE_PX))
    drawn = [_model_row(pair, scale, TOP_PX + ROW_PX * (i + 0.5)) for i, pair in enumerate(shown)]
    names = [precision.upper() for precision in _precisions(drawn)]
    title = (
        translate("{one} against {other} latency", one=names[0], other=names[1])
        if len(names) == 2
        else translate("{names} latency", names=", ".join(names))
    )
    return _chart(("model", title, ""), rows, scale, drawn, ROW_PX, len(found) - len(shown))


def _chart(
    words: tuple[str, str, str], rows: Sequence[Result], scale: _Scale, drawn: Sequence[Row], row_px: float,
    left_out: int,
) -> RowChart:  # fmt: skip
    name, title, more = words
    about = [
        f"{rows[0].board}, {rows[0].backend}",
        about_times(scale.statistic),
        more,
        translate("logarithmic axis") if scale.axis.logarithmic else translate("linear axis"),
    ]
    return RowChart(
        Subject(name, title, "; ".join(filter(None, about)), scale.kind),
        tuple((_SHAPES.get(one, 1), f"mark {one}", one.upper()) for one in _precisions(drawn)),
        *(tuple(drawn), scale.axis, label_width([row.name for row in drawn])),
        height=TOP_PX + row_px * len(drawn) + AXIS_PX,
        left_out=left_out,
        emulated=rows[0].emulated,
        guided=False,
        warning=told(figures for row in rows if (figures := figures_of(row, scale.kind)) is not None),
    )


def _precisions(rows: Sequence[Row]) -> list[Precision]:
    styles = {one.style.split()[-1] for row in rows for one in (*row.marks, *row.medians)}
    return [precision for precision in Precision if precision.value in styles]


def _values(pair: Pair, kind: Kind, statistic: str) -> list[float]:
    values = (time_us(result, kind, statistic) for result in (pair.fp32, pair.int8))
    return [value for value in values if value is not None]


def _model_row(pair: Pair, scale: _Scale, y: float) -> Row:
    timed = scale.timed(row for row in (pair.fp32, pair.int8) if row)
    left = min(timed, key=lambda one: one[1])[0]
    marks = []
    for row, value in timed:
        found = scale.mark(row, value, y, 5.5)
        to_the_left = len(timed) == 2 and row is left
        offset, anchor = (-10.0, "end") if to_the_left else (10.0, "start")
        marks.append(replace(found, label_x=found.x + offset, anchor=anchor))
    factor = speedup(pair, scale.kind)
    places = [one.x for one in marks]
    return Row(
        *(y, label_of(pair.case), pair.case, tuple(marks)),
        link=(min(places), max(places)) if len(places) == 2 else None,
        note=_note(factor) if factor else "",
        slower=factor is not None and factor.factor < 1,
    )


def _note(found: Speedup) -> str:
    factor = found.factor
    if factor >= 1:
        return translate("{factor}× faster", factor=f"{mark(found.bound)}{significant(factor, 2)}")
    return translate("{factor}× slower", factor=f"{mark(opposite(found.bound))}{significant(1 / factor, 2)}")


def _operator_chart(rows: Sequence[Result], kind: Kind) -> RowChart:
    statistic = common_statistic(rows, kind)
    types: dict[str, list[Result]] = {}
    for result in rows:
        types.setdefault(_type_of(result), []).append(result)
    found = sorted(types.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = found[:ROW_LIMIT]
    times = [value for _, group in shown for r in group if (value := time_us(r, kind, statistic)) is not None]
    label_x = label_width([name for name, _ in shown])
    scale = _Scale(kind, statistic, axis(times, label_x + 24, WIDTH - NOTE_PX - 12))
    each = len(times) <= MARK_LIMIT
    drawn = [
        _operator_row(name, group, scale, TOP_PX + TYPE_PX * (i + 0.5), each)
        for i, (name, group) in enumerate(shown)
    ]
    words = (
        "operator",
        translate("Operator latency by type"),
        translate("one mark a case, the bar is the type's median"),
    )
    return _chart(words, rows, scale, drawn, TYPE_PX, len(found) - len(shown))


def _operator_row(name: str, group: Sequence[Result], scale: _Scale, y: float, each: bool) -> Row:
    """A line of marks for each precision."""
    present = [p for p in Precision if any(result.precision is p for result in group)]
    marks, medians = [], []
    for index, precision in enumerate(present):
        lane = round(y + (index - (len(present) - 1) / 2) * 12, 1)
        timed = scale.timed(result for result in group if result.precision is precision)
        if each:
            for result, value in timed:
                found = scale.mark(result, value, lane, 4)
                marks.append(replace(found, label="", title=f"{result.case}, {found.title}"))
        if len(timed) > 1 or not each:
            middle = statistics.median(value for _, value in timed)
            about = (
                translate("median of {count}", count=len(timed)) + f" {precision.upper()}: {duration(middle)}"
            )
            medians.append(Mark(scale.axis.at(middle), lane, 0, precision.value, about))
    count = len({result.case for result in group})
    note = translate_count(count, "{count} case", "{count} cases")
    return Row(y, label_of(name), name, tuple(marks), tuple(medians), note=note)


def _type_of(result: Result) -> str:
    """The operator that a case is about; undeclared, the one its graph has most of, the first of equals."""
    if result.op or not result.operators:
        return result.op or result.case
    return max(result.operators, key=lambda name: result.operators[name])
