"""The times of two rows that may be compared, of one kind and one statistic, and the noise of a board.

Noise is how far a board is from itself: the same artifact measured twice, or rounds of one row.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import combinations, pairwise

from npubench.domain.figures import Bound, Bounds, Figures, Kind, Latency
from npubench.domain.gates import Launch
from npubench.domain.records import Definition, Result, Status, differing
from npubench.measure.gate.history import scatters
from npubench.measure.gate.noise import Scatter
from npubench.reporting.compare.statistics import Interval, ratio_of_medians
from npubench.reporting.data.figures import left_out_of, main_latency_us, ratio_bound

EXACT = "exact: the figure has no spread"
NO_INTERVAL = "no interval: neither rounds nor a deviation are known"
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """Both figures and after / before, with its interval where one can be told."""

    kind: str  # of both figures
    statistic: str  # what both are
    before_us: float  # microseconds in A
    after_us: float  # microseconds in B
    ratio: float  # B / A; above 1, B is slower
    low: float | None  # of its 95 % interval; None: there is none
    high: float | None  # the same
    method: str  # how the interval was found, or why there is none
    bounds: tuple[Bounds | None, Bounds | None] = (None, None)  # what A's and B's figures leave out
    ratio_bound: Bound | None = Bound.EXACT  # of the true ratio; None: nothing follows


def figures_by_kind(row: Result) -> Mapping[str, Figures]:
    """The row's figures by kind; what was published of boards is another kind than a published simulation."""
    found: dict[str, Figures] = {}
    for figures in row.all_figures:
        origin = f" ({figures.origin})" if figures.origin is not None else ""
        found.setdefault(f"{figures.kind}{origin}", figures)
    return found


def of_both(before: Result, after: Result) -> Iterator[tuple[str, Figures, Figures]]:
    """Each kind that both rows have figures of, with those of both."""
    one, other = figures_by_kind(before), figures_by_kind(after)
    return ((kind, one[kind], other[kind]) for kind in one if kind in other)


def time_ratios(before: Result, after: Result) -> Iterator[TimeRatio]:
    """One comparison for each kind that both rows have a time of."""
    one_throughput = Definition.THROUGHPUT not in differing(before, after)
    for kind, one, other in of_both(before, after):
        found = _compare(kind, one, other, one_throughput)
        if found is not None:
            bounds = left_out_of(one), left_out_of(other)
            # Two bounds of one reason and extent leave out the same: what they count is compared.
            bound = Bound.EXACT if bounds[0] == bounds[1] else ratio_bound(bounds[1], bounds[0])
            yield replace(found, bounds=bounds, ratio_bound=bound)


def rounds_of(figures: Figures) -> tuple[str, tuple[float, ...]]:
    """What the rounds are, and their figures in us; nothing where there are not two."""
    latency = figures.latency_us
    if latency is not None and len(latency.rounds_p50) > 1:
        return "median of round medians", latency.rounds_p50
    if len(figures.call_means_us) > 1:
        return "median of the means of calls", figures.call_means_us
    return "", ()


def _compare(kind: str, before: Figures, after: Figures, one_throughput: bool) -> TimeRatio | None:
    (statistic, one), (same, other) = rounds_of(before), rounds_of(after)
    if statistic and statistic == same and min(*one, *other) > 0:
        medians = statistics.median(one), statistics.median(other)
        return TimeRatio(kind, statistic, *medians, *astuple(ratio_of_medians(one, other)))
    then, now = before.latency_us, after.latency_us
    if then is not None and now is not None:
        if then.mean <= 0 or now.mean <= 0:
            return None
        if then.std is not None and now.std is not None and min(then.n, now.n) > 1:
            return TimeRatio(kind, "mean", then.mean, now.mean, *astuple(_ratio_of_means(then, now)))
        if then.p50 and now.p50:
            return _single(kind, before, "p50", then.p50, now.p50)
        return _single(kind, before, "mean", then.mean, now.mean)
    if one_throughput and before.throughput_fps and after.throughput_fps:
        times = 1e6 / before.throughput_fps, 1e6 / after.throughput_fps
        return _single(kind, before, "1 / throughput", *times)
    return None


def _ratio_of_means(before: Latency, after: Latency) -> Interval:
    """Delta method on the logarithm of the ratio, for rows of one round; runs are taken as independent."""
    value = after.mean / before.mean
    variance = sum(((x.std or 0.0) / x.mean) ** 2 / x.n for x in (before, after))
    factor = math.exp(_Z95 * math.sqrt(variance))
    method = "normal approximation over runs of one round, 95 %"
    return Interval(value, value / factor, value * factor, method)


def _single(kind: str, figures: Figures, statistic: str, before: float, after: float) -> TimeRatio:
    ratio = after / before
    if Kind.MEASURED in (figures.kind, figures.origin):
        return TimeRatio(kind, statistic, before, after, ratio, None, None, NO_INTERVAL)
    return TimeRatio(kind, statistic, before, after, ratio, ratio, ratio, EXACT)


LEAST_PAIRS = 5
ROUNDS, LAUNCHES = "rounds of one row against each other", "launches of earlier gates"
_SIGMA = 1.4826
"""Median of absolute values to standard deviation, for normal noise."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviation of same / same as a share (0.02: 2 %), from how many pairs of what."""

    board: str  # name
    share: float  # standard deviation of same / same, 0.02: 2 %
    pairs: int  # that it was found from
    method: str  # pairs of what


def noise_of(*sides: Iterable[Result]) -> dict[str, Noise]:
    """By board, of the noisier side; a board without two figures of the same thing is not in it.

    Rows of one side are never set against those of another: what differs there is the question.
    """
    found: dict[str, Noise] = {}
    for rows in sides:
        by_board: defaultdict[str, list[Result]] = defaultdict(list)
        for row in rows:
            if row.status is Status.OK and row.figures and row.figures.kind is Kind.MEASURED:
                by_board[row.board].append(row)
        for board, measured in by_board.items():
            noise = _noise(board, measured)
            if noise and (board not in found or noise.share > found[board].share):
                found[board] = noise
    return found


def with_launches(noise: Mapping[str, Noise], launches: Sequence[Launch]) -> dict[str, Noise]:
    """The same with what earlier gates of these boards launched: of both the noisier counts.

    Rounds of a row share a launch, and two stored rows are two launches: only a gate shows what those do.
    """
    found = dict(noise)
    for board in dict.fromkeys(one.board for one in launches):
        cases = [sum(every, Scatter()) for every in scatters(launches, board).values()]
        pairs = sum(one.pairs for one in cases)
        if pairs < LEAST_PAIRS:
            continue
        variances = sorted(one.squares / one.pairs for one in cases if one.pairs)
        # The noisier half of the cases decides, as it does in a gate.
        share = math.expm1(math.sqrt(variances[3 * len(variances) // 4]))
        if board not in found or found[board].share < share:
            found[board] = Noise(board, share, pairs, LAUNCHES)
    return found


def _noise(board: str, rows: Sequence[Result]) -> Noise | None:
    repeats = list(_between_repeats(rows))
    if len(repeats) >= LEAST_PAIRS:
        return Noise(board, _sigma(repeats), len(repeats), "the same artifact measured again")
    rounds = list(_between_rounds(rows))
    if not rounds:
        return None
    return Noise(board, _sigma(rounds), len(rounds), ROUNDS)


def _between_repeats(rows: Sequence[Result]) -> Iterator[float]:
    again: defaultdict[tuple[str, str, str | None], list[float]] = defaultdict(list)
    for row in rows:
        level = _level(row)
        if level is not None and row.artifact_sha256 is not None:
            again[row.case, row.precision, row.artifact_sha256].append(level)
    for levels in again.values():
        yield from (abs(math.log(other / one)) for one, other in pairwise(levels))


def _between_rounds(rows: Sequence[Result]) -> Iterator[float]:
    for figures in (row.figures for row in rows if row.figures):
        pairs = combinations(rounds_of(figures)[1], 2)
        yield from (abs(math.log(other / one)) for one, other in pairs if one * other > 0)


def _level(row: Result) -> float | None:
    level = main_latency_us(row.figures)
    if row.figures and level is not None and (rounds := rounds_of(row.figures)[1]):
        level = statistics.median(rounds)
    return level if level and level > 0 else None


def _sigma(logs: Sequence[float]) -> float:
    return math.expm1(_SIGMA * statistics.median(logs))
