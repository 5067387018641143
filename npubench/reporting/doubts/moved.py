"""Rows whose board was not the same before and after: clock, governor, temperature, mode, restart."""

import re
import statistics
from collections.abc import Iterator, Sequence

from npubench.records import BoardState, Result, Verdict
from npubench.reporting.doubts.doubt import Doubt, DoubtClass, Strength
from npubench.verdict import CLOCK_CHANGE, HOTTER_C

_STAYS = re.compile(r"mode|version|driver|firmware|governor")
"""Of `BoardState.extra`, what should not change; clocks of the day, loads and counters there always do."""


def moved(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row, with what changed."""
    for row in results:
        changes = [] if row.figures is None else list(_changes(row.board_before, row.board_after))
        if row.verdict in (Verdict.THROTTLED, Verdict.INVALID):
            changes.append(f"verdict {row.verdict}")
        if changes:
            yield Doubt(
                DoubtClass.BOARD_MOVED,
                Strength.STRONG,
                row.board,
                row.backend,
                row.precision.value,
                (row.case,),
                "the board's state changed meanwhile: part of the runs are of another state",
                tuple(changes),
            )


def _changes(before: BoardState | None, after: BoardState | None) -> Iterator[str]:
    if before is None or after is None:
        return
    for name in ("hostname", "kernel", "distribution", "cpu_model", "cores", "governor"):
        one, other = getattr(before, name), getattr(after, name)
        if one is not None and other is not None and one != other:
            yield f"{name}: {one}, then {other}"
    if before.clocks_mhz and after.clocks_mhz:
        clock, then = statistics.fmean(before.clocks_mhz), statistics.fmean(after.clocks_mhz)
        if clock > 0 and abs(then / clock - 1) > CLOCK_CHANGE:
            yield f"mean clock: {clock:.0f} MHz, then {then:.0f} MHz ({then / clock - 1:+.0%})"
    if before.temperature_c is not None and after.temperature_c is not None:
        rise = after.temperature_c - before.temperature_c
        if abs(rise) > HOTTER_C:
            yield f"temperature: {before.temperature_c:.1f} C, then {after.temperature_c:.1f} C"
    if before.uptime_s is not None and after.uptime_s is not None and after.uptime_s < before.uptime_s:
        yield f"it restarted: up {before.uptime_s:.0f} s, then {after.uptime_s:.0f} s"
    for name, value in before.extra.items():
        then_value = after.extra.get(name)
        if _STAYS.search(name) and then_value is not None and then_value != value:
            yield f"{name}: {value}, then {then_value}"
