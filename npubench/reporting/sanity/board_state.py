"""Boards that were not in one state while they measured, or not in their usual one.

Slow throughout shows in no spread of rounds, so a row's clock is held against the board's usual one. The
NPU's clock counts where a board's state tells it, until then the processor's: a board that is hot or saves
power lowers both.
"""

import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from npubench.domain.records import BoardState, Result, Verdict
from npubench.measure.stability import CLOCK_CHANGE, HOTTER_C
from npubench.reporting.data.translate import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of
from npubench.reporting.sanity.times import measured_of

_STAYS = re.compile(r"mode|version|driver|firmware|governor")
"""Of `BoardState.extra`, what should not change; clocks of the day, loads and counters there always do."""

_TELLING = (Verdict.THROTTLED, Verdict.INVALID)


def state_drift(row: Result) -> Iterator[Doubt]:
    """A row whose board was not the same before and after: clock, governor, temperature, mode, restart."""
    changes = [] if row.figures is None else list(_changes(row.board_before, row.board_after))
    if row.verdict in _TELLING:
        changes.append(say("verdict {verdict}", verdict=say(row.verdict.value)))
    if changes:
        reason = say("the board's state changed meanwhile: part of the runs are of another state")
        yield doubt_of(row, DoubtClass.BOARD_MOVED, Strength.STRONG, reason, *changes)


def _changes(before: BoardState | None, after: BoardState | None) -> Iterator[str]:
    if before is None or after is None:
        return
    for name in ("hostname", "kernel", "distribution", "cpu_model", "cores", "governor"):
        one, other = getattr(before, name), getattr(after, name)
        if one is not None and other is not None and one != other:
            yield say("{name}: {one}, then {other}", name=name, one=one, other=other)
    if before.clocks_mhz and after.clocks_mhz:
        clock, then = statistics.fmean(before.clocks_mhz), statistics.fmean(after.clocks_mhz)
        if clock > 0 and abs(then / clock - 1) > CLOCK_CHANGE:
            change = f"{then / clock - 1:+.0%}"
            yield say(
                "mean clock: {one:.0f} MHz, then {other:.0f} MHz ({change})",
                one=clock,
                other=then,
                change=change,
            )
    if before.temperature_c is not None and after.temperature_c is not None:
        rise = after.temperature_c - before.temperature_c
        if abs(rise) > HOTTER_C:
            yield say(
                "temperature: {one:.1f} C, then {other:.1f} C",
                one=before.temperature_c,
                other=after.temperature_c,
            )
    if before.uptime_s is not None and after.uptime_s is not None and after.uptime_s < before.uptime_s:
        yield say(
            "it restarted: up {one:.0f} s, then {other:.0f} s", one=before.uptime_s, other=after.uptime_s
        )
    for name, value in before.extra.items():
        then_value = after.extra.get(name)
        if _STAYS.search(name) and then_value is not None and then_value != value:
            yield say("{name}: {one}, then {other}", name=name, one=value, other=then_value)


LEAST_FOR_USUAL = 5
DEVIATIONS = 4.0
"""Robust standard deviations from the board's median clock. A governor that scales clocks makes them
wide, and then nothing is said: an idle processor's clock says nothing of the run."""

_NPU_CLOCK = re.compile(r"npu.*(?:clock|mhz|freq)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*(MHz|kHz|Hz)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Clock:
    row: Result
    of_npu: bool
    before: float | None
    after: float | None

    @property
    def mhz(self) -> float:
        told = [one for one in (self.before, self.after) if one is not None]
        return statistics.fmean(told)


def unusual_clocks(results: Sequence[Result], history: Sequence[Result] = ()) -> Iterator[Doubt]:
    """One doubt a row; `history` are older rows of the boards, which tell what is usual there.

    Lower than usual is strong, higher weak: a faster time is then no gain of the tool.
    """
    usual: defaultdict[tuple[str, bool], dict[tuple[str, str], float]] = defaultdict(dict)
    clocks = [clock for row in results if (clock := _clock(row)) is not None]
    for clock in (*clocks, *(clock for row in history if (clock := _clock(row)) is not None)):
        usual[clock.row.board, clock.of_npu][clock.row.key, clock.row.started_at] = clock.mhz
    limits = {board: _limit([*known.values()]) for board, known in usual.items()}
    for clock in clocks:
        board = clock.row.board, clock.of_npu
        middle, limit = limits[board]
        if len(usual[board]) >= LEAST_FOR_USUAL and abs(clock.mhz - middle) > limit:
            yield _doubt(clock, middle, len(usual[board]))


def _limit(known: Sequence[float]) -> tuple[float, float]:
    """The median clock, and how far from it is unusual."""
    middle = statistics.median(known)
    deviation = 1.4826 * statistics.median(abs(one - middle) for one in known)
    return middle, max(CLOCK_CHANGE * middle, DEVIATIONS * deviation)


def _doubt(clock: _Clock, usual: float, rows: int) -> Doubt:
    slower = clock.mhz < usual
    told = [f"{mhz:.0f}" for mhz in (clock.before, clock.after) if mhz is not None]
    return doubt_of(
        clock.row,
        DoubtClass.UNUSUAL_CLOCK,
        Strength.strong_if(slower),
        say("measured at a lower clock than this board's usual one: slower throughout")
        if slower
        else say("measured at a higher clock than this board's usual one"),
        say(
            "{what}: {told} MHz before and after, {change} against the median of {rows} rows, {usual} MHz",
            what=say("NPU clock") if clock.of_npu else say("mean clock of the processor"),
            told=", ".join(told),
            change=f"{clock.mhz / usual - 1:+.0%}",
            rows=rows,
            usual=f"{usual:.0f}",
        ),
    )


def _clock(row: Result) -> _Clock | None:
    if measured_of(row) is None:
        return None
    for of_npu, read in ((True, _npu_mhz), (False, _processor_mhz)):
        before, after = read(row.board_before), read(row.board_after)
        if before is not None or after is not None:
            return _Clock(row, of_npu, before, after)
    return None


def _processor_mhz(state: BoardState | None) -> float | None:
    if state is None or not state.clocks_mhz:
        return None
    mean = statistics.fmean(state.clocks_mhz)
    return mean if mean > 0 else None


def _npu_mhz(state: BoardState | None) -> float | None:
    for name, text in (state.extra if state else {}).items():
        found = _NUMBER.fullmatch(text) if _NPU_CLOCK.search(name) else None
        if found and float(found[1]) > 0:
            unit = (found[2] or "").casefold()
            value = float(found[1])
            if not unit:
                # Without a unit: kernels tell Hz or kHz, and no NPU runs at 10 GHz or below 10 MHz.
                unit = "hz" if value >= 1e7 else "khz" if value >= 1e4 else "mhz"
            return value / {"hz": 1e6, "khz": 1e3, "mhz": 1.0}[unit]
    return None
