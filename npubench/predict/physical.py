"""Times as sums of costs: each feature of the graph times what one of it takes in a column, never below zero.

The rest of the completion learns what is left over. Costs of a network's own column never rest on its own
figures: networks are dealt into folds, and a network's time is the sum fitted without its fold.
"""

import zlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from npubench.graph.features import GraphFeatures
from npubench.predict.answer import Costs
from npubench.predict.design import stated_of
from npubench.predict.experts import ALIKE, Opinions
from npubench.predict.samples import Column, Sample, Subject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from npubench.predict.design import Matrix

    Flags = NDArray[np.bool_]

COMPUTE = (
    *("macs_dense", "macs_pointwise", "macs_depthwise", "macs_grouped", "macs_transposed", "macs_linear"),
    *("macs_recurrent", "macs_attention", "macs_intensity_under_16", "macs_under_32"),
)
MEMORY = (
    *("elements_products", "elements_depthwise", "elements_elementwise", "elements_alone", "elements_norm"),
    *("elements_softmax", "elements_resize", "elements_pool", "elements_move", "elements_reduce"),
    *("elements_other", "through_silu", "through_gelu", "input_elements", "moved_elements", "parameters"),
)
FIXED = ("kernels", "one")
WORK = (*COMPUTE, *MEMORY, *FIXED)
"""What costs time, by kind: multiply-accumulates, elements and weights that move, what each call takes."""
FOLDS = 8
ROUNDS = 6
ROBUST = 0.25
"""Logarithm of a ratio from which on a figure counts less."""
PRIOR = 3.0
"""How firmly a column's shares are held to its vendor's: one off by 1 / PRIOR weighs as a figure off by e."""
LEAST_OWN = 6
"""Networks that a column needs for costs of its own."""
FLOOR_MS = 1e-3
SPREAD = 0.25
SPREAD_WORTH = 5.0
"""A spread before any is seen, and how many figures it is worth."""


def work_of(features: GraphFeatures) -> "Matrix":
    """Work by `WORK`, in units that make usual values of one network near 1."""
    import numpy as np

    macs = [getattr(features, name) / 1e9 for name in COMPUTE]
    elements = [getattr(features, name) / 1e7 for name in MEMORY]
    return np.array([*macs, *elements, features.kernels / 100, 1.0])


class Physics:
    """Costs by column, from samples whose graphs are known."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        import numpy as np

        self._samples = samples
        self._offs: dict[Hashable, list[float]] = {}
        self._folds = {one.subject.network: fold_of(one.subject.network) for one in samples}
        subjects = dict.fromkeys(one.subject for one in samples)
        counted = [work_of(one.features) for one in subjects if one.features and one.features.macs]
        self._usual = np.median(np.array(counted), axis=0)
        sums = np.array([one[: len(COMPUTE)].sum() for one in counted])
        self._per_mac = np.median(np.array(counted) / sums[:, None], axis=0)
        self._work: dict[Subject, Matrix] = {}
        self._costs: dict[tuple[Hashable, int], Matrix] = {}
        self._places: dict[Hashable, list[int]] = {}
        self._parents: dict[Hashable, list[int]] = {}
        for place, one in enumerate(samples):
            self._places.setdefault(class_of(one.column), []).append(place)
            self._parents.setdefault(parent_of(one.column), []).append(place)
        self._matrix = np.array([self.work(one.subject) for one in samples])
        self._times = np.exp(np.array([one.log_ms for one in samples]))
        self._fold = np.array([self._folds[one.subject.network] for one in samples])
        known = [one.subject.features is not None for one in samples]
        self._known = np.array(known)
        self._levels_of = [class_of(one.column) for one in samples]
        self._parent_of = {class_of(one.column): parent_of(one.column) for one in samples}

    def work(self, subject: Subject) -> "Matrix":
        """Work of a subject; without a graph that of a usual network, by its stated MACs where told."""
        found = self._work.get(subject)
        if found is None:
            found = self._work[subject] = self._worked(subject)
        return found

    def _worked(self, subject: Subject) -> "Matrix":
        if subject.features is not None and subject.features.macs:
            return work_of(subject.features)
        macs, parameters = stated_of(subject)
        found = self._per_mac * macs if macs else self._usual.copy()
        if parameters:
            found[WORK.index("parameters")] = parameters / 10
        found[WORK.index("kernels")], found[WORK.index("one")] = self._usual[WORK.index("kernels")], 1.0
        return found

    def log_times(self, samples: Sequence[Sample]) -> "Matrix":
        """The logarithm of each sample's milliseconds as a sum of costs."""
        import numpy as np

        found = np.zeros(len(samples))
        for place, one in enumerate(samples):
            fold = self._folds.get(one.subject.network, -1)
            time = float(self.work(one.subject) @ self._costs_of(one.column, fold))
            found[place] = np.log(max(time, FLOOR_MS))
        return found

    def opinions(self, samples: Sequence[Sample]) -> Opinions:
        """Each sample's sum of costs as an opinion; its spread is that of the column's other networks."""
        import numpy as np

        spreads = [self._spread_of(one.column) for one in samples]
        alike = np.zeros((len(samples), len(ALIKE)))
        alike[:, -1] = 1
        return Opinions(
            np.arange(len(samples)),
            self.log_times(samples),
            np.array([spread for spread, _ in spreads]),
            np.array([worth for _, worth in spreads]),
            alike,
        )

    def _spread_of(self, column: Column) -> tuple[float, float]:
        """Typical absolute deviation of a column's sums, and on how many figures it rests."""
        import numpy as np

        key = class_of(column)
        if not self._offs:
            offs = np.log(self._times) - self.log_times(self._samples)
            for one, off, known in zip(self._samples, offs, self._known, strict=True):
                if known:
                    self._offs.setdefault(class_of(one.column), []).append(abs(float(off)))
        found = self._offs.get(key, [])
        spread = (float(np.median(found)) * len(found) if found else 0.0) + SPREAD * SPREAD_WORTH
        return spread / (len(found) + SPREAD_WORTH), len(found) + 1.0

    def shares(self, sample: Sample) -> Costs | None:
        """What of the time is computing, moving data and fixed; None without a graph."""
        if sample.subject.features is None or not sample.subject.features.macs:
            return None
        fold = self._folds.get(sample.subject.network, -1)
        parts = self.work(sample.subject) * self._costs_of(sample.column, fold)
        total = float(parts.sum())
        if total <= 0:
            return None
        compute, memory = len(COMPUTE), len(COMPUTE) + len(MEMORY)
        return Costs(
            float(parts[:compute].sum()) / total,
            float(parts[compute:memory].sum()) / total,
            float(parts[memory:].sum()) / total,
        )

    def _costs_of(self, column: Column, fold: int) -> "Matrix":
        """Milliseconds for one of each of `WORK` in a column, from samples outside the fold."""
        key, parent = class_of(column), parent_of(column)
        found = self._costs.get((key, fold))
        if found is None:
            found = self._costs[key, fold] = self._own(key, parent, fold)
        return found

    def _own(self, key: Hashable, parent: Hashable, fold: int) -> "Matrix":
        import numpy as np

        above = self._pooled(parent, fold)
        mine = self._inside(self._places.get(key, ()), fold)
        if not len(mine):
            return above
        ratios = np.log(self._times[mine] / np.maximum(self._matrix[mine] @ above, FLOOR_MS))
        level = np.exp(np.median(ratios) * len(mine) / (len(mine) + 1))
        if len(mine) < LEAST_OWN:
            found: Matrix = above * level
            return found
        every = self._inside(self._parents.get(parent, range(len(self._times))), fold)
        told = np.maximum(self._matrix[every] @ above, FLOOR_MS)
        usual = (self._matrix[every] / told[:, None]).mean(axis=0) / level
        return fitted(self._matrix[mine], self._times[mine], above * level, usual)

    def _pooled(self, parent: Hashable, fold: int) -> "Matrix":
        """A vendor's costs at a precision: columns brought to one level first."""
        import numpy as np

        found = self._costs.get((("pooled", parent), fold))
        if found is not None:
            return found
        mine = self._inside(self._parents.get(parent, ()), fold)
        if not len(mine):
            mine = self._inside(range(len(self._times)), fold)
        costs = np.where(np.array(WORK) == "one", 0.3, 0.0)
        costs[: len(COMPUTE)], costs[len(COMPUTE) : -2] = 1.0, 0.3
        classes: dict[Hashable, int] = {}
        number = np.array([classes.setdefault(self._levels_of[place], len(classes)) for place in mine])
        for _ in range(2):
            ratios = np.log(self._times[mine] / np.maximum(self._matrix[mine] @ costs, FLOOR_MS))
            levels = np.array([np.median(ratios[number == one]) for one in range(len(classes))])
            middle = float(np.median(levels))
            times = self._times[mine] / np.exp(levels[number] - middle)
            costs = fitted(self._matrix[mine], times, costs * np.exp(middle))
        self._costs[("pooled", parent), fold] = costs
        return costs

    def _inside(self, places: Sequence[int], fold: int) -> "NDArray[np.intp]":
        import numpy as np

        found = np.array(list(places), dtype=np.intp)
        if not len(found):
            return found
        fits = self._known[found] & (self._fold[found] != fold)
        kept: NDArray[np.intp] = found[fits if fits.any() else self._fold[found] != fold]
        return kept


def class_of(column: Column) -> Hashable:
    """Columns with costs in common: all but how the figure was told."""
    return (column.chip, column.runtime, column.precision, column.setting, column.publisher)


def parent_of(column: Column) -> Hashable:
    """Columns whose costs are alike but for a level."""
    return (column.vendor, column.precision)


def fold_of(network: str) -> int:
    """The fold of a network: the same in every run."""
    return zlib.crc32(network.encode()) % FOLDS


def fitted(work: "Matrix", times: "Matrix", prior: "Matrix", usual: "Matrix | None" = None) -> "Matrix":
    """Costs >= 0 with work @ costs near the times, relatively and robustly, and shares near the prior's.

    `usual`: work for a millisecond that other networks have, so that a kind of work that is scarce among
    these few is held to the prior as firmly as it weighs elsewhere.

    Non-negative least squares (Lawson and Hanson 1974) of relative deviations, weighted anew ROUNDS times.
    """
    import numpy as np
    from scipy.optimize import nnls

    scales = np.maximum((work / times[:, None]).mean(axis=0), 1e-6)
    if usual is not None:
        scales = np.maximum(scales, usual)
    firm = PRIOR * np.eye(work.shape[1])
    held = PRIOR * prior * scales
    off = np.zeros(len(times))
    found = prior
    for _ in range(ROUNDS):
        weights = 1 / (times * np.exp(off / 2) * np.sqrt(1 + (off / ROBUST) ** 2))
        rows = np.vstack([work * weights[:, None] / scales, firm])
        solved, _ = nnls(rows, np.concatenate([times * weights, held]), maxiter=2000)
        found = solved / scales
        off = np.log(np.maximum(work @ found, FLOOR_MS) / times)
    return found
