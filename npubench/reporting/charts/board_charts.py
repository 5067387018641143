"""Charts over all boards: latency, throughput for the price, accuracy, missing operators, CPU, codecs."""

from collections.abc import Callable, Iterator, Sequence

from npubench import published
from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.reporting.charts.absent import absent_cases
from npubench.reporting.charts.latency_charts import about_times
from npubench.reporting.charts.plots import RowChart, Subject, Value, row_chart
from npubench.reporting.charts.trust import NONE_DOUBTED, Doubted, about_rounds, doubt_of, rounds_of, signed
from npubench.reporting.data.accuracy import lowest_of
from npubench.reporting.data.figures import (
    aside,
    bounds_of,
    common_statistic,
    figures_of,
    latency_text,
    rate_text,
    time_us,
    told,
)
from npubench.reporting.data.formatting import closeness, significant
from npubench.reporting.data.op_support import MissingOperator
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.reliance import UNSTEADY
from npubench.reporting.select.chip_facts import price_told, sheet_of

LEAST_ERROR = 1e-7
"""Where outputs that are all but equal are drawn: a logarithmic axis has no zero."""

Reading = Callable[[Result, Figures], tuple[float, str] | None]
"""A row's value with what a pointer shows; None: nothing to draw."""


def several_vendors(results: Sequence[Result], kind: Kind | None) -> str:
    """The warning of a chart in which simulators of more than one vendor stand."""
    if kind is not Kind.SIMULATED:
        return ""
    backends = sorted({r.backend for r in results if figures_of(r, Kind.SIMULATED)})
    if len(backends) < 2:
        return ""
    return translate(
        "simulators of several vendors ({names}): each has its own model of clock and memory, so compare "
        "within one of them only",
        names=", ".join(backends),
    )


def latency_charts(
    results: Sequence[Result], kinds: Sequence[Kind], doubted: Doubted = NONE_DOUBTED
) -> Iterator[RowChart | None]:
    """Latency of models by board, a chart a kind, where there are several boards."""
    models = _real(results, CaseKind.MODEL)
    for kind in kinds:
        rows = [row for row in models if time_us(row, kind, "mean")]
        if len({row.board for row in rows}) > 1:
            statistic = common_statistic(rows, kind)
            title = translate("Latency by model and board")
            words = ("latency", title, about_times(statistic), kind)
            subject = Subject(*words, unit=translate("latency"), band=about_rounds())
            absent = absent_cases(results, CaseKind.MODEL, rows)
            yield _chart(subject, rows, _reading_of(kind, statistic), doubted, absent, True, statistic)


def _reading_of(kind: Kind, statistic: str) -> Reading:
    def read(row: Result, figures: Figures) -> tuple[float, str] | None:
        value = time_us(row, kind, statistic)
        return (value, latency_text(figures, value)) if value else None

    return read


def _count(value: float, digits: int) -> str:  # noqa: ARG001
    """Nothing can be counted by halves: a line between whole numbers has no label."""
    return significant(round(value), 1) if abs(value - round(value)) < 1e-9 else ""


def price_charts(
    results: Sequence[Result],
    kinds: Sequence[Kind],
    boards: Sequence[BoardSpec],
    doubted: Doubted = NONE_DOUBTED,
) -> Iterator[RowChart | None]:
    """Inferences a second for each USD, for boards whose price is told."""
    models = _real(results, CaseKind.MODEL)
    prices = {}
    for board, chip in {(row.board, row.chip) for row in models}:
        told = price_told(sheet_of(board, chip, boards)).first
        if told:
            prices[board] = told.value

    def read(row: Result, figures: Figures) -> tuple[float, str] | None:
        price = prices.get(row.board)
        mean = figures.latency_us.mean if figures.latency_us else 0.0
        fps = figures.throughput_fps or (1e6 / mean if mean > 0 else 0.0)
        if not price or not fps:
            return None
        return fps / price, f"{rate_text(figures, fps)} fps / {price:.6g} USD{aside(bounds_of(figures))}"

    title, about = (
        translate("Throughput for the price"),
        translate("inferences a second for each USD; right is better"),
    )
    unit = translate("fps for each USD")
    for kind in kinds:
        yield _chart(Subject("price", title, about, kind, significant, unit=unit), models, read, doubted)


def accuracy_charts(
    results: Sequence[Result], kinds: Sequence[Kind], doubted: Doubted = NONE_DOUBTED
) -> Iterator[RowChart | None]:
    """How far INT8 outputs lie from the FP32 reference."""
    models = [row for row in results if row.case_kind is CaseKind.MODEL and row.precision is Precision.INT8]

    def read(row: Result, figures: Figures) -> tuple[float, str] | None:  # noqa: ARG001
        accuracy, lowest = figures.accuracy, lowest_of(figures)
        if lowest is not None and (accuracy is None or accuracy.cosine is None):
            return 1.0, lowest.text
        if accuracy is None or accuracy.cosine is None:
            return None
        return max(1 - accuracy.cosine, LEAST_ERROR), f"cosine {closeness(accuracy.cosine)}"

    title = translate("INT8 accuracy")
    about = translate("1 − cosine of the outputs and the FP32 reference; left is closer")
    for kind in kinds:
        subject = Subject(
            "accuracy", title, about, kind, _error, logarithmic=True, unit=translate("1 − cosine")
        )
        yield _chart(subject, models, read, doubted, slowest=True)


def _error(value: float, digits: int) -> str:  # noqa: ARG001
    return f"{value:.0e}".replace("e-0", "e-")


def missing_chart(missing: Sequence[MissingOperator]) -> RowChart | None:
    """Operators that a toolchain lacks by the models that they block."""
    rows: dict[str, list[Value]] = {}
    for one in missing:
        count = len(one.models)
        rows.setdefault(one.operator, []).append(Value(one.backend, count, str(count), str(count)))
    title, about = (
        translate("Missing operators by models blocked"),
        translate("models that each operator stops"),
    )
    subject = Subject(
        "missing", title, about, None, _count, logarithmic=False, bars=True, unit=translate("models")
    )
    return row_chart(subject, list(rows.items()))


def cpu_chart(results: Sequence[Result]) -> RowChart | None:
    """Instruction times against the published ones; every series says its kind."""
    rows: dict[str, list[Value]] = {}
    drawn = _real(results, CaseKind.CPU)
    for row in drawn:
        figures = row.figures
        if figures is None:
            continue
        series = f"{row.board} ({translate(figures.kind.value)})"
        for one in figures.processor.rows if figures.processor else ():
            _add(rows, one.row, series, one.throughput_ns)
    if not rows:
        return None
    for peak in published.cpu_peaks():
        if peak.instruction in rows:
            _add(rows, peak.instruction, f"{peak.chip} ({translate('published')})", peak.throughput_ns)
    title, about = translate("CPU peaks"), translate("ns an instruction, many in flight; left is faster")
    subject = Subject("cpu", title, about, None, significant, unit=translate("ns an instruction"))
    return row_chart(subject, list(rows.items()), absent=absent_cases(results, CaseKind.CPU, drawn))


def _add(rows: dict[str, list[Value]], name: str, series: str, value: float | None) -> None:
    if value is not None and not any(one.series == series for one in rows.get(name, ())):
        rows.setdefault(name, []).append(Value(series, value, f"{value:.4g} ns"))


def codec_chart(results: Sequence[Result]) -> RowChart | None:
    """How many streams hold their rate at once."""
    having = [row for row in results if row.case_kind is CaseKind.CODEC and not row.emulated]

    def read(row: Result, figures: Figures) -> tuple[float, str] | None:  # noqa: ARG001
        codec = figures.codec
        if codec is None or codec.streams is None:
            return None
        return float(codec.streams), f"{codec.streams} × {codec.streams_fps} fps"

    title, about = (
        translate("Codec streams"),
        translate("streams that hold their rate at once; right is better"),
    )
    subject = Subject(
        "codec", title, about, Kind.MEASURED, _count, logarithmic=False, unit=translate("streams")
    )
    return _chart(subject, having, read, absent=absent_cases(results, CaseKind.CODEC, having))


def _real(results: Sequence[Result], case_kind: CaseKind) -> list[Result]:
    return [row for row in results if row.case_kind is case_kind and not row.emulated]


def _chart(
    subject: Subject,
    results: Sequence[Result],
    read: Reading,
    doubted: Doubted = NONE_DOUBTED,
    absent: Sequence[str] = (),
    slowest: bool = False,
    statistic: str = "",
) -> RowChart | None:
    """Cases as rows, boards and precisions as series; cases with most boards first, then by value.

    With the `statistic` of latencies their rounds are drawn, too.
    """
    kind = subject.kind or Kind.MEASURED
    rows: dict[str, list[Value]] = {}
    used, bounded = [], []
    for series, result, figures in _figures(results, kind):
        found = read(result, figures)
        if found:
            used.append(result)
            doubt = doubt_of(result, doubted)
            told_value = signed(found[1])
            text = f"{result.case}, {series}: {told_value}{doubt}"
            # A bound's mark stands beside its dot: that the true one lies further is no fine print.
            label = told_value[0] if told_value.startswith(("≥ ", "≤ ")) else ""
            if label:
                bounded.append(figures)
            band = rounds_of(result, kind, statistic)
            value = Value(series, found[0], text, label, bool(doubt), band)
            rows.setdefault(result.case, []).append(value)
    order = sorted(rows.items(), key=lambda item: -max(one.value for one in item[1]))
    if not slowest:
        order.sort(key=lambda item: -len(item[1]))
    warning = "; ".join(filter(None, (several_vendors(used, subject.kind), signed(told(bounded)))))
    return row_chart(subject, order, warning, absent)


def _figures(results: Sequence[Result], kind: Kind) -> Iterator[tuple[str, Result, Figures]]:
    several = len({row.precision for row in results}) > 1
    for result in results:
        figures = figures_of(result, kind)
        if figures is not None:
            precision = f" {result.precision.upper()}" if several else ""
            yield f"{result.board}{precision}", result, figures


def charts_over_boards(
    results: Sequence[Result],
    kinds: Sequence[Kind],
    boards: Sequence[BoardSpec],
    doubted: Doubted = NONE_DOUBTED,
) -> list[RowChart]:
    """Latency, price, accuracy, CPU and codecs as dot plots; `doubted` are keys of rows."""
    # A time that is not steady says nothing of what the outputs are worth.
    of_outputs = {key: word for key, word in doubted.items() if word not in UNSTEADY}
    dots = (
        *latency_charts(results, kinds, doubted),
        *price_charts(results, kinds, boards, doubted),
        *accuracy_charts(results, kinds, of_outputs),
        *(cpu_chart(results), codec_chart(results)),
    )
    return [chart for chart in dots if chart]
