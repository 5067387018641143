"""Charts over all boards: latency, throughput for the price, accuracy, missing operators, CPU, codecs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from npubench import published
from npubench.domain.figures import Figures, Kind
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec, CaseKind, Precision
from npubench.reporting.charts.latency_charts import about_times
from npubench.reporting.charts.plots import (
    POINT_LIMIT,
    Corner,
    Point,
    RowChart,
    Scatter,
    Subject,
    Value,
    row_chart,
    scatter,
)
from npubench.reporting.data.accuracy import lowest_of
from npubench.reporting.data.figures import (
    aside,
    bound_of,
    bounds_of,
    common_statistic,
    figures_of,
    gmac_per_s,
    latency_text,
    mark,
    opposite,
    rate_text,
    time_us,
    told,
)
from npubench.reporting.data.formatting import closeness, significant
from npubench.reporting.data.op_support import (
    HOST,
    NPU,
    MissingOperator,
    Placement,
    Where,
    of_row,
    placements,
)
from npubench.reporting.data.translate import translate
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import (
    FactSheet,
    bandwidth_bytes_per_s,
    peak_mac_per_s,
    price_told,
    sheet_of,
)

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


def latency_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> Iterator[RowChart | None]:
    """Latency of models by board, a chart a kind, where there are several boards."""
    models = _real(results, CaseKind.MODEL)
    for kind in kinds:
        rows = [row for row in models if time_us(row, kind, "mean")]
        if len({row.board for row in rows}) > 1:
            statistic = common_statistic(rows, kind)
            title = translate("Latency by model and board")
            subject = Subject("latency", title, about_times(statistic), kind)
            yield _chart(subject, rows, _reading_of(kind, statistic), slowest=True)


def _reading_of(kind: Kind, statistic: str) -> Reading:
    def read(row: Result, figures: Figures) -> tuple[float, str] | None:
        value = time_us(row, kind, statistic)
        return (value, latency_text(figures, value)) if value else None

    return read


def _count(value: float, digits: int) -> str:  # noqa: ARG001
    """Nothing can be counted by halves: a line between whole numbers has no label."""
    return significant(round(value), 1) if abs(value - round(value)) < 1e-9 else ""


def price_charts(
    results: Sequence[Result], kinds: Sequence[Kind], boards: Sequence[BoardSpec]
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
    yield from (_chart(Subject("price", title, about, kind, significant), models, read) for kind in kinds)


def accuracy_charts(results: Sequence[Result], kinds: Sequence[Kind]) -> Iterator[RowChart | None]:
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
        subject = Subject("accuracy", title, about, kind, _error, logarithmic=True)
        yield _chart(subject, models, read, slowest=True)


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
    subject = Subject("missing", title, about, None, _count, logarithmic=False, bars=True)
    return row_chart(subject, list(rows.items()))


def cpu_chart(results: Sequence[Result]) -> RowChart | None:
    """Instruction times against the published ones; every series says its kind."""
    rows: dict[str, list[Value]] = {}
    for row in results:
        figures = row.figures
        if row.case_kind is not CaseKind.CPU or figures is None or row.emulated:
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
    return row_chart(Subject("cpu", title, about, None, significant), list(rows.items()))


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
    return _chart(Subject("codec", title, about, Kind.MEASURED, _count, logarithmic=False), having, read)


def _real(results: Sequence[Result], case_kind: CaseKind) -> list[Result]:
    return [row for row in results if row.case_kind is case_kind and not row.emulated]


def _chart(
    subject: Subject, results: Sequence[Result], read: Reading, slowest: bool = False
) -> RowChart | None:
    """Cases as rows, boards and precisions as series; cases with most boards first, then by value."""
    rows: dict[str, list[Value]] = {}
    used, bounded = [], []
    for series, result, figures in _figures(results, subject.kind or Kind.MEASURED):
        found = read(result, figures)
        if found:
            used.append(result)
            text = f"{result.case}, {series}: {found[1]}"
            # A bound's mark stands beside its dot: that the true one lies further is no fine print.
            label = found[1][:2] if found[1].startswith((">= ", "<= ")) else ""
            if label:
                bounded.append(figures)
            rows.setdefault(result.case, []).append(Value(series, found[0], text, label))
    order = sorted(rows.items(), key=lambda item: -max(one.value for one in item[1]))
    if not slowest:
        order.sort(key=lambda item: -len(item[1]))
    warning = "; ".join(filter(None, (several_vendors(used, subject.kind), told(bounded))))
    return row_chart(subject, order, warning)


def _figures(results: Sequence[Result], kind: Kind) -> Iterator[tuple[str, Result, Figures]]:
    several = len({row.precision for row in results}) > 1
    for result in results:
        figures = figures_of(result, kind)
        if figures is not None:
            precision = f" {result.precision.upper()}" if several else ""
            yield f"{result.board}{precision}", result, figures


def charts_over_boards(
    results: Sequence[Result], kinds: Sequence[Kind], boards: Sequence[BoardSpec]
) -> list[RowChart]:
    """Latency, price, accuracy, CPU and codecs as dot plots."""
    dots = (
        *latency_charts(results, kinds),
        *price_charts(results, kinds, boards),
        *accuracy_charts(results, kinds),
        *(cpu_chart(results), codec_chart(results)),
    )
    return [chart for chart in dots if chart]


ELEMENT_BYTES = {Precision.FP32: 4, Precision.INT8: 1}


def rooflines(results: Sequence[Result], kinds: Sequence[Kind], boards: Sequence[BoardSpec]) -> list[Scatter]:
    """One plot a board and kind that has cases with MACs and times; emulated boards have no performance.

    Williams, Waterman, Patterson: Roofline, CACM 52 (2009) no. 4. Intensity is multiply-accumulates a byte of
    memory traffic: of the traffic that the tool reports, else of the least there can be (inputs, outputs and
    weights once, in the precision of the row), so a dot may lie left of where it stands.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in results:
        if not row.emulated and row.macs:
            groups.setdefault((row.board, row.backend, row.chip), []).append(row)
    plots = (
        _plot(board, backend, rows, kind, sheet_of(board, chip, boards))
        for (board, backend, chip), rows in sorted(groups.items())
        for kind in kinds
    )
    return [plot for plot in plots if plot]


def _plot(board: str, backend: str, rows: Sequence[Result], kind: Kind, facts: FactSheet) -> Scatter | None:
    places = [(row, *place) for row in rows if (place := _place(row, kind))]
    if not places:
        return None
    points = [
        # What finds no room is counted; nobody points at it.
        _point(*place, kind) if at < POINT_LIMIT else Point(*place[1:], _series(place[0]), "")
        for at, place in enumerate(places)
    ]
    share = min((share_of_npu(f, facts) for row in rows if (f := figures_of(row, kind))), default=1.0)
    low, high = min(point.x for point in points), max(point.x for point in points)
    corners = _roof(facts, low, high, share, kind)
    about = f"{board}, {backend}" if corners else f"{board}, {backend}; {translate('no fact tells its roof')}"
    subject = Subject("roofline", translate("Roofline"), about, kind, significant, logarithmic=True)
    return scatter(subject, (translate("MAC a byte"), translate("GMAC/s achieved")), points, corners)


def _place(row: Result, kind: Kind) -> tuple[float, float] | None:
    """MACs a byte, and 1e9 MACs a second."""
    rate = gmac_per_s(row, kind)
    traffic = _traffic_bytes(row, kind) if rate else None
    return (row.macs / traffic, rate) if rate and traffic and row.macs else None


def _series(row: Result) -> str:
    return f"{translate(row.case_kind)} {row.precision.upper()}"


def _point(row: Result, intensity: float, rate: float, kind: Kind) -> Point:
    figures = figures_of(row, kind)
    reached = f"{mark(opposite(bound_of(figures)))}{significant(rate)} GMAC/s{aside(bounds_of(figures))}"
    text = f"{row.case}: {significant(intensity)} MAC/B, {reached}"
    return Point(intensity, rate, _series(row), text)


def _traffic_bytes(row: Result, kind: Kind) -> float | None:
    figures = figures_of(row, kind)
    if figures is not None and figures.io_bytes:
        return float(figures.io_bytes)
    tensors = (*row.inputs, *row.outputs)
    if not tensors or row.precision not in ELEMENT_BYTES:
        return None
    elements = sum(prod(tensor.shape) for tensor in tensors) + (row.parameters or 0)
    return float(elements * ELEMENT_BYTES[row.precision])


def _roof(facts: FactSheet, low: float, high: float, share: float, kind: Kind) -> list[Corner]:
    """The peak, and the slope of the memory up to it."""
    peak, bandwidth = peak_mac_per_s(facts), bandwidth_bytes_per_s(facts)
    if peak is None:
        return []
    rate = peak.value / 1e9
    text = translate("peak {rate} GMAC/s", rate=significant(rate))
    if share < 1:
        text = f"{text} ({peak.how or translate('of the whole NPU')})"
    left, right = low / 2, high * 2
    if bandwidth is None:
        return [Corner(((left, rate), (right, rate)), text, kind)]
    slope = bandwidth.value / 1e9
    ridge = rate / slope
    memory = f"{significant(slope)} GB/s"
    corners = []
    if left < ridge:
        end = min(ridge, right)
        corners.append(Corner(((left, left * slope), (end, end * slope)), memory, kind))
    if right > ridge:
        corners.append(Corner(((max(ridge, left), rate), (right, rate)), text, kind))
    return corners


@dataclass(frozen=True, slots=True)
class HeatCell:
    """`placed` is the worst that became of the operator over its cases and layers; None: unknown.

    `efficiency` in [0, 1] is the best share of the peak that a case of the operator reached, of `kind`.
    """

    placed: Placement | None
    efficiency: float | None = None
    kind: Kind | None = None

    @property
    def heat(self) -> int:
        """0 to 5, for the shade; 0 without an efficiency."""
        return 0 if self.efficiency is None else min(5, 1 + int(self.efficiency * 5))


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Rows are operators, columns boards with their backend."""

    boards: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


def heatmap(results: Sequence[Result], boards: Sequence[BoardSpec]) -> HeatMap | None:
    """The map of all single-operator cases, and of operators that models failed by or left to another unit;
    None without any."""
    places = placements(results, _told)
    best: dict[tuple[str, Where], tuple[float, Kind]] = {}
    for row in results:
        of_operator = row.case_kind is CaseKind.OPERATOR and row.op and row.status is Status.OK
        if reached := _efficiency(row, boards) if of_operator else None:
            key = (row.op, (row.board, row.backend))
            best[key] = max(reached, best.get(key, reached))
    if not places:
        return None
    columns = tuple(sorted({where for row in places.values() for where in row}))
    rows = tuple(
        (
            operator,
            tuple(HeatCell(row.get(where), *best.get((operator, where), ())) for where in columns),
        )
        for operator, row in sorted(places.items())
    )
    return HeatMap(columns, rows)


def _told(row: Result) -> Iterator[tuple[str, Placement]]:
    """Of an operator case its operator, of anything else only what is worse than the NPU."""
    for operator, placed in of_row(row):
        about = row.case_kind is CaseKind.OPERATOR and operator == row.op
        worse_than_npu = placed.place not in (NPU, HOST)
        if about or (worse_than_npu and (row.status is Status.FAILED or row.chip != "cpu")):
            yield operator, placed


def _efficiency(row: Result, boards: Sequence[BoardSpec]) -> tuple[float, Kind] | None:
    """The tool's own share of the peak, else MACs over time over the peak of the board's facts."""
    if row.emulated:
        return None
    for kind in Kind:
        figures = figures_of(row, kind)
        if figures is not None and figures.mac_utilisation is not None:
            return figures.mac_utilisation, kind
    for kind in Kind:
        if rate := gmac_per_s(row, kind):
            peak = peak_mac_per_s(sheet_of(row.board, row.chip, boards))
            return (rate * 1e9 / peak.value, kind) if peak else None
    return None
