"""Figures of rows by their kind, INT8 beside FP32, and what a figure says beside its number."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from npubench.domain.figures import (
    Bound,
    BoundReason,
    Bounds,
    Figures,
    Kind,
    Latency,
    NpuPart,
    RateFrom,
    Sampling,
)
from npubench.domain.records import Definition, Result, Status, earlier
from npubench.domain.specs import Precision, SamplesFrom
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import translate

_OK, _MEASURED, _SIMULATED = Status.OK, Kind.MEASURED, Kind.SIMULATED
"""Looked up once: Python 3.11 calls a function for every use of a member, millions of times for one page."""

_MARKS = {Bound.EXACT: "", Bound.LOWER: ">= ", Bound.UPPER: "<= "}
_OPPOSITE = {Bound.EXACT: Bound.EXACT, Bound.LOWER: Bound.UPPER, Bound.UPPER: Bound.LOWER}


def bounds_of(figures: Figures | None) -> Bounds | None:
    """What the latency is a bound of; None where it is exact."""
    bounds = figures.bounds if figures is not None else None
    return None if bounds is None or bounds.bound is Bound.EXACT else bounds


def left_out_of(figures: Figures | None) -> Bounds | None:
    """The same where the figure leaves something out. A figure of a part of the NPU is whole in itself: set
    beside another one it is no bound, but of another mode, which is told apart from this."""
    bounds = bounds_of(figures)
    return None if bounds is None or bounds.reason is BoundReason.PART_OF_NPU else bounds


def bound_of(figures: Figures | None) -> Bound:
    """How the latency stands to the true one."""
    bounds = bounds_of(figures)
    return Bound.EXACT if bounds is None else bounds.bound


def opposite(bound: Bound) -> Bound:
    """The bound of what is divided by a bound: of a throughput, say."""
    return _OPPOSITE[bound]


def ratio_bound(over: Bounds | None, under: Bounds | None) -> Bound | None:
    """The bound of one figure over another, by what they leave out; None where nothing follows of two."""
    bound = over.bound if over else Bound.EXACT
    turned = opposite(under.bound) if under else Bound.EXACT
    if bound is Bound.EXACT or bound is turned:
        return turned
    return bound if turned is Bound.EXACT else None


def mark(bound: Bound) -> str:
    """What stands before a figure: nothing of an exact one."""
    return _MARKS[bound]


def why(bounds: Bounds) -> str:
    """What makes it a bound, such as `18 of 93 layers not counted`."""
    left_out, layers = bounds.left_out, bounds.layers
    on_cpu = bounds.reason is BoundReason.LAYERS_ON_CPU
    if bounds.reason is BoundReason.PART_OF_NPU:
        if bounds.share == 0.5:
            return translate("half of the NPU")
        share = "" if bounds.share is None else f"{bounds.share:.2g}"
        return translate("{share} of the NPU", share=share) if share else translate("a part of the NPU")
    if bounds.reason is BoundReason.BATCH:
        return translate("of a batch: one alone takes longer")
    if left_out is None:
        return translate("layers on the CPU not counted") if on_cpu else translate("layers not counted")
    if layers is None:
        text = translate("{count} layers not counted", count=left_out)
    else:
        text = translate("{count} of {all} layers not counted", count=left_out, all=layers)
    return f"{text}: {translate('left to the CPU')}" if on_cpu else text


def aside(bounds: Bounds | None) -> str:
    """The same in parentheses, after a blank; nothing of an exact figure."""
    return "" if bounds is None else f" ({why(bounds)})"


def latency_text(figures: Figures, value_us: float) -> str:
    """`>= 30.7 ms (18 of 93 layers not counted)`; an exact one without either."""
    return f"{mark(bound_of(figures))}{duration(value_us)}{aside(bounds_of(figures))}"


def main_latency_us(figures: Figures | None) -> float | None:
    """The median, else the mean."""
    latency = figures.latency_us if figures else None
    if latency is None:
        return None
    return latency.mean if latency.p50 is None else latency.p50


def rate_text(figures: Figures, per_second: float) -> str:
    """A throughput with the mark that its latency's bound gives it."""
    return f"{mark(opposite(bound_of(figures)))}{significant(per_second)}"


def told(figures: Iterable[Figures]) -> str:
    """One line on figures of which some are bounds; nothing where all are exact."""
    reasons = dict.fromkeys(
        f"{mark(bounds.bound).strip()} {why(bounds)}" for one in figures if (bounds := bounds_of(one))
    )
    listed = list(reasons)
    more = f", … ({len(listed)})" if len(listed) > 3 else ""
    return (
        translate("bounds, not exact figures: {reasons}", reasons="; ".join(listed[:3]) + more)
        if listed
        else ""
    )


SHORT = {
    SamplesFrom.SYMBOLIC_AXIS: "open axis",
    SamplesFrom.MANIFEST: "manifest",
    SamplesFrom.OPTION: "--batch-axis",
    SamplesFrom.TOOL: "its batch",
    SamplesFrom.LEADING_SIZE: "leading size",
    SamplesFrom.ONE_A_CALL: "one a call",
}
"""For the column of a terminal."""


def source_text(sampling: Sampling) -> str:
    """What says how many samples a call holds."""
    words = {
        SamplesFrom.SYMBOLIC_AXIS: translate("an open axis of the model"),
        SamplesFrom.MANIFEST: translate("the manifest"),
        SamplesFrom.OPTION: "--batch-axis",
        SamplesFrom.TOOL: translate("the tool's batch"),
        SamplesFrom.LEADING_SIZE: translate("leading size"),
        SamplesFrom.ONE_A_CALL: translate("one sample a call"),
    }
    return words[sampling.source]


def counts_text(figures: Figures) -> str:
    """`4 a call: leading size, over the mean latency`; empty where nothing is known of it."""
    if figures.throughput_fps is None:
        return ""
    rate = _rate(figures)
    sampling = figures.sampling
    if sampling is None:
        return rate
    counted = translate("{count} a call", count=sampling.samples_per_call)
    axis = "" if sampling.axis is None else f" ({translate('axis {axis}', axis=sampling.axis)})"
    text = f"{counted}: {source_text(sampling)}{axis}"
    return f"{text}, {rate}" if rate else text


def _rate(figures: Figures) -> str:
    if figures.throughput_from is RateFrom.MEAN_LATENCY:
        return translate("over the mean latency")
    if figures.throughput_from is RateFrom.TOOL:
        return translate("counted by the tool")
    return translate("as it was published") if figures.kind is Kind.PUBLISHED else ""


def whole_npu(result: Result) -> Figures | None:
    """That estimate for a row that worked: from what was measured, else from the simulation."""
    if result.status is not _OK:
        return None
    estimates = map(whole_npu_upper_estimate, result.all_figures)
    return next((estimate for estimate in estimates if estimate is not None), None)


def whole_npu_upper_estimate(figures: Figures) -> Figures | None:
    """Twice the throughput of a figure taken on one half; PREDICTED, and None for any other mode.

    An upper bound: it takes the memory for fast enough, which it often is not. Latency is not
    halved by it either, as a model does not spread over both halves at will.
    """
    if figures.npu is None or not figures.npu.halved:
        return None
    per_second, mean_us = figures.throughput_fps, figures.latency_us.mean if figures.latency_us else 0.0
    if not per_second and mean_us <= 0:
        return None
    told = f"{figures.kind} simulation" if figures.origin is Kind.SIMULATED else f"{figures.kind} figure"
    return Figures(
        kind=Kind.PREDICTED,
        throughput_fps=2 * (per_second or 1e6 / mean_us),
        npu=NpuPart("0"),
        details={"basis": f"x2 upper estimate from a {told} in mode {figures.npu.mode}"},
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on one board through one backend in both precisions, as far as they are there."""

    case: str
    board: str
    backend: str
    fp32: Result | None
    int8: Result | None


@dataclass(frozen=True, slots=True)
class Speedup:
    """FP32 latency divided by INT8 latency; `statistic` is what both are: p50, else the mean.

    `bound` says how the factor stands to the true one where a latency is only a bound.
    """

    factor: float
    statistic: str
    bound: Bound = Bound.EXACT


def figures_of(result: Result, kind: Kind) -> Figures | None:
    """The figures of that kind: the board's, else the estimate beside them; None if there are none.

    A simulation that was published is not of the kind `published` here: it would stand in one column
    with times that were published of boards. See `published_simulation`.
    """
    if result.status is not _OK:
        return None
    for figures in (result.figures, result.estimate):
        if figures is not None and figures.kind is kind and figures.origin is not _SIMULATED:
            return figures
    return None


def published_simulation(result: Result) -> Figures | None:
    """What the publisher's compiler simulated; None where nothing was published of that."""
    estimate = result.estimate
    return estimate if estimate is not None and estimate.kind is Kind.PUBLISHED else None


def kinds_of(results: Sequence[Result]) -> list[Kind]:
    """The kinds that occur in rows that worked, in the order of `Kind`."""
    found = {figures.kind for result in results if result.status is _OK for figures in result.all_figures}
    return [kind for kind in Kind if kind in found]


def pairs(results: Sequence[Result]) -> list[Pair]:
    """One pair per case, board and backend, in the order of their first rows."""
    found: dict[tuple[str, str, str], dict[Precision, Result]] = {}
    for result in results:
        found.setdefault((result.case, result.board, result.backend), {})[result.precision] = result
    fp32, int8 = Precision.FP32, Precision.INT8
    return [Pair(*key, both.get(fp32), both.get(int8)) for key, both in found.items()]


def latency_of(result: Result | None, kind: Kind) -> Latency | None:
    """Latency of that kind, in microseconds; None without one."""
    figures = figures_of(result, kind) if result else None
    return figures.latency_us if figures else None


def time_us(result: Result | None, kind: Kind, statistic: str) -> float | None:
    """That statistic of its latency in microseconds; None where it is no time."""
    value: float | None = getattr(latency_of(result, kind), statistic, None)
    return value if value and 0 < value < math.inf else None


def common_statistic(results: Sequence[Result], kind: Kind) -> str:
    """The median where every row has one, otherwise the mean of all: never both in one chart."""
    return "p50" if all(time_us(row, kind, "p50") for row in results) else "mean"


def speedup(pair: Pair, kind: Kind) -> Speedup | None:
    """How much faster INT8 is, from figures of one kind and one statistic; None where one is missing.

    What an emulated board measured is compared with nothing, not even with itself, and what was quantised
    by an earlier definition not with FP32 of today; of two bounds whose ratio is none there is no speed-up.
    """
    if pair.fp32 is None or pair.int8 is None or _of_two_times(pair.fp32, pair.int8):
        return None
    if kind is _MEASURED and (pair.fp32.emulated or pair.int8.emulated):
        return None
    fp32, int8 = latency_of(pair.fp32, kind), latency_of(pair.int8, kind)
    if fp32 is None or int8 is None:
        return None
    bound = ratio_bound(*(left_out_of(figures_of(row, kind)) for row in (pair.fp32, pair.int8)))
    if bound is None:
        return None
    statistic, over, under = "p50", fp32.p50, int8.p50
    if over is None or under is None:
        statistic, over, under = "mean", fp32.mean, int8.mean
    possible = over > 0 and under > 0 and math.isfinite(over / under)
    return Speedup(over / under, statistic, bound) if possible else None


def _of_two_times(fp32: Result, int8: Result) -> bool:
    if fp32.definitions.quantisation == int8.definitions.quantisation:
        return False
    return Definition.QUANTISATION in earlier(int8)


def gmac_per_s(result: Result, kind: Kind) -> float | None:
    """Achieved 1e9 multiply-accumulates a second: the graph's MACs over the p50 (else mean) latency."""
    time_us = main_latency_us(figures_of(result, kind))
    return result.macs / time_us / 1e3 if result.macs is not None and time_us and time_us > 0 else None


def speedups(results: Sequence[Result], kinds: Iterable[Kind]) -> dict[int, dict[Kind, Speedup]]:
    """Those of every kind, by the `id` of their INT8 row."""
    found: dict[int, dict[Kind, Speedup]] = {}
    for pair in pairs(results):
        for kind in kinds:
            if factor := speedup(pair, kind):
                found.setdefault(id(pair.int8), {})[kind] = factor
    return found
