"""Own times beside what others published of the same network on the same chip."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache

from npubench import published
from npubench.domain.records import Figures, Result
from npubench.published import case_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import say
from npubench.reporting.sanity.doubt import Doubt, DoubtClass, Strength, doubt_of
from npubench.reporting.sanity.speed_ups import cores_of
from npubench.reporting.sanity.times import is_exact, measured_of, plain, typical_us

APART = 1.75
"""Two publishers' times of one network on one chip lie 0.93 to 1.74 apart (RK3588, 20 networks)."""

FAR_APART = 3.0
"""Further than any cause short of another network, another unit or another board explains: post-processing
on the host makes up to three times of it."""


def far_from_published(row: Result) -> Iterator[Doubt]:
    """A row that is `APART` and more from the nearest published time; strong from `FAR_APART`."""
    figures = measured_of(row)
    time = None if figures is None else _time(figures)
    if figures is None or time is None or not is_exact(figures):
        return
    others = {
        other.key: (their, other)
        for name in (plain(row.case), plain(case_of(row)))
        for their, other in _published().get((row.chip.casefold(), name), ())
        if _comparable(row, figures, other)
    }
    if not others:
        return
    their, other = min(others.values(), key=lambda one: abs(math.log(time / one[0])))
    factor = time / their
    if max(factor, 1 / factor) < APART:
        return
    yield doubt_of(
        row,
        DoubtClass.FAR_FROM_PUBLISHED,
        Strength.strong_if(max(factor, 1 / factor) >= FAR_APART),
        say("far slower than what others published of this network on this chip")
        if factor > 1
        else say("far faster than what others published of this network on this chip"),
        say(
            "{own} us here, {their} us there: {factor} times",
            own=significant(time, 4, ""),
            their=significant(their, 4, ""),
            factor=significant(factor),
        ),
        say(
            "published: {case} on {board}, {source}",
            case=other.case,
            board=other.board,
            source=str(other.protocol.get("source", "")),
        ),
    )


@cache
def _published() -> Mapping[tuple[str, str], list[tuple[float, Result]]]:
    """Chip and plain name to published times of boards, each once a name."""
    found: defaultdict[tuple[str, str], list[tuple[float, Result]]] = defaultdict(list)
    for row in published.results():
        figures = measured_of(row)
        time = None if figures is None else _time(figures)
        if time is not None:
            for name in {plain(row.case), plain(case_of(row))}:
                found[row.chip.casefold(), name].append((time, row))
    return found


def _time(figures: Figures) -> float | None:
    """Microseconds a call: what was published is mostly the NPU's time, so that part where it is told."""
    part = figures.npu_time_us
    return part if figures.origin is None and part and part > 0 else typical_us(figures.latency_us)


def _comparable(row: Result, figures: Figures, other: Result) -> bool:
    theirs = measured_of(other)
    if (
        theirs is None
        or not is_exact(theirs)
        or (row.board == other.board and row.precision is other.precision)
    ):
        return False
    cores = cores_of(row, figures), cores_of(other, theirs)
    if None not in cores:
        same_cores = cores[0] == cores[1]
    else:
        # One that says nothing of cores has one, unless its mode says something that is not understood.
        same_cores = (cores[0] or cores[1] or 1) == 1 and not (
            any(cores) and cores[1] is None and other.protocol.get("mode")
        )
    sizes = [_size(one) for one in (row, other)]
    same_size = None in sizes or sizes[0] == sizes[1]
    return row.precision is other.precision and same_cores and same_size


def _size(row: Result) -> int | None:
    """Side of a square input; None where it is not told or not square."""
    told = str(row.protocol.get("input", ""))
    if told.isascii() and told.isdigit():
        return int(told)
    sides = {side for tensor in row.inputs[:1] for side in tensor.shape[1:] if side > 4}
    return sides.pop() if len(sides) == 1 else None
