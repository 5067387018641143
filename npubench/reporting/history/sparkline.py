"""A series as a small chart: its times in their band, marks where level and versions changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npubench.reporting.history.series import Series

WIDTH, HEIGHT = 260, 44
_TOP, _BOTTOM = 4, 36
_POINTS = 130
"""Places along a line: of more runs several share one, which then is their geometric mean."""

_LEAST_RANGE = 0.04
"""A series that stays within so much is drawn flat: noise is no landscape."""


@dataclass(frozen=True, slots=True)
class Spark:
    """What is drawn, in the units of a `WIDTH` x `HEIGHT` view."""

    line: str  # path of the times
    band: str  # path of the band
    changes: tuple[tuple[float, bool, str], ...]  # where, whether it became slower, by how much
    versions: tuple[tuple[float, str], ...]  # where, and the letter of the version
    failures: tuple[float, ...]  # where rows failed
    last: tuple[float, float] | None  # where the newest time is


def place_of(run: float, runs: int) -> float:
    """Where a run is along the line."""
    return round(3 + (WIDTH - 6) * run / max(1, runs - 1), 1)


def spark(series: Series, runs: int, letters: Mapping[int, str]) -> Spark:
    """The chart of a series among so many runs; `letters` name the runs with which versions changed."""
    x, times, low, high = _thinned(series, runs)
    there = np.isfinite(times)
    changes = tuple(
        (place_of(series.runs[one.at], runs), one.ratio > 1, f"{one.ratio - 1:+.1%}")
        for one in series.changes
    )
    versions = tuple((place_of(run, runs), letters[run]) for run, _ in series.versions if run in letters)
    failures = tuple(dict.fromkeys(place_of(run, runs) for run in series.runs[series.failed]))
    if not there.any():
        return Spark("", "", changes, versions, failures, None)
    height = _Scale(low[there], high[there])
    tops, middles, bottoms = (height.of(one) for one in (high, times, low))
    line = _path(x, middles, there)
    band = "".join(_band(x[part], tops[part], bottoms[part]) for part in _stretches(there))
    final = int(np.flatnonzero(there)[-1])
    return Spark(line, band, changes, versions, failures, (float(x[final]), float(middles[final])))


class _Scale:
    """Logarithmic, so that a change is as high wherever it happens."""

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
        bottom, top = float(np.log(low.min())), float(np.log(high.max()))
        spare = max(0.0, _LEAST_RANGE - (top - bottom)) / 2
        self._bottom, self._top = bottom - spare, top + spare

    def of(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (np.log(times) - self._bottom) / (self._top - self._bottom)
        placed: NDArray[np.float64] = np.round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)
        return placed


def _thinned(series: Series, runs: int) -> tuple[NDArray[np.float64], ...]:
    """Places, means, and the ends of the band, one for each place along the line that has a row."""
    bins = np.minimum(series.runs * _POINTS // max(1, runs), _POINTS - 1) if runs > _POINTS else series.runs
    _, begins, many = np.unique(bins, return_index=True, return_counts=True)
    there = np.isfinite(series.times)
    count = np.add.reduceat(there.astype(np.float64), begins)
    logs = np.add.reduceat(np.log(np.where(there, series.times, 1.0)), begins)
    # Of a place where all rows failed nothing is known, and nothing is drawn.
    times = np.where(count > 0, np.exp(logs / np.maximum(count, 1)), np.nan)
    low, high = np.fmin.reduceat(series.low, begins), np.fmax.reduceat(series.high, begins)
    run = np.add.reduceat(series.runs.astype(np.float64), begins) / many
    return np.round(3 + (WIDTH - 6) * run / max(1, runs - 1), 1), times, low, high


def _stretches(there: NDArray[np.bool_]) -> Iterator[slice]:
    """Where times follow one another without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    return (slice(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True))


def _path(x: NDArray[np.float64], y: NDArray[np.float64], there: NDArray[np.bool_]) -> str:
    # A lone time is a line of no length, which its round ends show.
    return "".join(
        "M"
        + "L".join(f"{one:g} {other:g}" for one, other in zip(x[part], y[part], strict=True))
        + ("h0" if part.stop - part.start == 1 else "")
        for part in _stretches(there)
    )


def _band(x: NDArray[np.float64], tops: NDArray[np.float64], bottoms: NDArray[np.float64]) -> str:
    edge = [*zip(x, tops, strict=True), *zip(x[::-1], bottoms[::-1], strict=True)]
    return "M" + "L".join(f"{one:g} {other:g}" for one, other in edge) + "Z"
