"""Where a figure changed over runs: binary segmentation of its logarithms by the largest jump of a mean.

A. Scott and M. Knott, A cluster analysis method for grouping means, Biometrics 30, 1974; P. Fryzlewicz, Wild
binary segmentation, Annals of Statistics 42, 2014 (section 2 for the CUSUM statistic). A single odd run is no
change: values are drawn to the median of five first.
"""

import math

import numpy as np
from numpy.typing import NDArray

LEAST_RUNS = 3
"""Runs on either side of a change: fewer may be a mood."""

LEAST_CHANGE = 0.01
"""A smaller change of a mean is none, however sure."""

_SIGMA = 1.4826
_ODD = 3.0
_UNSURE = 10.0


def change_points(times: NDArray[np.float64]) -> list[int]:
    """Indices at which a new level begins, in order; `times` are positive, in the order of runs."""
    if len(times) < 2 * LEAST_RUNS:
        return []
    levels = np.log(times)
    noise = _noise(levels)
    levels = _without_odd(levels, noise)
    # Without a change the largest jump stays below this in all but a few of 1,000 histories; of few runs the
    # noise itself is hardly known.
    limit = noise * (math.sqrt(2 * math.log(len(levels))) + 2.0) * (1 + _UNSURE / len(levels))
    found: list[int] = []
    open_ = [(0, len(levels))]
    while open_:
        begin, end = open_.pop()
        at, jump, change = _largest_jump(levels[begin:end])
        if at and jump > limit and abs(change) >= math.log1p(LEAST_CHANGE):
            found.append(begin + at)
            open_ += [(begin, begin + at), (begin + at, end)]
    return _settled(levels, sorted(found), limit)


def _settled(levels: NDArray[np.float64], points: list[int], limit: float) -> list[int]:
    """Those that still are changes between their neighbours: the first cut of many is only roughly placed."""
    kept = list(points)
    for point in points:
        place = kept.index(point)
        begin = kept[place - 1] if place else 0
        end = kept[place + 1] if place + 1 < len(kept) else len(levels)
        at, jump, change = _largest_jump(levels[begin:end])
        if not at or jump <= limit or abs(change) < math.log1p(LEAST_CHANGE):
            kept.pop(place)
        else:
            kept[place] = begin + at
    return kept


def _largest_jump(levels: NDArray[np.float64]) -> tuple[int, float, float]:
    """Where the means of what is before and after differ most, the statistic there, and the difference."""
    count = len(levels)
    if count < 2 * LEAST_RUNS:
        return 0, 0.0, 0.0
    before = np.arange(LEAST_RUNS, count - LEAST_RUNS + 1)
    sums = np.cumsum(levels)
    low = sums[before - 1] / before
    high = (sums[-1] - sums[before - 1]) / (count - before)
    jumps = np.abs(high - low) * np.sqrt(before * (count - before) / count)
    best = int(np.argmax(jumps))
    return int(before[best]), float(jumps[best]), float(high[best] - low[best])


def _noise(levels: NDArray[np.float64]) -> float:
    """Deviation from run to run, by neighbours: a change between two of many hardly counts."""
    steps = np.abs(np.diff(levels))
    robust = _SIGMA * float(np.median(steps)) / math.sqrt(2)
    # Of figures that repeat to the last digit, as simulations do, any change is one.
    return max(robust, 1e-6)


def _without_odd(levels: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Values further than three deviations from the median of five around them, drawn to that."""
    padded = np.pad(levels, 2, mode="reflect")
    around = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=-1)
    drawn: NDArray[np.float64] = np.clip(levels, around - _ODD * noise, around + _ODD * noise)
    return drawn
