"""Columns of the case tables: a value, its unit, how it is shown and why it may be missing."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from npubench.records import Accuracy, Figures, Kind, Latency, Result, Status
from npubench.reporting.notation import COUNTS, TIMES, Scale, closeness, common_scale, significant
from npubench.reporting.pairs import Speedup, gmac_per_s
from npubench.reporting.whole_npu import whole_npu
from npubench.reporting.words import say
from npubench.specs import Precision
from npubench.timing import least_samples

ONE = (Scale(""),)
PERCENT = (Scale("%", 0.01),)


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, its figures and how much faster than FP32 it is, both by kind."""

    result: Result
    figures: Mapping[Kind, Figures | None]
    speedups: Mapping[Kind, Speedup]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, the exact figure (or why there is none) and what sorting goes by."""

    text: str
    title: str
    sort: float | None = None

    @property
    def exact(self) -> str:
        """The figure in base units, to nine digits."""
        return "" if self.sort is None else f"{self.sort:.9g}"


@dataclass(frozen=True, slots=True)
class Column:
    """`value` in base units (µs, bytes, 1), `scales` it may be shown in, `exact` its base unit.

    A column without any value is left out unless it is `always` there.
    """

    title: str
    hint: str
    value: Callable[[Entry], float | None]
    scales: tuple[Scale, ...] = ONE
    exact: str = ""
    show: Callable[[float], str] = significant
    missing: Callable[[Entry], str] = lambda _: "not reported"
    kind: Kind | None = None
    always: bool = False
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A column's head; `first` of its kind draws a line before it. `exact` is the unit of exact figures.

    `divisor` and `digits` (fixed ones after the point; None: three significant) say how to round them.
    """

    title: str
    unit: str
    hint: str
    kind: Kind | None
    first: bool
    exact: str = ""
    divisor: float = 1.0
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """Headers and, for every entry, its cells; `groups` are runs of columns of one kind."""

    headers: tuple[Header, ...]
    groups: tuple[tuple[Kind | None, int], ...]
    cells: tuple[tuple[Cell, ...], ...]
    values: tuple[tuple[float | None, ...], ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the cells of each column."""
        return tuple(
            f"{f'k-{head.kind}' if head.kind else 'n'}{' first' if head.first and head.kind else ''}"
            for head in self.headers
        )


def grid(
    entries: Sequence[Entry], kinds: Sequence[Kind], more: Sequence[Column] = (), plain: bool = False
) -> Grid:
    """All columns that apply to these entries, MACs first, `more` after all kinds; one unit for all times.

    `plain`: the figures alone in `values`, column by column, for tables that are too long to be written out.
    """
    columns = [_MACS, *(column for kind in kinds for column in _of_kind(kind, entries)), *more, _WHOLE_NPU]
    values_of = [[_finite(column.value(entry)) for entry in entries] for column in columns]
    times = [v for c, values in zip(columns, values_of, strict=True) if c.scales is TIMES for v in values]
    unit_of_time = common_scale([value for value in times if value is not None], TIMES)
    headers: list[Header] = []
    groups: list[tuple[Kind | None, int]] = []
    cells: list[list[Cell]] = []
    kept = []
    for column, values in zip(columns, values_of, strict=True):
        known = [value for value in values if value is not None]
        if not known and not column.always:
            continue
        scale = unit_of_time if column.scales is TIMES else common_scale(known, column.scales)
        first = not groups or groups[-1][0] is not column.kind
        headers.append(_header(column, scale, first))
        groups = [*groups, (column.kind, 1)] if first else [*groups[:-1], (column.kind, groups[-1][1] + 1)]
        kept.append(tuple(values))
        if not plain:
            cells.append([_cell(column, scale, first, *pair) for pair in zip(entries, values, strict=True)])
    by_entry = tuple(zip(*cells, strict=True)) if cells else tuple(() for _ in entries)
    return Grid(tuple(headers), tuple(groups), by_entry, tuple(kept))


def _header(column: Column, scale: Scale, first: bool) -> Header:
    return Header(
        *(say(column.title), say(scale.unit), say(column.hint), column.kind, first),
        *(say(column.exact), scale.divisor),
        digits=column.digits,
    )


def _cell(column: Column, scale: Scale, first: bool, entry: Entry, value: float | None) -> Cell:
    if value is not None:
        return Cell(column.show(value / scale.divisor), f"{value:.12g} {column.exact}".rstrip(), value)
    status = entry.result.status
    if column.kind and not first and entry.figures.get(column.kind) is None:
        # The first column of a kind says why there is none; its neighbours need not repeat it.
        return Cell("–", "")
    return Cell("–", say(column.missing(entry)) if status is Status.OK else say(_NO_FIGURE[status]))


_NO_FIGURE = {Status.FAILED: "failed: no figure", Status.SKIPPED: "skipped: no figure"}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


_MACS = Column(
    "MACs",
    "Multiply-accumulates of the exported graph at its fixed shapes",
    lambda entry: entry.result.macs,
    COUNTS,
    missing=lambda entry: "a shape is unknown" if entry.result.onnx_sha256 else "not exported",
)


_WHOLE_NPU = Column(
    "×2 upper estimate",
    "Inferences a second if the whole NPU did twice what the half did that ran: an estimate, not measured",
    lambda entry: whole.throughput_fps if (whole := whole_npu(entry.result)) else None,
    (Scale("fps"),),
    "fps",
    missing=lambda _: "not a figure of half an NPU",
    kind=Kind.PREDICTED,
)


def _of_kind(kind: Kind, entries: Sequence[Entry]) -> list[Column]:
    measured = kind is Kind.MEASURED
    times = [_percentile(kind, percentile, measured) for percentile in (50, 90, 99)]
    if any(_lacks_median(entry, kind) for entry in entries):
        times.append(_latency(kind, "mean", "Mean of all runs, for rows without a median"))
    return [*times, *_rates(kind), *_accuracies(kind)]


def _rates(kind: Kind) -> list[Column]:
    return [
        _figure(kind, "fps", "Inferences a second", lambda f: f.throughput_fps),
        Column(
            *("GMAC/s", "1e9 multiply-accumulates a second: MACs over the median (else mean) latency"),
            lambda entry: gmac_per_s(entry.result, kind) if entry.result.macs else None,
            missing=lambda entry: "nothing to multiply" if entry.result.macs == 0 else "not reported",
            kind=kind,
        ),
        _figure(kind, "MAC use", "Share of the chip's peak", lambda f: f.mac_utilisation, PERCENT),
    ]


def _accuracies(kind: Kind) -> list[Column]:
    return [
        Column(
            *("speed-up", "FP32 latency over INT8 latency, medians (else means) of the same kind"),
            lambda entry: entry.speedups[kind].factor if kind in entry.speedups else None,
            (Scale("×"),),
            missing=_no_speedup,
            kind=kind,
        ),
        _accuracy(
            *(kind, "cosine", "Cosine of outputs and FP32 reference", lambda a: a.cosine),
            show=closeness,
            digits=5,
        ),
        _accuracy(
            *(kind, "rel. error", "2-norm of the difference over that of the FP32 reference"),
            lambda a: a.relative_error,
            scales=PERCENT,
        ),
        _accuracy(kind, "PSNR", "Peak signal-to-noise against the FP32 reference", lambda a: a.psnr_db, "dB"),
        _accuracy(
            *(kind, "top-1", "Share of inputs with the reference's arg-max", lambda a: a.top1_agreement),
            show=lambda value: closeness(value, 3),
            digits=3,
        ),
    ]


def _figure(
    kind: Kind, title: str, hint: str, get: Callable[[Figures], float | None], scales: tuple[Scale, ...] = ONE
) -> Column:
    def value(entry: Entry) -> float | None:
        figures = entry.figures.get(kind)
        return get(figures) if figures else None

    return Column(title, hint, value, scales, kind=kind)


def _percentile(kind: Kind, percentile: int, always: bool) -> Column:
    name, needed = f"p{percentile}", least_samples(percentile)

    def missing(entry: Entry) -> str:
        latency, figures = _latency_of(entry, kind), entry.figures.get(kind)
        if latency is None or figures is None:
            return say("no {kind} latency", kind=say(kind.value))
        if "statistic" in figures.details:
            return str(figures.details["statistic"])
        if latency.n < needed:
            return say(
                "{name} needs {needed} runs, there were {count}", name=name, needed=needed, count=latency.n
            )
        return "the tool reports no single runs"

    below = say("Latency that {percentile} % stay below", percentile=percentile)
    hint = "Median latency of one inference" if percentile == 50 else below
    return Column(name, hint, _statistic(kind, name), TIMES, "µs", missing=missing, kind=kind, always=always)


def _latency(kind: Kind, name: str, hint: str) -> Column:
    return Column(name, hint, _statistic(kind, name), TIMES, "µs", kind=kind)


def _statistic(kind: Kind, name: str) -> Callable[[Entry], float | None]:
    def value(entry: Entry) -> float | None:
        found: float | None = getattr(_latency_of(entry, kind), name, None)
        return found

    return value


def _accuracy(
    kind: Kind,
    title: str,
    hint: str,
    get: Callable[[Accuracy], float | None],
    unit: str = "",
    show: Callable[[float], str] = significant,
    scales: tuple[Scale, ...] | None = None,
    digits: int | None = None,
) -> Column:
    def value(entry: Entry) -> float | None:
        figures = entry.figures.get(kind)
        return get(figures.accuracy) if figures and figures.accuracy else None

    def missing(entry: Entry) -> str:
        figures = entry.figures.get(kind)
        if figures is None or figures.accuracy is None:
            return say("not compared")
        same = title == "PSNR" and figures.accuracy.max_abs == 0
        return "identical outputs: no noise" if same else "does not apply"

    return Column(title, hint, value, scales or (Scale(unit),), unit, show, missing, kind, digits=digits)


def _latency_of(entry: Entry, kind: Kind) -> Latency | None:
    figures = entry.figures.get(kind)
    return figures.latency_us if figures else None


def _lacks_median(entry: Entry, kind: Kind) -> bool:
    latency = _latency_of(entry, kind)
    return latency is not None and latency.p50 is None


def _no_speedup(entry: Entry) -> str:
    if entry.result.precision is Precision.FP32:
        return "stands on the INT8 row"
    return "no FP32 latency of this kind to compare with"
