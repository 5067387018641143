"""The rows of a folder as series over runs: a case on a board each, with its changes and its state."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npubench.measure.change_points import change_points

RECENT = 10
"""Rows of a case that count as now."""

FLIPS = 3
"""So often a case that came and went between fine and failed is unstable."""

_OK, _FAILED = 0, 1


class State(StrEnum):
    """What a case is now, against its history; a case may be in several."""

    NEW = "new failure"
    FIXED = "fixed"
    UNSTABLE = "unstable"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A new level of a figure."""

    at: int  # index in the series of the first row of the new level
    ratio: float  # new level over the old one; above 1 it became slower
    versions: tuple[str, ...]  # what else changed in that run, `pulsar 1.0 to 1.1`


@dataclass(frozen=True, slots=True)
class Series:
    """One case on one board, all its rows in order; arrays have an element a row."""

    board: str  # name
    backend: str  # name
    case: str  # name
    precision: str  # value
    kind: str  # of the figures; rows of another kind have no time here
    runs: NDArray[np.int64]  # places of the runs among all runs of the folder
    ids: NDArray[np.int64]  # of the rows
    failed: NDArray[np.bool_]  # whether the row is a failure
    times: NDArray[np.float64]  # microseconds; NaN where there is none
    low: NDArray[np.float64]  # of the band, microseconds
    high: NDArray[np.float64]  # the same
    changes: tuple[LevelChange, ...]  # of the level, in order
    versions: tuple[tuple[int, tuple[str, ...]], ...]  # place of a run, and what changed with it
    states: frozenset[State]  # what it is now

    @property
    def latest(self) -> float | None:
        """The newest time, microseconds; None where the newest row has none."""
        found = float(self.times[-1])
        return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class History:
    """All series of a folder."""

    runs: tuple[str, ...]  # names, the oldest first
    series: tuple[Series, ...]  # by board, then in the order of their first rows

    @property
    def boards(self) -> dict[str, list[Series]]:
        """The series of each board."""
        found: defaultdict[str, list[Series]] = defaultdict(list)
        for one in self.series:
            found[one.board].append(one)
        return dict(found)


def history_of(points: Sequence[tuple[Any, ...]], names: Mapping[int, str]) -> History:
    """Out of what `Store.points` gives."""
    if not points:
        return History((), ())
    table = np.array(points, dtype=np.float64)
    _, first = np.unique(table[:, 1], return_index=True)
    order = [int(table[at, 1]) for at in sorted(first)]
    places = {run: place for place, run in enumerate(order)}
    by_series = np.argsort(table[:, 0], kind="stable")
    cuts = np.flatnonzero(np.diff(table[by_series, 0])) + 1
    told = _Versions(names)
    series = [_series(table[rows], names, places, told) for rows in np.split(by_series, cuts)]
    series.sort(key=lambda one: (one.board, int(one.ids[0])))
    return History(tuple(names[run] for run in order), tuple(series))


def _series(
    rows: NDArray[np.float64], names: Mapping[int, str], places: Mapping[int, int], told: "_Versions"
) -> Series:
    board, backend, case, precision = json.loads(names[int(rows[0, 0])])
    fine = rows[:, 4] == _OK
    kinds = rows[fine & np.isfinite(rows[:, 5]), 3]
    kind = int(kinds[-1]) if len(kinds) else None
    shown = fine & (rows[:, 3] == kind) & (rows[:, 5] > 0) if kind is not None else np.zeros(len(rows), bool)
    times = np.where(shown, rows[:, 5], np.nan)
    low, high = (np.where(shown & np.isfinite(one), one, times) for one in (rows[:, 6], rows[:, 7]))
    runs = np.array([places[int(run)] for run in rows[:, 1]])
    steps = np.flatnonzero(np.diff(rows[:, 2])) + 1
    versions = {int(at): told.between(int(rows[at - 1, 2]), int(rows[at, 2])) for at in steps}
    changes = _changes(times, versions)
    failed = rows[:, 4] == _FAILED
    return Series(
        board,
        backend,
        case,
        precision,
        names[kind] if kind is not None else "",
        runs,
        rows[:, 8].astype(np.int64),
        failed,
        times,
        low,
        high,
        changes,
        tuple((int(runs[at]), what) for at, what in versions.items() if what),
        _states(rows[:, 4], len(times), changes),
    )


def _changes(times: NDArray[np.float64], versions: Mapping[int, tuple[str, ...]]) -> tuple[LevelChange, ...]:
    there = np.flatnonzero(np.isfinite(times))
    points = change_points(times[there])
    levels = [float(np.median(np.log(part))) for part in np.split(times[there], points)] if points else []
    found = []
    for number, point in enumerate(points):
        at, before = int(there[point]), int(there[point - 1])
        said = [text for place in range(before + 1, at + 1) for text in versions.get(place, ())]
        found.append(LevelChange(at, math.exp(levels[number + 1] - levels[number]), tuple(said)))
    return tuple(found)


def _states(statuses: NDArray[np.float64], count: int, changes: Sequence[LevelChange]) -> frozenset[State]:
    ran = statuses[(statuses == _OK) | (statuses == _FAILED)][-RECENT:]
    found = set()
    flips = int(np.count_nonzero(np.diff(ran)))
    if flips >= FLIPS:
        found.add(State.UNSTABLE)
    elif flips:
        found.add(State.NEW if ran[-1] == _FAILED else State.FIXED)
    if changes and changes[-1].at >= count - RECENT:
        found.add(State.SLOWER if changes[-1].ratio > 1 else State.FASTER)
    return frozenset(found)


class _Versions:
    """What differs between two sets of versions; each is read once, each pair compared once."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._read: dict[int, dict[str, str]] = {}
        self._between: dict[tuple[int, int], tuple[str, ...]] = {}

    def between(self, before: int, after: int) -> tuple[str, ...]:
        """`pulsar 1.0 to 1.1`, for all that both tell and that differs."""
        if (before, after) not in self._between:
            old, new = self._of(before), self._of(after)
            both = [name for name in new if name in old and old[name] != new[name]]
            self._between[before, after] = tuple(f"{name} {old[name]} to {new[name]}" for name in both)
        return self._between[before, after]

    def _of(self, number: int) -> dict[str, str]:
        if number not in self._read:
            tools, kernel = json.loads(self._names[number])
            found = {str(name): str(version) for name, version in (tools or {}).items()}
            self._read[number] = {**found, **({"kernel of the board": str(kernel)} if kernel else {})}
        return self._read[number]
