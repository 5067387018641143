"""Slices of an output along each axis beside the reference's: no cosine of all shows that a block is lost."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_SLICES = 512
"""An axis with more entries is not cut: its slices are few numbers each, and as many as those."""
LEAST_ENTRIES = 8
"""Of a slice in one sample: fewer have no direction to speak of (a class's logit is a single number)."""
CHUNK = 32 * 1024
"""Elements that are looked at once: a quarter of a megabyte each, which stays in a core's cache."""
NARROW = 32
"""Entries of a last axis below which numpy reduces it ten times faster when it is not the last."""
NOTHING = 1e-6
"""Share of the output's greatest number below which a slice of the reference is zero, and share of a slice's
own greatest below which it does not vary: some roundings of FP32."""


@dataclass(frozen=True, slots=True)
class Slices:
    """The slice with the lowest cosine, None where all of the reference's are zero, and how many are dead."""

    axis: int | None
    index: int | None
    cosine: float | None
    dead: int


@dataclass(slots=True)
class _Axis:
    """Of every slice along one axis: sums of products and squares, and extremes of both sides."""

    sums: "Array"
    least: "Array"
    most: "Array"


def worst_of(pairs: Iterable[tuple[Any, Any]]) -> Slices | None:
    """Slices along axes of 2 to 512 entries over all samples (ours, reference); None where there are none.

    A slice that is zero in the reference has no direction and does not count; one of zeros alone in place of
    numbers has the cosine 0. Dead is a slice that varies in the reference and is constant in ours. Where the
    reference is not finite, entries do not count. Samples of several shapes have no common slices.
    """
    seen = _Seen()
    for ours, theirs in pairs:
        if not seen.add(ours, theirs):
            return None
    return seen.judged()


@dataclass(slots=True)
class _Seen:
    shape: tuple[int, ...] | None = None
    axes: dict[int, _Axis] = field(default_factory=dict)

    def add(self, ours: Any, theirs: Any) -> bool:
        """Count a sample in; whether it has slices in common with those before."""
        if self.shape is None:
            self.shape = theirs.shape
            cut = [at for at, size in enumerate(theirs.shape) if _is_cut(theirs.shape, at, size)]
            self.axes = {at: _empty(theirs.shape[at]) for at in cut}
        if not self.axes or not ours.shape == theirs.shape == self.shape:
            return False
        for block in _blocks(self.shape):
            self._count(block, ours[block], theirs[block])
        return True

    def _count(self, block: tuple[slice, ...], ours: "Array", theirs: "Array") -> None:
        import numpy as np

        x, y = ours.astype(np.float64), theirs.astype(np.float64)
        least = most = np.stack([x, y])
        known = np.isfinite(y)
        if not known.all():
            least, most = np.where(known, least, math.inf), np.where(known, most, -math.inf)
            x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        sums = np.stack([x * y, x * x, y * y])
        # From the last axis on: what is left after each is that axis smaller.
        for axis in range(x.ndim - 1, min(self.axes) - 1, -1):
            if x.shape[axis] < NARROW:
                sums, least, most = (_turned(one) for one in (sums, least, most))
                lead, last = tuple(range(2, axis + 2)), 1
            else:
                lead, last = tuple(range(1, axis + 1)), -1
            if axis in self.axes:
                of, at = self.axes[axis], block[axis]
                of.sums[:, at] += sums.sum(axis=lead)
                of.least[:, at] = np.minimum(of.least[:, at], least.min(axis=lead))
                of.most[:, at] = np.maximum(of.most[:, at], most.max(axis=lead))
            sums, least, most = sums.sum(axis=last), least.min(axis=last), most.max(axis=last)

    def judged(self) -> Slices | None:
        """What the slices of all samples are worth."""
        if not self.axes:
            return None
        greatest = max(float(_magnitudes(of).max()) for of in self.axes.values())
        found: list[tuple[float, int, int]] = []
        dead = 0
        for axis, of in self.axes.items():
            there = _magnitudes(of) > NOTHING * greatest
            dead += _dead(of, there)
            found += [(cosine, axis, index) for index, cosine in _cosines(of, there)]
        if not found:
            return Slices(None, None, None, dead)
        cosine, axis, index = min(found)
        return Slices(axis, index, cosine, dead)


def _is_cut(shape: Sequence[int], axis: int, size: int) -> bool:
    entries = math.prod(shape[:axis]) * math.prod(shape[axis + 1 :])
    return 2 <= size <= MOST_SLICES and entries >= LEAST_ENTRIES


def _empty(size: int) -> _Axis:
    import numpy as np

    return _Axis(np.zeros((3, size)), np.full((2, size), math.inf), np.full((2, size), -math.inf))


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cuts of a C-ordered array, each contiguous and of about `CHUNK` elements at most."""
    inner, axis = 1, len(shape)
    while axis and inner * shape[axis - 1] <= CHUNK:
        axis -= 1
        inner *= shape[axis]
    if not axis:
        yield tuple(slice(0, size) for size in shape)
        return
    axis -= 1
    step = max(1, CHUNK // inner)
    rest = tuple(slice(0, size) for size in shape[axis + 1 :])
    for head in product(*(range(size) for size in shape[:axis])):
        for start in range(0, shape[axis], step):
            stop = min(start + step, shape[axis])
            yield (*(slice(at, at + 1) for at in head), slice(start, stop), *rest)


def _turned(array: "Array") -> "Array":
    """With the last axis in the second place, in order of memory."""
    import numpy as np

    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


def _magnitudes(of: _Axis) -> "Array":
    """The greatest absolute number of each slice of the reference; 0 where none is finite."""
    import numpy as np

    least, most = of.least[1], of.most[1]
    return np.where(least <= most, np.maximum(np.abs(least), np.abs(most)), 0.0)


def _dead(of: _Axis, there: "Array") -> int:
    import numpy as np

    varies = of.most[1] - of.least[1] > NOTHING * _magnitudes(of)
    return int(np.count_nonzero(there & varies & (of.most[0] == of.least[0])))


def _cosines(of: _Axis, there: "Array") -> list[tuple[int, float]]:
    import numpy as np

    norms = np.sqrt(of.sums[1]) * np.sqrt(of.sums[2])
    cosines = np.divide(of.sums[0], norms, out=np.zeros_like(norms), where=norms > 0)
    usable = there & np.isfinite(norms)
    return [(int(at), float(min(1.0, cosines[at]))) for at in np.flatnonzero(usable)]
