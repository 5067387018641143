"""Boards and runs that were not as steady as they should be, or steadier than runs of a board can be."""

import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Kind, Latency
from npubench.domain.records import BoardState, Result, Verdict
from npubench.measure.reliability import CLOCK_CHANGE, HOTTER_C, STABLE_SPREAD
from npubench.reporting.data.figures import latency_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of, measured_of, typical_us, us

WIDE_SPREAD = 0.1
WIDE_DEVIATION = 0.5
"""Standard deviation over mean that is wide, where no rounds tell whether it matters."""

LEAST_FOR_USUAL = 8
"""Rows that it takes to tell what is usual on a board; with fewer each is held against what is stable."""

UNUSUAL = 3.0
"""Times the usual spread: of normal noise in three rounds two rows in a thousand lie further apart."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual on a board: the limit for a row, the median spread, and the rows it is of."""

    limit: float
    median: float
    rows: int


def wide_spreads(results: Sequence[Result], history: Sequence[Result] = ()) -> Iterator[Doubt]:
    """Measured rows that are wide for their board; strong when the rounds lie 10 % apart and more.

    `history` are older rows of the boards, which tell what is usual there.
    """
    measured = [(row, latency) for row in results if (latency := latency_of(row, Kind.MEASURED)) is not None]
    usual = {board: _usual([*spreads.values()]) for board, spreads in _spreads((*history, *results)).items()}
    for row, latency in measured:
        yield from _wide(row, latency, usual.get((row.board, row.backend)))
    yield from _noisy(measured, usual)


def _spreads(rows: Sequence[Result]) -> dict[tuple[str, str], dict[tuple[str, str], float]]:
    """By board and backend the spread of each measurement, however often its row is given."""
    groups: defaultdict[tuple[str, str], dict[tuple[str, str], float]] = defaultdict(dict)
    for row in rows:
        latency = latency_of(row, Kind.MEASURED)
        if latency is not None and latency.spread is not None:
            groups[row.board, row.backend][row.key, row.started_at] = latency.spread
    return groups


def _usual(spreads: Sequence[float]) -> _Usual:
    """The limit is `STABLE_SPREAD` at least, and Tukey's outer fence where the board's rows scatter."""
    if len(spreads) < LEAST_FOR_USUAL:
        return _Usual(STABLE_SPREAD, statistics.median(spreads), len(spreads))
    low, middle, high = statistics.quantiles(spreads, n=4, method="inclusive")
    return _Usual(max(STABLE_SPREAD, UNUSUAL * middle, high + 3 * (high - low)), middle, len(spreads))


def _wide(row: Result, latency: Latency, usual: _Usual | None) -> Iterator[Doubt]:
    wide = latency.spread is not None and usual is not None and latency.spread > usual.limit
    alone = latency.spread is None and latency.std is not None and latency.mean > 0
    deviation = latency.std / latency.mean if alone and latency.std is not None else 0.0
    if not wide and deviation <= WIDE_DEVIATION:
        return
    evidence = []
    if latency.spread is not None:
        evidence.append(_apart(latency, latency.spread))
    if usual is not None and usual.rows >= LEAST_FOR_USUAL:
        known = {"usual": f"{usual.median:.1%}", "rows": usual.rows}
        evidence.append(translate("usual on this board is {usual}, the median of {rows} rows", **known))
    if deviation > WIDE_DEVIATION:
        runs = {"share": deviation, "count": latency.n}
        evidence.append(translate("standard deviation is {share:.0%} of the mean over {count} runs", **runs))
    if row.verdict is not None:
        evidence.append(translate("verdict {verdict}", verdict=translate(row.verdict.value)))
    strength = Strength.strong_if(deviation > WIDE_DEVIATION or (latency.spread or 0.0) > WIDE_SPREAD)
    reason = translate("its runs differ widely: a repeat may give another figure")
    yield doubt_of(row, DoubtClass.WIDE_SPREAD, strength, reason, *evidence)


def _apart(latency: Latency, spread: float) -> str:
    medians = ", ".join(us(value) for value in latency.rounds_p50)
    known = {"spread": spread, "stable": STABLE_SPREAD, "medians": medians}
    if not medians:
        return translate("calls differ by {spread:.1%}, stable is {stable:.0%}", **known)
    return translate("round medians differ by {spread:.1%}, stable is {stable:.0%}: {medians} us", **known)


def _noisy(
    measured: Sequence[tuple[Result, Latency]], usual: dict[tuple[str, str], _Usual]
) -> Iterator[Doubt]:
    """Where every row is wide none is unusual: the board is, and that is said once."""
    for (board, backend), one in usual.items():
        if one.rows < LEAST_FOR_USUAL or one.median <= STABLE_SPREAD:
            continue
        here = [(row, known) for row, known in measured if (row.board, row.backend) == (board, backend)]
        if not here:
            continue
        told = translate(
            "round medians of {wide} of {rows} rows differ by more than {stable:.0%}, usually by {median}",
            wide=sum((known.spread or 0.0) > STABLE_SPREAD for _, known in here),
            rows=len(here),
            stable=STABLE_SPREAD,
            median=f"{one.median:.1%}",
        )
        reason = translate(
            "this board's rounds usually differ: no row stands out, and all may differ in a repeat"
        )
        strength = Strength.strong_if(one.median > WIDE_SPREAD)
        yield replace(
            doubt_of([row for row, _ in here], DoubtClass.NOISY_BOARD, strength, reason, told), cases=()
        )


LEAST_ROUNDS = 3
LEAST_RUNS = 10
QUIETEST = 2e-4
"""Share of a time by which even the quietest boards' rounds differ; the steadiest published is 0.3 %."""

CERTAIN = 1e-5
"""A last digit of this share of the time and less cannot be the same in every round."""


def unlikely_spread(row: Result) -> Iterator[Doubt]:
    """A measured row without any spread, where the digits that are told would show one."""
    figures = measured_of(row)
    # Of published rows one number is told; a simulation has no spread to begin with.
    if figures is None or figures.kind is not Kind.MEASURED or figures.latency_us is None:
        return
    strong, evidence = _evidence(figures.latency_us)
    if copied := _copied(figures.samples_us):
        strong, evidence = True, [*evidence, copied]
    if evidence:
        reason = translate("its runs agree better than runs of a board do: copied, cached or not measured")
        yield doubt_of(row, DoubtClass.UNLIKELY_SPREAD, Strength.strong_if(strong), reason, *evidence)


def _evidence(latency: Latency) -> tuple[bool, list[str]]:
    time = typical_us(latency)
    if time is None:
        return False, []
    evidence = []
    rounds = latency.rounds_p50
    if len(rounds) >= LEAST_ROUNDS and len(set(rounds)) == 1:
        known = {"count": len(rounds), "us": f"{rounds[0]:.12g}"}
        evidence.append(translate("{count} rounds, each with the median {us} us", **known))
    elif not rounds and latency.spread == 0 and latency.n >= LEAST_RUNS:
        evidence.append(translate("its spread is zero over {count} runs", count=latency.n))
    if latency.n >= LEAST_RUNS and (
        latency.std == 0 or (latency.min is not None and latency.min == latency.max)
    ):
        evidence.append(translate("{count} runs, all of {us} us", count=latency.n, us=f"{latency.mean:.12g}"))
    if evidence:
        # A clock of coarse steps may well show nothing: then there is nothing to doubt.
        step = _step(latency) / time
        return step <= CERTAIN, evidence if step <= QUIETEST else []
    # A tool may print its runs more coarsely than their medians; nothing explains medians this close.
    return max(rounds, default=0.0) - min(rounds, default=0.0) <= CERTAIN * time, _finer(latency)


def _finer(latency: Latency) -> list[str]:
    """Medians of rounds that differ by less than the steps of the clock that the runs were read from."""
    rounds = latency.rounds_p50
    known = [one for one in (latency.min, latency.max, latency.p90, latency.p99) if one is not None]
    if len(rounds) < LEAST_ROUNDS or len(known) < 4 or len(set(known)) < 4:
        return []
    apart = max(rounds) - min(rounds)
    # A median is a run or the mean of two: half a step is the least there is.
    step = _power_of_ten(known, apart / 0.499) if apart > 0 else 0.0
    if not 0 < apart < 0.499 * step:
        return []
    told = {"apart": significant(apart), "step": f"{step:.6g}"}
    return [translate("round medians differ by {apart} us, and the clock's steps are {step} us", **told)]


def _step(latency: Latency) -> float:
    """The last digit that is told, us: the largest power of ten that divides all figures of runs."""
    runs = (latency.min, latency.max, latency.p50, latency.p90, latency.p99, *latency.rounds_p50)
    known = [one for one in runs if one]
    return _power_of_ten(known or [latency.mean])


_STEPS = tuple(10.0**exponent for exponent in range(6, -7, -1))


def _power_of_ten(values: Sequence[float], least: float = 0.0) -> float:
    """The largest that divides them all, 1e-6 where none does; steps up to `least` are not tried."""
    return next((step for step in _STEPS if step > least and _divides(step, values)), _STEPS[-1])


def _divides(step: float, values: Sequence[float]) -> bool:
    for value in values:
        count = value / step
        if abs(count - round(count)) >= 1e-6 * max(1.0, abs(count) * 1e-6):
            return False
    return True


def _copied(rounds: Sequence[Sequence[float]]) -> str:
    """Two rounds with the same runs in the same order, and runs that differ."""
    seen: dict[tuple[float, ...], int] = {}
    for at, one in enumerate(rounds):
        runs = tuple(one)
        if len(runs) < LEAST_RUNS or len(set(runs)) < 3:
            continue
        if runs in seen:
            both = {"one": seen[runs] + 1, "other": at + 1}
            return translate("round {other} has the very runs of round {one}", **both)
        seen[runs] = at
    return ""


_STAYS = re.compile(r"mode|version|driver|firmware|governor")
"""Of `BoardState.extra`, what should not change; clocks of the day, loads and counters there always do."""

_SAME = ("hostname", "kernel", "distribution", "cpu_model", "cores", "governor")
_TELLING = (Verdict.THROTTLED, Verdict.INVALID)


def state_drift(row: Result) -> Iterator[Doubt]:
    """A row whose board was not the same before and after: clock, governor, temperature, mode, restart."""
    changes = [] if row.figures is None else list(_changes(row.board_before, row.board_after))
    if row.verdict in _TELLING:
        changes.append(translate("verdict {verdict}", verdict=translate(row.verdict.value)))
    if changes:
        reason = translate("the board's state changed meanwhile: part of the runs are of another state")
        yield doubt_of(row, DoubtClass.BOARD_MOVED, Strength.STRONG, reason, *changes)


def _changes(before: BoardState | None, after: BoardState | None) -> Iterator[str]:
    if before is None or after is None:
        return
    states = [(name, getattr(before, name), getattr(after, name)) for name in _SAME]
    states += [
        (name, one, after.extra.get(name)) for name, one in before.extra.items() if _STAYS.search(name)
    ]
    for name, one, other in states:
        if one is not None and other is not None and one != other:
            yield translate("{name}: {one}, then {other}", name=name, one=one, other=other)
    if before.clocks_mhz and after.clocks_mhz:
        clock, then = statistics.fmean(before.clocks_mhz), statistics.fmean(after.clocks_mhz)
        if clock > 0 and abs(then / clock - 1) > CLOCK_CHANGE:
            mhz = {"one": clock, "other": then, "change": f"{then / clock - 1:+.0%}"}
            yield translate("mean clock: {one:.0f} MHz, then {other:.0f} MHz ({change})", **mhz)
    if before.temperature_c is not None and after.temperature_c is not None:
        celsius = {"one": before.temperature_c, "other": after.temperature_c}
        if abs(after.temperature_c - before.temperature_c) > HOTTER_C:
            yield translate("temperature: {one:.1f} C, then {other:.1f} C", **celsius)
    if before.uptime_s is not None and after.uptime_s is not None and after.uptime_s < before.uptime_s:
        seconds = {"one": before.uptime_s, "other": after.uptime_s}
        yield translate("it restarted: up {one:.0f} s, then {other:.0f} s", **seconds)


LEAST_CLOCKS = 5
DEVIATIONS = 4.0
"""Robust standard deviations from the board's median clock. A governor that scales clocks makes them
wide, and then nothing is said: an idle processor's clock says nothing of the run."""

_NPU_CLOCK = re.compile(r"npu.*(?:clock|mhz|freq)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(MHz|kHz|Hz)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Clock:
    row: Result
    of_npu: bool
    told: tuple[float, ...]  # MHz before and after, as far as known

    @property
    def mhz(self) -> float:
        return statistics.fmean(self.told)

    @property
    def place(self) -> tuple[str, bool]:
        return self.row.board, self.of_npu


def unusual_clocks(results: Sequence[Result], history: Sequence[Result] = ()) -> Iterator[Doubt]:
    """One doubt a row; `history` are older rows of the boards, which tell what is usual there.

    Lower than usual is strong, higher weak: a faster time is then no gain of the tool.
    """
    usual: defaultdict[tuple[str, bool], dict[tuple[str, str], float]] = defaultdict(dict)
    clocks, older = ([*filter(None, map(_clock, rows))] for rows in (results, history))
    for clock in (*clocks, *older):
        usual[clock.place][clock.row.key, clock.row.started_at] = clock.mhz
    limits = {place: _limit([*known.values()]) for place, known in usual.items()}
    for clock in clocks:
        middle, limit = limits[clock.place]
        if len(usual[clock.place]) >= LEAST_CLOCKS and abs(clock.mhz - middle) > limit:
            yield _doubt(clock, middle, len(usual[clock.place]))


def _limit(known: Sequence[float]) -> tuple[float, float]:
    """The median clock, and how far from it is unusual."""
    middle = statistics.median(known)
    deviation = 1.4826 * statistics.median(abs(one - middle) for one in known)
    return middle, max(CLOCK_CHANGE * middle, DEVIATIONS * deviation)


def _doubt(clock: _Clock, usual: float, rows: int) -> Doubt:
    told = translate(
        "{what}: {told} MHz before and after, {change} against the median of {rows} rows, {usual} MHz",
        what=translate("NPU clock") if clock.of_npu else translate("mean clock of the processor"),
        told=", ".join(f"{mhz:.0f}" for mhz in clock.told),
        change=f"{clock.mhz / usual - 1:+.0%}",
        rows=rows,
        usual=f"{usual:.0f}",
    )
    if clock.mhz < usual:
        reason = translate("measured at a lower clock than this board's usual one: slower throughout")
        return doubt_of(clock.row, DoubtClass.UNUSUAL_CLOCK, Strength.STRONG, reason, told)
    reason = translate("measured at a higher clock than this board's usual one")
    return doubt_of(clock.row, DoubtClass.UNUSUAL_CLOCK, Strength.WEAK, reason, told)


def _clock(row: Result) -> _Clock | None:
    if measured_of(row) is None:
        return None
    for of_npu, read in ((True, npu_mhz), (False, _processor_mhz)):
        if told := tuple(filter(None, map(read, (row.board_before, row.board_after)))):
            return _Clock(row, of_npu, told)
    return None


def _processor_mhz(state: BoardState | None) -> float | None:
    mean = statistics.fmean(state.clocks_mhz) if state and state.clocks_mhz else 0.0
    return mean if mean > 0 else None


def npu_mhz(state: BoardState | None) -> float | None:
    """The NPU's clock in MHz, where the board tells it; None where it does not."""
    for name, text in (state.extra if state else {}).items():
        found = _NUMBER.fullmatch(text) if _NPU_CLOCK.search(name) else None
        if found and (value := float(found[1])) > 0:
            # Without a unit: kernels tell Hz or kHz, and no NPU runs at 10 GHz or below 10 MHz.
            likely = "hz" if value >= 1e7 else "khz" if value >= 1e4 else "mhz"
            return value / {"hz": 1e6, "khz": 1e3, "mhz": 1.0}[(found[2] or likely).casefold()]
    return None
