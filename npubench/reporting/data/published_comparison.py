"""Own rows beside published ones: ratio case by case, its geometric mean, and whether the order agrees.

Own times of a board stand beside times that were measured on one, own simulations beside published
simulations, never otherwise. Emulated rows are left out.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from npubench.domain.figures import Bound, Kind
from npubench.domain.records import Result, Status
from npubench.published import case_of
from npubench.published.chips import same_chip
from npubench.reporting.compare.statistics import Interval, geometric_mean, rank_correlation
from npubench.reporting.data.causes import (
    LEAST_USUAL,
    Cause,
    Side,
    Usual,
    causes,
    side_of_published_row,
    side_of_row,
)
from npubench.reporting.data.figures import left_out_of, ratio_bound
from npubench.reporting.sanity import DoubtClass, Strength, doubts
from npubench.reporting.sanity.doubt import call_us


@dataclass(frozen=True, slots=True)
class ComparedCase:
    """One case: times in us, `ratio` = own / published. A `doubtful` published figure is in no mean.

    Neither is a ratio that is only a bound; None: nothing follows of two bounds.
    """

    case: str
    published_case: str
    own_us: float
    published_us: float
    ratio: float
    doubtful: bool
    bound: Bound | None = Bound.EXACT
    causes: tuple[Cause, ...] = ()  # of a difference, the likeliest first
    network: str = ""  # that both names were joined to; empty where they are one name
    place: str = ""  # `table:line` of a figure of the atlas

    @property
    def sure(self) -> bool:
        """Whether means and ranks count it."""
        return not self.doubtful and self.bound is Bound.EXACT


@dataclass(frozen=True, slots=True)
class Line:
    """A case, and how either side's time was made."""

    case: ComparedCase
    own: Side
    theirs: Side
    alike: bool = True  # whether they are of one chip, so that a difference is to be explained


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """Own rows of one board and precision beside one published board; `basis` says what both figures are.

    `ratio` is the geometric mean of own / published with its interval, `rank_correlation` Spearman's rho.
    """

    board: str
    chip: str
    precision: str
    kind: Kind
    published_board: str
    published_chip: str
    published_precision: str
    basis: str
    source: str
    lines: tuple[ComparedCase, ...]
    ratio: Interval | float | None
    rank_correlation: float | None
    notes: tuple[str, ...]


def compare_with_published(own: Sequence[Result], published: Sequence[Result]) -> list[PublishedComparison]:
    """Every own board beside every published one that has a case of it, most cases first."""
    doubtful = _doubtful(published)
    by_case: defaultdict[str, list[Result]] = defaultdict(list)
    for row in published:
        if row.status is Status.OK:
            for name in dict.fromkeys((row.case, case_of(row))):
                by_case[name].append(row)
    groups: defaultdict[tuple[str, str, str, Kind, str, str], list[tuple[Line, Result]]] = defaultdict(list)
    for row in own:
        if row.emulated or row.status is not Status.OK:
            continue
        for other in by_case.get(row.case, ()):
            for kind, basis, one, two, bound in _pairs(row, other):
                unsure = (other.board, other.case) in doubtful
                case = ComparedCase(row.case, other.case, one, two, one / two, unsure, bound)
                key = (row.board, row.chip, row.precision.value, kind, other.board, basis)
                groups[key].append((_line(case, row, other, kind), other))
    found = [_group(*key, [line for line, _ in lines], lines[0][1]) for key, lines in groups.items()]
    return sorted(found, key=lambda one: (-len(one.lines), one.board, one.published_board, one.precision))


def _line(case: ComparedCase, row: Result, other: Result, kind: Kind) -> Line:
    """A case with how both of its times were made; of simulations nothing but the tools is told."""
    mine = next((one for one in row.all_figures if one.kind is kind), None)
    theirs = other.figures if kind is Kind.MEASURED else other.estimate
    if mine is None or theirs is None or not same_chip(row.chip, other.chip):
        # Between chips nothing is to be explained: they are what differs.
        return Line(case, Side(), Side(), alike=False)
    return Line(case, side_of_row(row, mine), side_of_published_row(other, theirs))


def grouped(
    made: PublishedComparison, lines: Sequence[Line], others: Sequence[Usual] = ()
) -> PublishedComparison:
    """The comparison with lines, means and causes; `others`: what other publishers' times usually are."""
    sure = [line.case for line in lines if line.case.sure]
    count = sum(line.case.doubtful for line in lines)
    notes = [f"doubtful published figures, left out of both means: {count}"] if count else []
    if bounds := sum(line.case.bound is not Bound.EXACT for line in lines):
        notes.append(f"ratios that are only bounds, left out of both means: {bounds}")
    told = [replace(line.case, causes=_causes(line, lines, others)) for line in lines]
    return replace(
        made,
        lines=tuple(sorted(told, key=lambda case: (case.case, case.place))),
        ratio=geometric_mean([case.ratio for case in sure]),
        rank_correlation=rank_correlation(
            [case.own_us for case in sure], [case.published_us for case in sure]
        ),
        notes=(*made.notes, *notes),
    )


def _causes(line: Line, lines: Sequence[Line], others: Sequence[Usual]) -> tuple[Cause, ...]:
    if line.case.bound is not Bound.EXACT or not line.alike:
        return ()
    rest = [one.case.ratio for one in lines if one is not line and one.case.sure]
    usual = list(others)
    if len(rest) >= LEAST_USUAL:
        middle = statistics.median(rest)
        usual.insert(0, Usual(middle, len(rest), "own times beside this publisher are"))
    return causes(line.own, line.theirs, line.case.ratio, usual)


def left_out(own: Iterable[Result]) -> int:
    """Emulated rows, which are compared with nothing."""
    return sum(row.emulated for row in own)


def _group(
    board: str, chip: str, precision: str, kind: Kind, published_board: str, basis: str,
    lines: Sequence[Line], other: Result,
) -> PublishedComparison:  # fmt: skip
    notes = []
    if chip.casefold() != other.chip.casefold():
        notes.append(f"{chip} against {other.chip}: the ratio compares chips, it checks nobody's figures")
    if precision != other.precision.value:
        notes.append(f"{precision} here, {other.precision.value} there")
    made = PublishedComparison(
        *(board, chip, precision, kind, published_board, other.chip, other.precision.value, basis),
        str(other.protocol.get("source", "")),
        *((), None, None, tuple(notes)),
    )
    return grouped(made, lines)


def _pairs(own: Result, other: Result) -> Iterator[tuple[Kind, str, float, float, Bound | None]]:
    figures = own.figures
    if figures is not None and figures.kind is Kind.MEASURED and other.figures is not None:
        npu, their_npu = figures.npu_time_us, other.figures.npu_time_us
        their, bound = call_us(other.figures), ratio_bound(left_out_of(figures), left_out_of(other.figures))
        if npu and npu > 0 and their_npu:
            yield Kind.MEASURED, "NPU time of both", npu, their_npu, bound
        elif (ours := call_us(figures)) is not None and their is not None:
            what = "NPU time" if their_npu else "time"
            yield Kind.MEASURED, f"latency here, {what} there", ours, their, bound
    simulated = next((one for one in own.all_figures if one.kind is Kind.SIMULATED), None)
    if simulated is not None and other.estimate is not None:
        ours, their = call_us(simulated), call_us(other.estimate)
        if ours is not None and their is not None:
            bound = ratio_bound(left_out_of(simulated), left_out_of(other.estimate))
            yield Kind.SIMULATED, "simulated by both", ours, their, bound


def _doubtful(published: Sequence[Result]) -> set[tuple[str, str]]:
    return {
        (doubt.board, case)
        for doubt in doubts(published)
        if doubt.strength is Strength.STRONG and doubt.doubt_class is not DoubtClass.NO_BOARD_TIME
        for case in doubt.cases
    }
