"""Board times beside what is expected: by their own simulation, and by what others published of the same.

A compiler is wrong by much the same factor on one board.
The ratio simulated / board of a row is held against two things. Against the board: the median of its rows
of that kind. On the published AX620A models it is 1.77, and true rows lie between 0.82 and 1.30 of it, as
their memory traffic has it; operators scatter four times as far, so the limit grows with the quartiles
(Tukey's far-out fence), and never falls below `OFF_FAST` and `OFF_SLOW`. And against relatives, where there
are some that agree among themselves: recipes and depths of one family by name, and rows that simulate alike.
Ratios of a known family hold to 8 % there (90 %), so `OFF_RELATIVES` is more than twice that.

A time that is 1.3 times too long is found so in three of four of those models, 1.6 times in 15 of 16.
"""

import math
import re
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from npubench import published
from npubench.domain.figures import Figures
from npubench.domain.records import Result
from npubench.domain.specs import CaseKind
from npubench.published import case_of
from npubench.reporting.data.formatting import significant
from npubench.reporting.data.translate import translate
from npubench.reporting.sanity.doubt import (
    Doubt,
    DoubtClass,
    Part,
    Strength,
    board_times,
    call_us,
    doubt_of,
    is_exact,
    measured_of,
    plain,
    simulated_of,
    typical_us,
    us,
)
from npubench.reporting.sanity.speed_ups import cores_of

OFF_FAST, OFF_SLOW = math.log(1.35), math.log(1.3)
"""Strong, from the board's median: above what true rows of the published models are, 1.30 and 1.22. Memory
makes the difference: a simulator takes less bandwidth than there is, so rows are rather too fast."""

RATHER_FAST, RATHER_SLOW = math.log(1.25), math.log(1.2)
"""The same, weak."""

OFF_RELATIVES = math.log(1.2)
LEAST_FOR_USUAL = 5
"""Rows that it takes to tell what is usual on a board."""

LEAST_OPERATORS = 8
"""The same of operators, which scatter more: of five true ones one in twenty lies outside."""

ENOUGH_RELATIVES = 3
"""Relatives whose word alone is strong; two that agree may do so by chance: weak up to `OFF_FAST`."""

AGREE = math.log(1.15)
"""How far apart relatives may lie and still agree."""

ALIKE = math.log(1.2)
"""Simulated time, MACs by the tool and MACs of the graph of rows that simulate alike."""


@dataclass(frozen=True, slots=True)
class _Timed:
    row: Result
    simulated_us: float
    board_us: float
    tool_macs: int

    @property
    def log_ratio(self) -> float:
        return math.log(self.simulated_us / self.board_us)


def unusual_ratios(results: Sequence[Result]) -> Iterator[Doubt]:
    """One doubt a row whose board time does not fit its own simulation as others' do."""
    groups: defaultdict[tuple[str, str, str, CaseKind, str, Part], list[_Timed]] = defaultdict(list)
    for row in results:
        simulation = simulated_of(row)
        simulated = call_us(simulation) if simulation else None
        measured = measured_of(row)
        if simulation is None or simulated is None or measured is None:
            continue
        if not (is_exact(simulation) and is_exact(measured)):
            continue
        for time in board_times(row):
            place = (row.board, row.backend, row.precision, row.case_kind, simulation.npu_mode, time.part)
            groups[place].append(_Timed(row, simulated, time.us, simulation.tool_macs or 0))
    found: dict[object, Doubt] = {}
    for doubt in chain.from_iterable(map(_of_group, groups.values())):
        # A row whose call and NPU's part are both odd is one doubt.
        found.setdefault(doubt.place, doubt)
    yield from found.values()


def _of_group(group: Sequence[_Timed]) -> Iterator[Doubt]:
    if len(group) < 2:
        return
    of_operators = group[0].row.case_kind is CaseKind.OPERATOR
    enough = len(group) >= (LEAST_OPERATORS if of_operators else LEAST_FOR_USUAL)
    usual = statistics.median(one.log_ratio for one in group) if enough else None
    reach = _reach([one.log_ratio for one in group])
    alike = _Alike(group)
    families: defaultdict[str, list[_Timed]] = defaultdict(list)
    for one in group:
        families[_family(one.row)].append(one)
    for one in group:
        off = 0.0 if usual is None else one.log_ratio - usual
        kin = _kin(one, families, alike)
        beside = 0.0 if kin is None else one.log_ratio - statistics.median(kin)
        strength = _strength(off, reach, beside, 0 if kin is None else len(kin))
        if strength is not None:
            yield _ratio_doubt(one, strength, usual, kin, len(group))


def _strength(off: float, reach: tuple[float, float], beside: float, kin: int) -> Strength | None:
    """Of a row `off` the board's median and `beside` its `kin` relatives, logarithms, negative is slow.

    A row that is as far off as its relatives is as such networks are there: no weak doubt.
    """
    weak, strong = (RATHER_FAST, OFF_FAST) if off > 0 else (RATHER_SLOW, OFF_SLOW)
    by_kin = abs(beside) > OFF_RELATIVES
    if abs(off) > max(strong, reach[1]) or (by_kin and (kin >= ENOUGH_RELATIVES or abs(beside) > OFF_FAST)):
        return Strength.STRONG
    if by_kin or (abs(off) > max(weak, reach[0]) and not kin):
        return Strength.WEAK
    return None


def _reach(logs: Sequence[float]) -> tuple[float, float]:
    """How far from the median rows lie that are outside, and far out, by Tukey's fences."""
    if len(logs) < LEAST_FOR_USUAL:
        return math.inf, math.inf
    middle = statistics.median(logs)
    low, _, high = statistics.quantiles(logs, n=4, method="inclusive")
    farther, width = max(middle - low, high - middle), high - low
    return farther + 1.5 * width, farther + 3 * width


def _family(row: Result) -> str:
    """`resnext` of `resnext50-32x4d_8xb32_in1k`; an operator has none: its sizes decide."""
    if row.case_kind is CaseKind.OPERATOR:
        return row.case
    stem = re.match(r"[a-z]+(?:[-_][a-z]+)*", row.case.casefold())
    return stem[0] if stem else row.case


class _Alike:
    """Finds rows that simulate alike, by their simulated time in order."""

    def __init__(self, group: Sequence[_Timed]) -> None:
        self._rows = sorted(group, key=lambda one: one.simulated_us)
        self._times = [math.log(one.simulated_us) for one in self._rows]

    def of(self, one: _Timed, most: int = 64) -> list[_Timed]:
        time = math.log(one.simulated_us)
        start = bisect_left(self._times, time - ALIKE)
        end = bisect_left(self._times, time + ALIKE)
        middle = bisect_left(self._times, time)
        near = self._rows[max(start, middle - most) : min(end, middle + most)]
        return [other for other in near if other.row is not one.row and _alike(one, other)]


def _alike(one: _Timed, other: _Timed) -> bool:
    return (
        one.row.op == other.row.op
        and _near(one.tool_macs, other.tool_macs)
        and _near(one.row.macs or 0, other.row.macs or 0)
    )


def _near(one: int, other: int) -> bool:
    if min(one, other) <= 0:
        return one == other
    return abs(math.log(one / other)) <= ALIKE


def _kin(one: _Timed, families: dict[str, list[_Timed]], alike: _Alike) -> list[float] | None:
    """Ratios of relatives that agree, the closest kind of relatives first; None where nobody agrees."""
    family = [other for other in families[_family(one.row)] if other.row is not one.row]
    for relatives in (family, alike.of(one)):
        logs = [other.log_ratio for other in relatives]
        if len(logs) >= 2 and max(logs) - min(logs) <= AGREE:
            return logs
    return None


def _ratio_doubt(
    one: _Timed, strength: Strength, usual: float | None, kin: Sequence[float] | None, rows: int
) -> Doubt:
    ratio = one.simulated_us / one.board_us
    times = {"simulated": us(one.simulated_us), "board": us(one.board_us), "ratio": significant(ratio)}
    evidence = [translate("simulated {simulated} us, on the board {board} us: {ratio} times", **times)]
    slow = usual is not None and one.log_ratio < usual
    if usual is not None:
        beside = _beside(usual, ratio, rows)
        evidence.append(
            translate(
                "the median of {count} rows there is {usual}: the time is {factor} times what that says",
                **beside,
            )
        )
    if kin is not None:
        middle = statistics.median(kin)
        slow = one.log_ratio < middle
        beside = _beside(middle, ratio, len(kin))
        evidence.append(
            translate(
                "the median of {count} relatives, which agree, is {usual}: {factor} times what that says",
                **beside,
            )
        )
    reason = translate("faster on the board than its simulation says, compared with other rows there")
    if slow:
        reason = translate("slower on the board than its simulation says, compared with other rows there")
    return doubt_of(one.row, DoubtClass.UNUSUAL_RATIO, strength, reason, *evidence)


def _beside(usual: float, ratio: float, count: int) -> dict[str, object]:
    """A ratio beside what is usual, whose logarithm is given."""
    middle = math.exp(usual)
    return {"count": count, "usual": significant(middle), "factor": significant(middle / ratio)}


APART = 1.75
"""Two publishers' times of one network on one chip lie 0.93 to 1.74 apart (RK3588, 20 networks)."""

FAR_APART = 3.0
"""Further than any cause short of another network, another unit or another board explains: post-processing
on the host makes up to three times of it."""


def far_from_published(row: Result) -> Iterator[Doubt]:
    """A row that is `APART` and more from the nearest published time; strong from `FAR_APART`."""
    figures = measured_of(row)
    time = None if figures is None else _published_time(figures)
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
    times = {"own": us(time, 4), "their": us(their, 4), "factor": significant(factor)}
    where = {"case": other.case, "board": other.board, "source": str(other.protocol.get("source", ""))}
    yield doubt_of(
        row,
        DoubtClass.FAR_FROM_PUBLISHED,
        Strength.strong_if(max(factor, 1 / factor) >= FAR_APART),
        translate("far slower than what others published of this network on this chip")
        if factor > 1
        else translate("far faster than what others published of this network on this chip"),
        translate("{own} us here, {their} us there: {factor} times", **times),
        translate("published: {case} on {board}, {source}", **where),
    )


@cache
def _published() -> Mapping[tuple[str, str], list[tuple[float, Result]]]:
    """Chip and plain name to published times of boards, each once a name."""
    found: defaultdict[tuple[str, str], list[tuple[float, Result]]] = defaultdict(list)
    for row in published.results():
        figures = measured_of(row)
        time = None if figures is None else _published_time(figures)
        if time is not None:
            for name in {plain(row.case), plain(case_of(row))}:
                found[row.chip.casefold(), name].append((time, row))
    return found


def _published_time(figures: Figures) -> float | None:
    """Microseconds a call: what was published is mostly the NPU's time, so that part where it is told."""
    part = figures.npu_time_us
    return part if figures.origin is None and part and part > 0 else typical_us(figures.latency_us)


def _comparable(row: Result, figures: Figures, other: Result) -> bool:
    theirs = measured_of(other)
    if theirs is None or not is_exact(theirs) or row.board == other.board:
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
