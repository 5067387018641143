"""What a figure says beside its number: its bound, what its rate counts, what the whole NPU could do."""

from collections.abc import Iterable

from npubench.domain.figures import NpuPart
from npubench.domain.records import (
    Bound,
    BoundReason,
    Bounds,
    Figures,
    Kind,
    Latency,
    RateFrom,
    Result,
    SamplesFrom,
    Sampling,
    Status,
)
from npubench.reporting.data.formatting import duration, significant
from npubench.reporting.data.translate import say

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
            return say("half of the NPU")
        share = "" if bounds.share is None else f"{bounds.share:.2g}"
        return say("{share} of the NPU", share=share) if share else say("a part of the NPU")
    if left_out is None:
        return say("layers on the CPU not counted") if on_cpu else say("layers not counted")
    if layers is None:
        text = say("{count} layers not counted", count=left_out)
    else:
        text = say("{count} of {all} layers not counted", count=left_out, all=layers)
    return f"{text}: {say('left to the CPU')}" if on_cpu else text


def aside(bounds: Bounds | None) -> str:
    """The same in parentheses, after a blank; nothing of an exact figure."""
    return "" if bounds is None else f" ({why(bounds)})"


def latency_text(figures: Figures, value_us: float) -> str:
    """`>= 30.7 ms (18 of 93 layers not counted)`; an exact one without either."""
    bounds = bounds_of(figures)
    return f"{mark(bound_of(figures))}{duration(value_us)}{aside(bounds)}"


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
    return say("bounds, not exact figures: {reasons}", reasons="; ".join(listed[:3]) + more) if listed else ""


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
        SamplesFrom.SYMBOLIC_AXIS: say("an open axis of the model"),
        SamplesFrom.MANIFEST: say("the manifest"),
        SamplesFrom.OPTION: "--batch-axis",
        SamplesFrom.TOOL: say("the tool's batch"),
        SamplesFrom.LEADING_SIZE: say("leading size"),
        SamplesFrom.ONE_A_CALL: say("one sample a call"),
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
    counted = say("{count} a call", count=sampling.samples_per_call)
    axis = "" if sampling.axis is None else f" ({say('axis {axis}', axis=sampling.axis)})"
    text = f"{counted}: {source_text(sampling)}{axis}"
    return f"{text}, {rate}" if rate else text


def _rate(figures: Figures) -> str:
    if figures.throughput_from is RateFrom.MEAN_LATENCY:
        return say("over the mean latency")
    if figures.throughput_from is RateFrom.TOOL:
        return say("counted by the tool")
    return say("as it was published") if figures.kind is Kind.PUBLISHED else ""


_OK = Status.OK


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
    per_second = figures.throughput_fps or _one_after_the_other(figures.latency_us)
    if per_second is None:
        return None
    told = f"{figures.kind} simulation" if figures.origin is Kind.SIMULATED else f"{figures.kind} figure"
    return Figures(
        kind=Kind.PREDICTED,
        throughput_fps=2 * per_second,
        npu=NpuPart("0"),
        details={"basis": f"x2 upper estimate from a {told} in mode {figures.npu.mode}"},
    )


def _one_after_the_other(latency: Latency | None) -> float | None:
    return None if latency is None or latency.mean <= 0 else 1e6 / latency.mean
