"""Times that cannot be: a simulation's own number in the place of a board's time, and work above the peak."""

from collections.abc import Iterator, Mapping, Sequence

from npubench.domain.records import Figures, Kind, Result, Status
from npubench.domain.specs import BoardSpec
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of
from npubench.reporting.sanity.peaks import Peak, chip_peak, shipped_boards
from npubench.reporting.sanity.times import (
    board_times,
    is_exact,
    samples_per_call,
    simulated_of,
    simulated_us,
    typical_us,
)

ROUNDED = 5e-4
"""How near a board's time comes to a simulated one that was only rounded: three digits and a half. Of the
152 published AX620A rows with both none is that near."""

ABOVE = 1.05
"""Work a second over the peak: clocks and listed peaks are rounded."""


def simulations_as_times(results: Sequence[Result]) -> Iterator[Doubt]:
    """Rows whose board time is the simulation's to rounding, or the rate itself taken for a time."""
    for row in results:
        simulation = simulated_of(row)
        if simulation is None:
            continue
        due, rate = simulated_us(simulation), simulation.throughput_fps
        for time in board_times(row):
            if due is not None and abs(time.us / due - 1) <= ROUNDED + _rounding(rate):
                yield _copied(
                    row,
                    say(
                        "the board's time is the inverse of the simulated rate, to rounding: "
                        "a simulation stands as a measurement"
                    ),
                    time.us,
                    due,
                    rate,
                )
                break
            if rate and any(abs(time.us / (rate * unit) - 1) <= 1e-6 for unit in (1.0, 1e3)):
                yield _copied(
                    row,
                    say("the board's time is the simulated rate itself: inferences/s stand as a time"),
                    time.us,
                    due or 0.0,
                    rate,
                )
                break


def _rounding(rate: float | None) -> float:
    """What two decimals of a rate leave open."""
    return 0.005 / rate if rate and rate > 0 else 0.0


def _copied(row: Result, reason: str, us: float, due: float, rate: float | None) -> Doubt:
    return doubt_of(
        row,
        DoubtClass.SIMULATION_AS_TIME,
        Strength.STRONG,
        reason,
        say(
            "on the board {board} us; simulated {rate} inferences/s, that is {due} us",
            board=significant(us, 6, ""),
            rate="-" if rate is None else significant(rate, 6, ""),
            due=significant(due, 6, ""),
        ),
    )


def above_peak(results: Sequence[Result], boards: Sequence[BoardSpec] = ()) -> Iterator[Doubt]:
    """Rows whose graph's MACs over a time are more than the part of the NPU that ran them can do."""
    known = boards or shipped_boards()
    peaks: dict[tuple[str, str, str], Peak | None] = {}
    for row in results:
        if not row.macs or row.status is not Status.OK or row.emulated:
            continue
        for figures in (row.figures, row.estimate):
            if figures is None or figures.kind is Kind.PREDICTED or not is_exact(figures):
                continue
            key = (row.board, row.chip, str(figures.details.get("npu_mode", "")))
            if key not in peaks:
                peaks[key] = chip_peak(row, figures, known)
            doubt = _above(row, figures, peaks[key])
            if doubt is not None:
                yield doubt
                break


def _above(row: Result, figures: Figures, peak: Peak | None) -> Doubt | None:
    rates = _rates(row.macs or 0, figures)
    if peak is None or not rates:
        return None
    what, rate = max(rates.items(), key=lambda one: one[1])
    if rate <= ABOVE * peak.mac_per_s:
        return None
    return doubt_of(
        row,
        DoubtClass.ABOVE_PEAK,
        Strength.STRONG,
        say("more multiply-accumulates a second than the chip can do: a time too short, or of another unit"),
        say(
            "{macs} GMAC a call are {rate} GMAC/s by {what} ({kind}), {factor} times the peak, {peak} GMAC/s",
            macs=significant((row.macs or 0) / 1e9),
            rate=significant(rate / 1e9),
            what=what,
            kind=say(figures.kind.value),
            factor=significant(rate / peak.mac_per_s),
            peak=significant(peak.mac_per_s / 1e9),
        ),
        say("the peak: {source}", source=peak.source),
    )


def _rates(macs: int, figures: Figures) -> Mapping[str, float]:
    rates = {}
    time = typical_us(figures.latency_us)
    if time is not None:
        rates[say("the latency")] = macs * 1e6 / time
    if figures.throughput_fps and figures.throughput_fps > 0:
        rates[say("the throughput")] = macs * figures.throughput_fps / samples_per_call(figures)
    return rates
