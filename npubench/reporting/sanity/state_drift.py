"""Rows whose board was not the same before and after: clock, governor, temperature, mode, restart."""

import re
import statistics
from collections.abc import Iterator, Sequence

from npubench.domain.records import BoardState, Result, Verdict
from npubench.measure.stability import CLOCK_CHANGE, HOTTER_C
from npubench.reporting.data.words import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength

_STAYS = re.compile(r"mode|version|driver|firmware|governor")
"""Of `BoardState.extra`, what should not change; clocks of the day, loads and counters there always do."""

_TELLING = (Verdict.THROTTLED, Verdict.INVALID)


def moved(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row, with what changed."""
    for row in results:
        changes = [] if row.figures is None else list(_changes(row.board_before, row.board_after))
        if row.verdict in _TELLING:
            changes.append(say("verdict {verdict}", verdict=say(row.verdict.value)))
        if changes:
            yield Doubt(
                DoubtClass.BOARD_MOVED,
                Strength.STRONG,
                row.board,
                row.backend,
                row.precision.value,
                (row.case,),
                say("the board's state changed meanwhile: part of the runs are of another state"),
                tuple(changes),
            )


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
