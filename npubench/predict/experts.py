"""Columns as experts: a network's time elsewhere, times the two columns' usual ratio for networks like it.

Ratios of two columns are heavy-tailed: most networks keep one closely, a few are far off. A weighted median
of them is taken, where a mean would be drawn away.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from npubench.predict.samples import Column, Sample, Subject

if TYPE_CHECKING:
    from npubench.predict.design import Index, Matrix

Key = TypeVar("Key", bound=Hashable)

LEAST_SHARED = 3
"""Networks that two columns have to have in common."""
SPREAD = 0.12
SPREAD_WORTH = 1.5
"""A spread of ratios before any is seen, and how many networks it is worth."""
SAME_COLUMN_SPREAD = 0.02
"""The same network in the same column under another name."""


@dataclass(frozen=True, slots=True)
class Opinions:
    """What experts say of samples; arrays of one length, ordered by sample."""

    sample: "Index"  # number of the asked sample
    mean: "Matrix"  # of the logarithm of its milliseconds
    spread: "Matrix"  # typical absolute deviation
    worth: "Matrix"  # networks that it rests on, as far as they are like this one
    alike: "Matrix"  # opinions x ALIKE, 1 or 0


ALIKE = ("chip", "generation", "publisher", "precision", "costs")
"""In what the expert's figure is the asked one's like; last: whether it is no figure but the sum of costs."""


class Table:
    """Times by column and network; several of one network in one column are averaged, but for their cells."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        import numpy as np

        self._columns = _numbered(one.column for one in samples)
        self._networks = _numbered(network_of(one.subject) for one in samples)
        shape = (len(self._columns), len(self._networks))
        self._sums, self._counts = np.zeros(shape), np.zeros(shape)
        self._cells: dict[Hashable, list[tuple[int, int, float]]] = {}
        for one in samples:
            place = self._columns[one.column], self._networks[network_of(one.subject)]
            self._sums[place] += one.log_ms
            self._counts[place] += 1
            self._cells.setdefault(one.cell, []).append((*place, one.log_ms))
        self._names = list(self._columns)
        first: dict[Hashable, Subject] = {}
        for one in samples:
            first.setdefault(network_of(one.subject), one.subject)
        tasks, families = (
            _numbered(words) for words in zip(*((s.task, s.family) for s in first.values()), strict=True)
        )
        self._tasks = np.array([tasks[first[key].task] for key in self._networks])
        self._families = np.array([families[first[key].family] for key in self._networks])

    def opinions(self, asked: Sequence[Sample], without_cell: Sequence[bool]) -> Opinions:
        """What every column that knows a sample's network says of it.

        `without_cell`: whether the sample's own cell is to be taken out of the table first.
        """
        import numpy as np

        found: list[tuple[float, ...]] = []
        for number, (one, without) in enumerate(zip(asked, without_cell, strict=True)):
            taken = self._cells.get(one.cell, []) if without else []
            self._take(taken, -1)
            found += [(number, *opinion) for opinion in self._of(one)]
            self._take(taken, 1)
        table = np.array(found, dtype=np.float64).reshape(-1, 4 + len(ALIKE))
        return Opinions(table[:, 0].astype(np.intp), table[:, 1], table[:, 2], table[:, 3], table[:, 4:])

    def _take(self, places: Sequence[tuple[int, int, float]], sign: int) -> None:
        for column, network, time in places:
            self._sums[column, network] += sign * time
            self._counts[column, network] += sign

    def _of(self, asked: Sample) -> list[tuple[float, ...]]:
        import numpy as np

        network = self._networks.get(network_of(asked.subject))
        if network is None:
            return []
        column = self._columns.get(asked.column)
        found: list[tuple[float, ...]] = []
        for other in map(int, np.flatnonzero(self._counts[:, network] > 0.5)):
            time = float(self._sums[other, network] / self._counts[other, network])
            if other == column:
                said: tuple[float, float, float] | None = (time, SAME_COLUMN_SPREAD, 50.0)
            else:
                said = None if column is None else self._said(column, other, network, time)
            if said is not None:
                found.append((*said, *_alike(asked.column, self._names[other])))
        return found

    def _said(self, column: int, other: int, network: int, time: float) -> tuple[float, float, float] | None:
        """Mean, spread and worth of the opinion of another column, where the network takes `time`."""
        import numpy as np

        shared = (self._counts[column] > 0.5) & (self._counts[other] > 0.5)
        shared[network] = False
        places = np.flatnonzero(shared)
        if len(places) < LEAST_SHARED:
            return None
        theirs = self._sums[other, places] / self._counts[other, places]
        ratios = self._sums[column, places] / self._counts[column, places] - theirs
        weights = np.exp(-np.abs(theirs - time)) * self._likeness(network, places)
        middle = weighted_median(ratios, weights)
        spread = weighted_median(np.abs(ratios - middle), weights)
        worth = float(weights.sum() ** 2 / (weights**2).sum())
        shrunk = (spread * worth + SPREAD * SPREAD_WORTH) / (worth + SPREAD_WORTH)
        return time + middle, shrunk, worth

    def _likeness(self, network: int, places: "Index") -> "Matrix":
        task = self._tasks[places] == self._tasks[network]
        family = self._families[places] == self._families[network]
        likeness: Matrix = 1.0 + 2.0 * task + 6.0 * family
        return likeness


def joined(one: Opinions, other: Opinions) -> Opinions:
    """Both, ordered by sample."""
    import numpy as np

    order = np.argsort(np.concatenate([one.sample, other.sample]), kind="stable")
    return Opinions(
        np.concatenate([one.sample, other.sample])[order],
        np.concatenate([one.mean, other.mean])[order],
        np.concatenate([one.spread, other.spread])[order],
        np.concatenate([one.worth, other.worth])[order],
        np.concatenate([one.alike, other.alike])[order],
    )


def network_of(subject: Subject) -> Hashable:
    """What experts take for one network: whatever its head."""
    if not subject.known:
        return subject.key
    return (subject.network, subject.key.split("|")[1], subject.height, subject.width)


def weighted_median(values: "Matrix", weights: "Matrix") -> float:
    """The value at which half of the weight is reached."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(summed, summed[-1] / 2)])


def _alike(asked: Column, other: Column) -> tuple[float, ...]:
    return (
        float(asked.chip == other.chip),
        float(asked.generation == other.generation),
        float(asked.publisher == other.publisher),
        float(asked.precision == other.precision),
        0.0,
    )


def _numbered(keys: Iterable[Key]) -> dict[Key, int]:
    """Distinct keys, numbered in the order of their first."""
    found: dict[Key, int] = {}
    for key in keys:
        found.setdefault(key, len(found))
    return found
