"""Samples to `Latency`: percentiles only with enough samples, outliers counted and never dropped."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from npubench.domain.records import (
    Latency,
)

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


@dataclass(frozen=True, slots=True)
class CallMean:
    """One call of a runner: mean over `n` runs, us; lowest and highest run where it prints them.

    `percentiles_us` are the runner's own, by percent; they stand for `n` runs and no more.
    """

    mean_us: float
    n: int
    min_us: float | None = None
    max_us: float | None = None
    percentiles_us: Mapping[float, float] = field(default_factory=dict)


def latency_of_means(rounds: Sequence[CallMean]) -> Latency:
    """All runs of all calls as one mean; `spread` is that of the calls' medians, else of their means.

    A percentile needs enough runs in each call (`least_samples`), and is the middle one of the calls'.
    """
    n = sum(r.n for r in rounds)
    medians = percentile_of_calls(rounds, 50)
    middles = medians or [r.mean_us for r in rounds]
    lows, highs = [r.min_us for r in rounds], [r.max_us for r in rounds]
    known_lows, known_highs = [v for v in lows if v is not None], [v for v in highs if v is not None]
    p50, p90, p99 = (_middle(percentile_of_calls(rounds, percent)) for percent in (50, 90, 99))
    return Latency(
        n=n,
        mean=sum(r.mean_us * r.n for r in rounds) / n,
        min=min(known_lows) if len(known_lows) == len(rounds) else None,
        max=max(known_highs) if len(known_highs) == len(rounds) else None,
        p50=p50,
        p90=p90,
        p99=p99,
        rounds_p50=tuple(medians),
        spread=(max(middles) - min(middles)) / statistics.median(middles) if len(rounds) > 1 else None,
    )


def percentile_of_calls(rounds: Sequence[CallMean], percent: float) -> list[float]:
    """A percentile of each call; none where a call lacks it, or has too few runs to stand for it."""
    known = [r.percentiles_us[percent] for r in rounds if percent in r.percentiles_us]
    enough = all(r.n >= least_samples(percent) for r in rounds)
    return known if enough and len(known) == len(rounds) else []


def _middle(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def weighted_mean(values: Sequence[float | None], rounds: Sequence[CallMean]) -> float | None:
    """Mean over all runs of a figure of each call; None when a call lacks it."""
    known = [(value, r.n) for value, r in zip(values, rounds, strict=True) if value is not None]
    if len(known) < len(rounds):
        return None
    return sum(value * n for value, n in known) / sum(n for _, n in known)
