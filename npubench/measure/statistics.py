"""Samples to `Latency`: percentiles only with enough samples, outliers counted and never dropped."""

import math
import statistics
from collections.abc import Sequence
from functools import cache

from npubench.domain.records import Latency

CONFIDENCE = 0.99
OUTLIER_SCORE = 14.826
"""Modified z-score (Iglewicz and Hoaglin, 1993) above which hyperfine calls a run an outlier."""


@cache
def least_samples(percentile: float) -> int:
    """How many samples a percentile needs: p50 11, p90 64, p95 130, p97 219, p99 662.

    MLPerf Inference's early stopping with one discarded query: the smallest n for which at most one
    of n samples lies above a true percentile p with a probability of at most 1 - 0.99, that is
    p^n + n (1 - p) p^(n-1) <= 0.01.
    """
    p = percentile / 100
    n = 2
    while p**n + n * (1 - p) * p ** (n - 1) > 1 - CONFIDENCE:
        n += 1
    return n


def latency(rounds: Sequence[Sequence[float]]) -> Latency:
    """Statistics over all runs of all rounds, in microseconds as the samples. Raises ValueError on none."""
    samples = sorted(value for one in rounds for value in one)
    if not samples:
        raise ValueError("no samples")
    medians = tuple(statistics.median(one) for one in rounds if one)
    return Latency(
        n=len(samples),
        mean=statistics.fmean(samples),
        min=samples[0],
        max=samples[-1],
        p50=_percentile(samples, 50),
        p90=_percentile(samples, 90),
        p99=_percentile(samples, 99),
        std=statistics.stdev(samples) if len(samples) > 1 else None,
        rounds_p50=medians,
        spread=(max(medians) - min(medians)) / statistics.median(medians) if len(medians) > 1 else None,
        outliers=_outliers(samples),
    )


def _percentile(ordered: Sequence[float], percentile: float) -> float | None:
    """Nearest rank (every figure is a run that happened); the median averages the middle two."""
    if len(ordered) < least_samples(percentile):
        return None
    if percentile == 50:
        return statistics.median(ordered)
    return ordered[math.ceil(percentile / 100 * len(ordered)) - 1]


def _outliers(ordered: Sequence[float]) -> int:
    middle = statistics.median(ordered)
    deviation = statistics.median(abs(value - middle) for value in ordered)
    limit = OUTLIER_SCORE * deviation / 0.6745
    return sum(abs(value - middle) > limit for value in ordered) if deviation else 0
