"""Figures of one row that should follow from each other, or that cannot be.

A tool that prints MACs, inferences a second and utilisation has told its peak: MACs x rate / utilisation.
Where most rows of a board agree on it to the rounding of what they print, it is the tool's rule, and a row
that does not follow it has one figure of another row. Where they do not agree, the tool means something
else by utilisation and nothing is said. Times cannot be that are a simulation's own number, or that work
above the chip's peak would need.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from npubench.catalog import load
from npubench.domain.figures import Figures, Kind, Latency
from npubench.domain.records import Result, Status
from npubench.domain.specs import BoardSpec
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import (
    Doubt,
    DoubtClass,
    Strength,
    board_times,
    call_us,
    doubt_of,
    is_exact,
    samples_per_call,
    simulated_of,
    typical_us,
    us,
)
from npubench.reporting.select.candidate import share_of_npu
from npubench.reporting.select.chip_facts import FactSheet, FactValue, peak_mac_per_s, sheet_of

LEAST_FOR_RULE = 3
"""Rows that it takes to tell a tool's rule from themselves."""

MOST_OF = 0.75
"""Share of the rows that must follow a rule for it to be one."""

SLACK = 0.005
"""Of the utilisation, above what rounding explains."""


@dataclass(frozen=True, slots=True)
class Utilised:
    """What a tool prints of one row."""

    row: Result  # whose figures they are
    macs: int  # of a call, by the tool's count
    calls_per_s: float  # by its rate or latency
    share: float  # of the peak, 0..1
    halved: bool  # whether of one half of the NPU

    def share_at(self, peak: float) -> float:
        """What the share should be at that peak."""
        return self.macs * self.calls_per_s / peak

    def follows(self, peak: float) -> bool:
        """Whether the printed share is that, given what printing rounds off.

        Half a unit of the second decimal of the percentage, and of the rate's.
        """
        due = self.share_at(peak)
        of_rate = _half_unit(self.calls_per_s, 2) / self.calls_per_s
        rounding = _half_unit(self.share * 100, 2) / 100 + due * of_rate
        return abs(due - self.share) <= rounding + SLACK * max(due, self.share)


def _half_unit(value: float, decimals: int) -> float:
    """Half a unit of the last decimal that was printed, of which there are at least `decimals`."""
    return 0.5 * 10.0**-decimals if abs(value - round(value, decimals)) < 1e-9 else 0.0


def utilised(results: Iterable[Result]) -> Mapping[tuple[str, str, Kind, str], list[Utilised]]:
    """Rows with MACs by the tool, rate and utilisation, by board, backend, kind and mode of the NPU."""
    groups: defaultdict[tuple[str, str, Kind, str], list[Utilised]] = defaultdict(list)
    for row in results:
        for figures in reversed(row.all_figures) if row.status is Status.OK else ():
            rate = _calls_per_s(figures)
            if rate is None or figures.tool_macs is None or figures.mac_utilisation is None:
                continue
            kind = figures.origin or figures.kind
            halved = figures.npu is not None and figures.npu.halved
            one = Utilised(row, figures.tool_macs, rate, figures.mac_utilisation, halved)
            groups[row.board, row.backend, kind, figures.npu_mode].append(one)
    return groups


def _calls_per_s(figures: Figures) -> float | None:
    if figures.throughput_fps and figures.throughput_fps > 0:
        return figures.throughput_fps / samples_per_call(figures)
    time = typical_us(figures.latency_us)
    return None if time is None else 1e6 / time


def rule_of(group: Sequence[Utilised]) -> FactValue | None:
    """The peak that most of these rows follow; of few rows the one that the chip's facts state exactly."""
    telling = [one for one in group if one.share > 0 and one.macs > 0]
    if len(telling) >= LEAST_FOR_RULE:
        # The rows with the most digits count: of a utilisation of 0.30 % the last one is 3 % of it.
        precise = sorted(telling, key=lambda one: -one.share)[: max(LEAST_FOR_RULE, len(telling) // 2)]
        peak = statistics.median(one.macs * one.calls_per_s / one.share for one in precise)
        following = sum(one.follows(peak) for one in telling)
        return FactValue(peak, "") if following >= MOST_OF * len(telling) else None
    if not group:
        return None
    # Only a peak that was worked out of such rows is the tool's own; it is of half of an AX620A.
    told, _ = _peak_of_board(group[0].row.board, group[0].row.chip)
    return told if told and told.how and group[0].halved else None


def chip_peak(row: Result, figures: Figures) -> FactValue | None:
    """What the part of the NPU that `figures` are of can do at most, by the facts of its board or chip."""
    told, facts = _peak_of_board(row.board, row.chip)
    if told is None:
        return None
    share = share_of_npu(figures, facts)
    if told.how:
        # The fact is of half of the NPU: the whole has two of them.
        return FactValue(told.value * (1 if share <= 0.5 else 2), told.source)
    return FactValue(told.value * share, told.source)


@cache
def _peak_of_board(board: str, chip: str) -> tuple[FactValue | None, FactSheet]:
    facts = sheet_of(board, chip, _shipped_boards())
    return peak_mac_per_s(facts), facts


@cache
def _shipped_boards() -> tuple[BoardSpec, ...]:
    """Boards that npubench ships, for their facts."""
    return tuple(load((), ("boards",)).boards.values())


ROUNDED = 5e-4
"""How near a board's time comes to a simulated one that was only rounded: three digits and a half. Of the
152 published AX620A rows with both none is that near."""

ABOVE = 1.05
"""Work a second over the peak: clocks and listed peaks are rounded."""


def simulation_as_time(row: Result) -> Iterator[Doubt]:
    """A board's time that is the simulation's to rounding, or the rate itself taken for a time."""
    simulation = simulated_of(row)
    if simulation is None:
        return
    due, rate = call_us(simulation), simulation.throughput_fps
    # Two decimals of a rate leave so much open.
    rounding = 0.005 / rate if rate and rate > 0 else 0.0
    for time in board_times(row):
        if due is not None and abs(time.us / due - 1) <= ROUNDED + rounding:
            reason = translate(
                "the board's time is the inverse of the simulated rate, to rounding: "
                "a simulation stands as a measurement"
            )
        elif rate and any(abs(time.us / (rate * unit) - 1) <= 1e-6 for unit in (1.0, 1e3)):
            reason = translate("the board's time is the simulated rate itself: inferences/s stand as a time")
        else:
            continue
        told = {"board": us(time.us, 6), "due": us(due or 0.0, 6)}
        told["rate"] = "-" if rate is None else us(rate, 6)
        evidence = translate(
            "on the board {board} us; simulated {rate} inferences/s, that is {due} us", **told
        )
        yield doubt_of(row, DoubtClass.SIMULATION_AS_TIME, Strength.STRONG, reason, evidence)
        return


def above_peak(row: Result) -> Iterator[Doubt]:
    """A row whose graph's MACs over a time are more than the part of the NPU that ran them can do."""
    if not row.macs or row.status is not Status.OK or row.emulated:
        return
    for figures in row.all_figures:
        rates, peak = _rates_by_figure(row.macs, figures), chip_peak(row, figures)
        if figures.kind is Kind.PREDICTED or not is_exact(figures) or peak is None or not rates:
            continue
        rate, what = rates[0]
        if rate <= ABOVE * peak.value:
            continue
        told = translate(
            "{macs} GMAC a call are {rate} GMAC/s by {what} ({kind}), {factor} times the peak, {peak} GMAC/s",
            macs=significant(row.macs / 1e9),
            rate=significant(rate / 1e9),
            what=what,
            kind=translate(figures.kind.value),
            factor=significant(rate / peak.value),
            peak=significant(peak.value / 1e9),
        )
        reason = translate(
            "more multiply-accumulates a second than the chip can do: a time too short, or of another unit"
        )
        source = translate("the peak: {source}", source=peak.source)
        yield doubt_of(row, DoubtClass.ABOVE_PEAK, Strength.STRONG, reason, told, source)
        return


def _rates_by_figure(macs: int, figures: Figures) -> list[tuple[float, str]]:
    """MACs a second, the highest first, and by what."""
    time, rate = typical_us(figures.latency_us), figures.throughput_fps
    found = [] if time is None else [(macs * 1e6 / time, translate("the latency"))]
    if rate and rate > 0:
        found.append((macs * rate / samples_per_call(figures), translate("the throughput")))
    return sorted(found, reverse=True)


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
        for figures in () if row.emulated else row.all_figures:
            found += [*_contradicting_rate(row, figures), *_statistics(figures.latency_us), *_parts(figures)]
        if found:
            yield doubt_of(
                row,
                DoubtClass.FIGURES_DISAGREE,
                Strength.STRONG,
                translate(
                    "figures of this row contradict each other: at least one is another row's or unit's"
                ),
                *found,
            )


def _wrong_shares(results: Sequence[Result]) -> dict[int, str]:
    """`id` of a row to what is wrong with its MACs, rate and utilisation."""
    return {
        id(one.row): translate(
            "{macs} GMAC by the tool at {rate} inferences/s are {due} of {peak} GMAC/s, "
            "and the tool tells {told}",
            macs=significant(one.macs / 1e9),
            rate=significant(one.calls_per_s),
            due=f"{one.share_at(peak.value):.2%}",
            peak=significant(peak.value / 1e9),
            told=f"{one.share:.2%}",
        )
        for group in utilised(results).values()
        if (peak := rule_of(group)) is not None
        for one in group
        if not one.follows(peak.value)
    }


def _contradicting_rate(row: Result, figures: Figures) -> Iterator[str]:
    latency, rate = typical_us(figures.latency_us), figures.throughput_fps or 0.0
    if latency is None or figures.latency_us is None or rate <= 0 or figures.kind is Kind.PREDICTED:
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
    yield translate(
        "{latency} us a call and {rate} samples/s are {calls} samples a call, and {samples} is told ({kind})",
        latency=us(latency),
        rate=us(rate),
        calls=significant(in_flight),
        samples=samples_per_call(figures),
        kind=translate(figures.kind.value),
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
            yield translate(
                "{name} {value} us is not between the least and the greatest run, {low} and {high} us",
                name=name,
                value=us(value),
                low="-" if latency.min is None else us(latency.min),
                high="-" if latency.max is None else us(latency.max),
            )
            return
    if latency.p50 is not None and latency.rounds_p50:
        low, high = 0.98 * min(latency.rounds_p50), 1.02 * max(latency.rounds_p50)
        if not low <= latency.p50 <= high:
            median = us(latency.p50)
            yield translate("the median {value} us lies outside the medians of the rounds", value=median)


def _parts(figures: Figures) -> Iterator[str]:
    whole, part = figures.latency_us.mean if figures.latency_us else 0.0, figures.npu_time_us
    if whole <= 0 or part is None:
        return
    # Of a published row the two are one number, in two places.
    if part > PART_ABOVE * whole or (figures.kind is Kind.PUBLISHED and whole > PART_ABOVE * part):
        both = {"part": us(part), "whole": us(whole)}
        yield translate("the NPU's part takes {part} us and the whole call {whole} us", **both)
