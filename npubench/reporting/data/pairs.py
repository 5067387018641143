"""Figures by kind, and the INT8 row of a case beside its FP32 row. Kinds are never compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from npubench.domain.records import Bound, Definition, Figures, Kind, Latency, Result, Status, earlier
from npubench.domain.specs import Precision
from npubench.reporting.data.figures import left_out_of, ratio_bound

_OK, _MEASURED, _SIMULATED = Status.OK, Kind.MEASURED, Kind.SIMULATED
"""Looked up once: Python 3.11 calls a function for every use of a member, millions of times for one page."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on one board through one backend in both precisions, as far as they are there."""

    case: str
    board: str
    backend: str
    fp32: Result | None
    int8: Result | None


@dataclass(frozen=True, slots=True)
class Speedup:
    """FP32 latency divided by INT8 latency; `statistic` is what both are: p50, else the mean.

    `bound` says how the factor stands to the true one where a latency is only a bound.
    """

    factor: float
    statistic: str
    bound: Bound = Bound.EXACT


def figures_of(result: Result, kind: Kind) -> Figures | None:
    """The figures of that kind: the board's, else the estimate beside them; None if there are none.

    A simulation that was published is not of the kind `published` here: it would stand in one column
    with times that were published of boards. See `published_simulation`.
    """
    if result.status is not _OK:
        return None
    for figures in (result.figures, result.estimate):
        if figures is not None and figures.kind is kind and figures.origin is not _SIMULATED:
            return figures
    return None


def published_simulation(result: Result) -> Figures | None:
    """What the publisher's compiler simulated; None where nothing was published of that."""
    estimate = result.estimate
    return estimate if estimate is not None and estimate.kind is Kind.PUBLISHED else None


def kinds_of(results: Sequence[Result]) -> list[Kind]:
    """The kinds that occur in rows that worked, in the order of `Kind`."""
    found = {figures.kind for result in results if result.status is _OK for figures in result.all_figures}
    return [kind for kind in Kind if kind in found]


def pairs(results: Sequence[Result]) -> list[Pair]:
    """One pair per case, board and backend, in the order of their first rows."""
    found: dict[tuple[str, str, str], dict[Precision, Result]] = {}
    for result in results:
        found.setdefault((result.case, result.board, result.backend), {})[result.precision] = result
    fp32, int8 = Precision.FP32, Precision.INT8
    return [Pair(*key, both.get(fp32), both.get(int8)) for key, both in found.items()]


def latency_of(result: Result | None, kind: Kind) -> Latency | None:
    """Latency of that kind, in microseconds; None without one."""
    figures = figures_of(result, kind) if result else None
    return figures.latency_us if figures else None


def speedup(pair: Pair, kind: Kind) -> Speedup | None:
    """How much faster INT8 is, from figures of one kind and one statistic; None where one is missing.

    What an emulated board measured is compared with nothing, not even with itself, and what was quantised
    by an earlier definition not with FP32 of today; of two bounds whose ratio is none there is no speed-up.
    """
    if pair.fp32 is None or pair.int8 is None or _of_two_times(pair.fp32, pair.int8):
        return None
    if kind is _MEASURED and (pair.fp32.emulated or pair.int8.emulated):
        return None
    fp32, int8 = latency_of(pair.fp32, kind), latency_of(pair.int8, kind)
    if fp32 is None or int8 is None:
        return None
    bound = ratio_bound(*(left_out_of(figures_of(row, kind)) for row in (pair.fp32, pair.int8)))
    if bound is None:
        return None
    if fp32.p50 is not None and int8.p50 is not None:
        return _ratio(fp32.p50, int8.p50, "p50", bound)
    return _ratio(fp32.mean, int8.mean, "mean", bound)


def _of_two_times(fp32: Result, int8: Result) -> bool:
    if fp32.definitions.quantisation == int8.definitions.quantisation:
        return False
    return Definition.QUANTISATION in earlier(int8)


def gmac_per_s(result: Result, kind: Kind) -> float | None:
    """Achieved 1e9 multiply-accumulates a second: the graph's MACs over the p50 (else mean) latency."""
    latency = latency_of(result, kind)
    if latency is None or result.macs is None:
        return None
    time_us = latency.mean if latency.p50 is None else latency.p50
    return result.macs / time_us / 1e3 if time_us > 0 else None


def _ratio(fp32: float, int8: float, statistic: str, bound: Bound) -> Speedup | None:
    if not (fp32 > 0 and int8 > 0 and math.isfinite(fp32 / int8)):
        return None
    return Speedup(fp32 / int8, statistic, bound)
