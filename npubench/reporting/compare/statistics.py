"""Ratios of latencies with their intervals, means of ratios and rank correlation. numpy only."""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
DRAWS = 10_000
MEAN_DRAWS = 2_000
SEED = 0
_MOST_ENUMERATED = 4_000
"""Resamples of a side that are enumerated rather than drawn: up to five rounds, 5^5."""

LEAST_FOR_RANKS = 3
LEAST_FOR_INTERVAL = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """A value between `low` and `high` with 95 % confidence, and how that was found."""

    value: float  # the estimate
    low: float  # 2.5 % lie below
    high: float  # 2.5 % lie above
    method: str  # how it was found


def ratio_of_medians(before: Sequence[float], after: Sequence[float]) -> Interval:
    """median(after) / median(before) of round figures, with the percentile bootstrap over rounds.

    Rounds, not runs, are what is resampled: runs within a round depend on each other. All resamples
    are enumerated where there are few (Efron and Tibshirani, An Introduction to the Bootstrap, ch. 13).
    Raises ValueError with fewer than two rounds a side.
    """
    if min(len(before), len(after)) < 2:
        raise ValueError("an interval over rounds needs two rounds a side")
    one, other = _medians(before), _medians(after)
    ratios = other[0][None, :] / one[0][:, None]
    weights = other[1][None, :] * one[1][:, None]
    value = statistics.median(after) / statistics.median(before)
    drawn = max(len(before) ** len(before), len(after) ** len(after)) > _MOST_ENUMERATED
    how = f"{DRAWS} draws, seed {SEED}" if drawn else "all resamples"
    method = f"bootstrap over rounds ({len(before)} and {len(after)}; {how}), 95 %"
    return Interval(value, *_quantiles(ratios.ravel(), weights.ravel()), method)


def geometric_mean(ratios: Sequence[float]) -> Interval | float | None:
    """Geometric mean; with three ratios or more, the percentile bootstrap over cases. None of none."""
    if not ratios:
        return None
    logs = np.log(np.asarray(ratios, dtype=np.float64))
    value = math.exp(float(logs.mean()))
    if len(ratios) < LEAST_FOR_INTERVAL:
        return value
    random = np.random.default_rng(SEED)
    # One draw at a time: all at once would take as many times the memory of the cases.
    means = [float(logs[random.integers(0, len(logs), size=len(logs))].mean()) for _ in range(MEAN_DRAWS)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    method = f"bootstrap over {len(logs)} cases ({MEAN_DRAWS} draws, seed {SEED}), 95 %"
    return Interval(value, math.exp(low), math.exp(high), method)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rho in [-1, 1], ties at their mean rank; None with fewer than three or all equal."""
    if len(one) < LEAST_FOR_RANKS:
        return None
    first, second = _ranks(one), _ranks(other)
    if float(np.ptp(first)) == 0 or float(np.ptp(second)) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _medians(rounds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct medians of resamples, and the share of resamples that each is of."""
    values = np.asarray(rounds, dtype=np.float64)
    picks = _picks(len(values))
    medians = np.median(values[picks], axis=1)
    distinct, counts = np.unique(medians, return_counts=True)
    return distinct, counts / counts.sum()


@cache
def _picks(count: int) -> np.ndarray:
    """Indices of every resample of `count` rounds, or of as many as are drawn."""
    if count**count <= _MOST_ENUMERATED:
        return np.asarray(list(itertools.product(range(count), repeat=count)))
    return np.random.default_rng(SEED).integers(0, count, size=(DRAWS, count))


def _quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    order = np.argsort(values)
    ordered, cumulated = values[order], np.cumsum(weights[order])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.minimum(np.searchsorted(cumulated, (tail, 1 - tail)), len(ordered) - 1)
    return float(ordered[low]), float(ordered[high])


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    _, places, counts = np.unique(array, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[places]
    return ranks
