"""Latency of one board's cases: FP32 against INT8 by model, and every operator case by type.

One chart shows one board and one kind of figures, so no mark ever stands beside one of another kind.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Kind
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind, Precision
from npubench.reporting.charts.absent import absent_cases
from npubench.reporting.charts.plots import (
    ROW_LIMIT,
    Band,
    Entry,
    RowChart,
    Subject,
    draw_rows,
    told_of,
)
from npubench.reporting.charts.texts import Anchor
from npubench.reporting.charts.trust import NONE_DOUBTED, Doubted, about_rounds, doubt_of, rounds_of, signed
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

MARK_LIMIT = 2000
_SHAPES = {Precision.FP32: 0}


def about_times(statistic: str) -> str:
    """What a chart of latencies says of them."""
    word = translate("median") if statistic == "p50" else translate("mean")
    return translate("{statistic} of one inference; left is faster", statistic=word)


@dataclass(frozen=True, slots=True)
class _Series:
    """Of which figures a chart is, and which rows are in doubt, by their keys."""

    kind: Kind
    statistic: str
    doubted: Doubted

    def time(self, result: Result) -> float | None:
        """The figure of a row, in microseconds."""
        return time_us(result, self.kind, self.statistic)

    def entry(self, result: Result, value: float, size: float) -> Entry:
        """The figure has the mark of a bound, what a pointer shows says why, too."""
        bounds = bounds_of(figures_of(result, self.kind))
        sign = signed(mark(bounds.bound)) if bounds else ""
        precision = result.precision
        doubt = doubt_of(result, self.doubted)
        return Entry(
            *(value, _SHAPES.get(precision, 1), f"mark {precision}"),
            title=f"{precision.upper()}: {sign}{value:.6g} µs{aside(bounds)}{doubt}",
            size=size,
            label=f"{sign}{duration(value)}",
            doubted=bool(doubt),
            band=rounds_of(result, self.kind, self.statistic),
        )


def model_charts(
    results: Sequence[Result], kinds: Sequence[Kind], doubted: Doubted = NONE_DOUBTED
) -> list[RowChart]:
    """FP32 against INT8 latency, a chart per board and kind that has figures; `doubted` are keys of rows."""
    return [
        _model_chart(rows, kind, doubted, absent_cases(results, CaseKind.MODEL, rows[:1]))
        for kind, rows in _by_board(results, CaseKind.MODEL, kinds)
    ]


def operator_charts(
    results: Sequence[Result], kinds: Sequence[Kind], doubted: Doubted = NONE_DOUBTED
) -> list[RowChart]:
    """Latency of every operator case by operator type, a chart per board and kind that has figures."""
    return [
        _operator_chart(rows, kind, doubted, absent_cases(results, CaseKind.OPERATOR, rows[:1]))
        for kind, rows in _by_board(results, CaseKind.OPERATOR, kinds)
    ]


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


def _model_chart(rows: Sequence[Result], kind: Kind, doubted: Doubted, absent: Sequence[str]) -> RowChart:
    series = _Series(kind, common_statistic(rows, kind), doubted)
    found = sorted(pairs(rows), key=lambda pair: -max(_values(pair, series)))
    bands = [_model_band(pair, series) for pair in found[:ROW_LIMIT]]
    names = [precision.upper() for precision in _precisions(bands)]
    title = (
        translate("{one} against {other} latency", one=names[0], other=names[1])
        if len(names) == 2
        else translate("{names} latency", names=", ".join(names))
    )
    return _chart(("model", title, ""), rows, series, bands, len(found) - len(bands), absent)


def _chart(
    words: tuple[str, str, str],
    rows: Sequence[Result],
    series: _Series,
    bands: Sequence[Band],
    left_out: int,
    absent: Sequence[str],
) -> RowChart:
    name, title, more = words
    drawings = draw_rows(Subject(name, title, "", series.kind, unit=translate("latency")), bands)
    about = [
        f"{rows[0].board}, {rows[0].backend}",
        about_times(series.statistic),
        more,
        translate("logarithmic axis") if drawings[0].axis.logarithmic else translate("linear axis"),
    ]
    return RowChart(
        Subject(
            name,
            title,
            "; ".join(filter(None, about)),
            series.kind,
            unit=translate("latency"),
            band=about_rounds(),
        ),
        tuple((_SHAPES.get(one, 1), f"mark {one}", one.upper()) for one in _precisions(bands)),
        *(drawings, left_out),
        emulated=rows[0].emulated,
        keyed=True,
        warning=signed(told(found for row in rows if (found := figures_of(row, series.kind)) is not None)),
        absent=tuple(absent),
        told=told_of(bands),
    )


def _precisions(bands: Sequence[Band]) -> list[Precision]:
    styles = {one.style.split()[-1] for band in bands for one in (*band.entries, *band.medians)}
    return [precision for precision in Precision if precision.value in styles]


def _values(pair: Pair, series: _Series) -> list[float]:
    values = (series.time(result) for result in (pair.fp32, pair.int8) if result)
    return [value for value in values if value is not None]


def _model_band(pair: Pair, series: _Series) -> Band:
    timed = [
        (row, value) for row in (pair.fp32, pair.int8) if row and (value := series.time(row)) is not None
    ]
    left = min(timed, key=lambda one: one[1])[0]
    entries = []
    for row, value in timed:
        side = Anchor.END if len(timed) == 2 and row is left else Anchor.START
        entries.append(replace(series.entry(row, value, 5.5), side=side))
    factor = speedup(pair, series.kind)
    return Band(
        *(pair.case, tuple(entries)),
        linked=True,
        note=_note(factor) if factor else "",
        slower=factor is not None and factor.factor < 1,
    )


def _note(found: Speedup) -> str:
    factor = found.factor
    if factor >= 1:
        faster = signed(f"{mark(found.bound)}{significant(factor, 2)}")
        return translate("{factor}× faster", factor=faster)
    slower = signed(f"{mark(opposite(found.bound))}{significant(1 / factor, 2)}")
    return translate("{factor}× slower", factor=slower)


def _operator_chart(rows: Sequence[Result], kind: Kind, doubted: Doubted, absent: Sequence[str]) -> RowChart:
    series = _Series(kind, common_statistic(rows, kind), doubted)
    types: dict[str, list[Result]] = {}
    for result in rows:
        if series.time(result):
            types.setdefault(_type_of(result), []).append(result)
    found = sorted(types.items(), key=lambda item: (-len(item[1]), item[0]))
    shown = found[:ROW_LIMIT]
    each = sum(len(group) for _, group in shown) <= MARK_LIMIT
    bands = [_operator_band(name, group, series, each) for name, group in shown]
    words = (
        "operator",
        translate("Operator latency by type"),
        translate("one mark a case, the bar is the type's median"),
    )
    return _chart(words, rows, series, bands, len(found) - len(shown), absent)


def _operator_band(name: str, group: Sequence[Result], series: _Series, each: bool) -> Band:
    """A line of marks for each precision."""
    present = [p for p in Precision if any(result.precision is p for result in group)]
    entries, medians = [], []
    for lane, precision in enumerate(present):
        timed = [
            (result, value)
            for result in group
            if result.precision is precision and (value := series.time(result)) is not None
        ]
        if each:
            for result, value in timed:
                found = series.entry(result, value, 4)
                entries.append(
                    replace(found, label="", band=None, title=f"{result.case}, {found.title}", lane=lane)
                )
        if len(timed) > 1 or not each:
            middle = statistics.median(value for _, value in timed)
            about = (
                translate("median of {count}", count=len(timed)) + f" {precision.upper()}: {duration(middle)}"
            )
            medians.append(Entry(middle, 0, precision.value, about, lane=lane))
    count = len({result.case for result in group})
    note = translate_count(count, "{count} case", "{count} cases")
    return Band(name, tuple(entries), tuple(medians), note=note)


def _type_of(result: Result) -> str:
    """The operator that a case is about; undeclared, the one its graph has most of, the first of equals."""
    if result.op or not result.operators:
        return result.op or result.case
    return max(result.operators, key=lambda name: result.operators[name])
