"""Figures of one row that should follow from each other: one is another row's, or in another unit."""

import math
from collections.abc import Iterator, Sequence

from npubench.domain.records import Figures, Kind, Latency, Result, Status
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of, figures_of
from npubench.reporting.sanity.peaks import rule_of, utilised
from npubench.reporting.sanity.times import samples_per_call, typical_us

RATE_OFF = 1.25
"""A board's rate may be this far from samples over the mean and over the median: time between the calls."""

SIMULATED_RATE_OFF = 0.02
"""A simulation's rate is the inverse of its latency, but for what both round off."""

PART_ABOVE = 1.02
"""The NPU's part may be this far above the call: means of different runs."""

MOST_STREAMS = 64
"""Calls in flight at once, where a tool keeps several and says how many nowhere (OpenVINO)."""


def disagreeing(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row, with everything in it that contradicts something else of it."""
    shares = _wrong_shares(results)
    for row in results:
        if row.status is not Status.OK:
            continue
        found = [shares[id(row)]] if id(row) in shares else []
        for figures in () if row.emulated else figures_of(row):
            found += [*_rates(row, figures), *_statistics(figures.latency_us), *_parts(figures)]
        if found:
            yield doubt_of(
                row,
                DoubtClass.FIGURES_DISAGREE,
                Strength.STRONG,
                say("figures of this row contradict each other: at least one is another row's or unit's"),
                *found,
            )


def _wrong_shares(results: Sequence[Result]) -> dict[int, str]:
    """`id` of a row to what is wrong with its MACs, rate and utilisation."""
    return {
        id(one.row): say(
            "{macs} GMAC by the tool at {rate} inferences/s are {due} of {peak} GMAC/s, "
            "and the tool tells {told}",
            macs=significant(one.macs / 1e9),
            rate=significant(one.calls_per_s),
            due=f"{one.share_at(peak.mac_per_s):.2%}",
            peak=significant(peak.mac_per_s / 1e9),
            told=f"{one.share:.2%}",
        )
        for group in utilised(results).values()
        if (peak := rule_of(group)) is not None
        for one in group
        if not one.follows(peak.mac_per_s)
    }


def _rates(row: Result, figures: Figures) -> Iterator[str]:
    latency, rate = typical_us(figures.latency_us), figures.throughput_fps
    if (
        latency is None
        or figures.latency_us is None
        or not rate
        or rate <= 0
        or figures.kind is Kind.PREDICTED
    ):
        return
    in_flight = latency * rate / 1e6
    by_mean = max(figures.latency_us.mean, 1e-9) * rate / 1e6
    simulated = Kind.SIMULATED in (figures.kind, figures.origin)
    tolerance = math.log1p(SIMULATED_RATE_OFF) if simulated else math.log(RATE_OFF)
    samples = {1, samples_per_call(figures)}
    if figures.sampling is None:
        # An old row says not what its rate counts: its batch may be in it.
        samples |= {tensor.shape[0] for tensor in row.inputs[:1] if tensor.shape and tensor.shape[0] > 0}
    if any(abs(math.log(calls / count)) <= tolerance for calls in (in_flight, by_mean) for count in samples):
        return
    if not simulated and figures.calls_overlap and 1 <= in_flight <= MOST_STREAMS:
        return
    yield say(
        "{latency} us a call and {rate} samples/s are {calls} samples a call, and {samples} is told ({kind})",
        latency=significant(latency, separator=""),
        rate=significant(rate, separator=""),
        calls=significant(in_flight),
        samples=samples_per_call(figures),
        kind=say(figures.kind.value),
    )


def _statistics(latency: Latency | None) -> Iterator[str]:
    """Mean, median and percentiles between least and greatest; the median between those of the rounds."""
    if latency is None:
        return
    slack = 1e-6 * abs(latency.mean)
    low = -math.inf if latency.min is None else latency.min - slack
    high = math.inf if latency.max is None else latency.max + slack
    inside = {"mean": latency.mean, "p50": latency.p50, "p90": latency.p90, "p99": latency.p99}
    for name, value in inside.items():
        if value is not None and not low <= value <= high:
            yield say(
                "{name} {value} us is not between the least and the greatest run, {low} and {high} us",
                name=name,
                value=significant(value, separator=""),
                low="-" if latency.min is None else significant(latency.min, separator=""),
                high="-" if latency.max is None else significant(latency.max, separator=""),
            )
            return
    if latency.p50 is not None and latency.rounds_p50:
        low, high = 0.98 * min(latency.rounds_p50), 1.02 * max(latency.rounds_p50)
        if not low <= latency.p50 <= high:
            yield say(
                "the median {value} us lies outside the medians of the rounds",
                value=significant(latency.p50, separator=""),
            )


def _parts(figures: Figures) -> Iterator[str]:
    whole = figures.latency_us.mean if figures.latency_us else None
    part = figures.npu_time_us
    if not whole or whole <= 0 or part is None:
        return
    # Of a published row the two are one number, in two places.
    if part > PART_ABOVE * whole or (figures.kind is Kind.PUBLISHED and whole > PART_ABOVE * part):
        yield say(
            "the NPU's part takes {part} us and the whole call {whole} us",
            part=significant(part, separator=""),
            whole=significant(whole, separator=""),
        )
