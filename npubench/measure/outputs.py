"""Outputs of a prepared model against the reference on the same inputs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from npubench.domain.notes import Note, NoteCode, note_of
from npubench.domain.records import Accuracy, NoAccuracy, WorstSlice
from npubench.measure.calibration import rounded_to_8_bits

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Similarity:
    """`figures` are the fields of `records.Accuracy`, JSON-ready; None where nothing could be compared.

    `no_accuracy` says why there is no cosine, `why` in a sentence. `wrong` is why these outputs cannot be
    right at all: numbers that are none where the reference's are.
    """

    figures: dict[str, Any] | None = None
    no_accuracy: NoAccuracy | None = None
    why: str = ""
    wrong: str = ""

    def as_answer(self) -> dict[str, Any]:
        """For the answer of a worker."""
        return {"accuracy": self.figures, "no_accuracy": self.no_accuracy, "no_accuracy_why": self.why}


def accuracy_of(answer: Mapping[str, Any]) -> Accuracy | None:
    """The accuracy in the answer of a worker."""
    found = answer.get("accuracy")
    if not found:
        return None
    worst = found.get("worst_slice")
    return Accuracy(**{**found, "worst_slice": WorstSlice(**worst) if worst else None})


def no_accuracy_of(answer: Mapping[str, Any]) -> tuple[NoAccuracy | None, Note | str]:
    """Why the answer of a worker has no cosine: the word and the sentence."""
    told = answer.get("no_accuracy")
    if told:
        return NoAccuracy(told), note_of(str(answer.get("no_accuracy_why") or ""))
    return (
        (None, "") if answer.get("accuracy") else (NoAccuracy.NOT_COMPARED, Note(NoteCode.NOTHING_COMPARED))
    )


def compare(
    session: Any, reference: Any, samples: Sequence[dict[str, Any]], classification: bool
) -> Similarity:
    """Both sessions on all samples."""
    ours = [session.run(None, sample) for sample in samples]
    theirs = [reference.run(None, sample) for sample in samples]
    agreement = top1_agreement(ours, theirs) if classification else None
    rounded: list[Any] = []
    if any(_is_whole(output) for output in theirs[0]):
        rounded = [reference.run(None, sample) for sample in rounded_to_8_bits(samples)]
    names = [output.name for output in reference.get_outputs()]
    return with_samples(similarity(ours, theirs, rounded, names), agreement, len(samples))


def with_samples(found: Similarity, agreement: float | None, samples: int) -> Similarity:
    """What is known of all outputs together."""
    if found.figures is None:
        return found
    figures = {**found.figures, "top1_agreement": agreement, "samples": samples}
    return Similarity(figures, found.no_accuracy, found.why, found.wrong)


def similarity(
    ours: Sequence[Sequence[Any]],
    theirs: Sequence[Sequence[Any]],
    rounded: Sequence[Sequence[Any]] = (),
    names: Sequence[str] = (),
) -> Similarity:
    """Figures of `records.Accuracy` over all samples and outputs, or why there are none.

    The type in `theirs` decides: of whole numbers the share that is equal, because 7 is no better for being
    near 8, of all others the closeness. `rounded` are `theirs` for inputs rounded to 8 bits. Where `theirs`
    is not finite (a mask of minus infinity), entries do not count: 8 bits hold no such number.
    """
    if [len(outputs) for outputs in ours] != [len(outputs) for outputs in theirs]:
        return _none("other outputs than FP32's")
    count = max(map(len, theirs), default=0)
    measured = [index for index in range(count) if not any(_is_whole(outputs[index]) for outputs in theirs)]
    runs = list(zip(ours, theirs, strict=True))
    called = {index: names[index] if index < len(names) else f"output {index}" for index in measured}
    found = {index: _closeness((a[index], b[index]) for a, b in runs) for index in measured}
    for index, one in found.items():
        if one.broken:
            return Similarity(wrong=f"{called[index]} holds NaN or infinity where FP32's holds none")
    if told := [f"{called[index]}: {one.why}" for index, one in found.items() if one.why]:
        return _none("; ".join(told))
    shares = {"equal": equal_share(ours, theirs), "equal_rounded": equal_share(rounded, theirs)}
    if not found and shares["equal"] is None:
        return _none("the model gives nothing to compare")
    lost = {called[index]: one.lost for index, one in found.items() if one.lost is not None}
    slices = _slices(runs, called) if found else {}
    figures = {**_worst(list(found.values())), **shares, **slices}
    if not lost:
        blank = ", ".join(called[index] for index, one in found.items() if one.cosine is None)
        why = f"{blank} is all zeros in FP32" if blank else ""
        return Similarity(figures, NoAccuracy.NOT_COMPARED if blank else None, why)
    # The others say nothing of the output that is lost.
    figures["cosine"] = None
    word = NoAccuracy.ALL_ZEROS if NoAccuracy.ALL_ZEROS in lost.values() else NoAccuracy.CONSTANT
    texts = {NoAccuracy.ALL_ZEROS: "is all zeros", NoAccuracy.CONSTANT: "is constant"}
    why = "; ".join(f"{name} {texts[how]} where FP32's is not" for name, how in lost.items())
    return Similarity(figures, word, why)


def _none(why: str) -> Similarity:
    return Similarity(None, NoAccuracy.NOT_COMPARED, why)


def _slices(runs: Sequence[tuple[Sequence[Any], Sequence[Any]]], called: Mapping[int, str]) -> dict[str, Any]:
    import numpy as np

    worst: dict[str, Any] | None = None
    dead: int | None = None
    for index, name in called.items():
        found = worst_of((np.asarray(a[index]), np.asarray(b[index])) for a, b in runs)
        if found is None:
            continue
        dead = (dead or 0) + found.dead
        if found.cosine is not None and (worst is None or found.cosine < worst["cosine"]):
            worst = {"output": name, "axis": found.axis, "index": found.index, "cosine": found.cosine}
    return {"worst_slice": worst, "dead_slices": dead}


@dataclass(frozen=True, slots=True)
class _Close:
    """One output: figures, or `why` there are none; `lost` where all its numbers are one and FP32's are not.

    `broken`: it holds NaN or infinity where the reference is finite.
    """

    cosine: float | None = None
    psnr_db: float | None = None
    max_abs: float = 0.0
    lost: NoAccuracy | None = None
    why: str = ""
    broken: bool = False


def _worst(outputs: Sequence[_Close]) -> dict[str, Any]:
    """A cosine that one output does not have is none of all: the others say nothing of that one."""
    cosines = [one.cosine for one in outputs if one.cosine is not None]
    return {
        "cosine": min(cosines) if cosines and len(cosines) == len(outputs) else None,
        "psnr_db": min((one.psnr_db for one in outputs if one.psnr_db is not None), default=None),
        "max_abs": max((one.max_abs for one in outputs), default=None),
    }


def equal_share(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> float | None:
    """Share of equal entries of whole numbers, the least output's; None where there are none.

    What one side has more of, where the data decide how much comes out, is not equal.
    """
    import numpy as np

    equal: dict[int, list[int]] = {}
    for found, expected in zip(ours, theirs, strict=False):
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            if _is_whole(b):
                a, b = np.ravel(a), np.ravel(b)
                both = min(a.size, b.size)
                counts = equal.setdefault(index, [0, 0])
                counts[0] += int(np.count_nonzero(a[:both] == b[:both]))
                counts[1] += max(a.size, b.size)
    return min((same / total for same, total in equal.values() if total), default=None)


def _is_whole(output: Any) -> bool:
    import numpy as np

    return np.asarray(output).dtype.kind in "biu"


@dataclass(slots=True)
class _Totals:
    count: int = 0
    product: float = 0.0
    ours: float = 0.0
    theirs: float = 0.0
    error: float = 0.0
    greatest: float = 0.0
    least_ours: float = math.inf
    most_ours: float = -math.inf
    least: float = math.inf
    most: float = -math.inf

    def add(self, x: Any, y: Any) -> None:
        """Count entries in: ours and the reference's, all finite."""
        import numpy as np

        difference = x - y
        self.product += float(x @ y)
        self.error += float(difference @ difference)
        self.ours += float(x @ x)
        self.theirs += float(y @ y)
        self.greatest = max(self.greatest, float(np.abs(difference).max()))
        self.least_ours, self.most_ours = (
            min(self.least_ours, float(x.min())),
            max(self.most_ours, float(x.max())),
        )
        self.least, self.most = min(self.least, float(y.min())), max(self.most, float(y.max()))
        self.count += x.size

    def lost(self) -> NoAccuracy | None:
        """How ours is all one number where the reference's is not."""
        if self.least_ours != self.most_ours:
            return None
        if self.ours == 0 and self.theirs > 0:
            return NoAccuracy.ALL_ZEROS
        return NoAccuracy.CONSTANT if self.least != self.most else None


def _closeness(pairs: Iterable[tuple[Any, Any]]) -> _Close:
    """Cosine, PSNR in dB (peak: range of the reference) and greatest difference over all pairs of arrays."""
    import numpy as np

    of, seen = _Totals(), 0
    with np.errstate(over="ignore"):
        for x, y in _chunks(pairs):
            if x.size != y.size:
                return _Close(why="another number of elements than FP32's")
            seen += x.size
            known = np.isfinite(y)
            if not known.all():
                x, y = x[known], y[known]
            if not np.isfinite(x).all():
                return _Close(broken=True)
            if x.size:
                of.add(x, y)
    if not of.count:
        return _Close(why="FP32 gives no finite number" if seen else "it is empty")
    # Squares of doubles may be beyond doubles.
    if not math.isfinite(of.ours + of.theirs + of.error):
        return _Close(why="its squares are beyond what 64 bits hold")
    norm, error, peak = math.sqrt(of.ours) * math.sqrt(of.theirs), of.error / of.count, of.most - of.least
    return _Close(
        cosine=min(1.0, of.product / norm) if norm else (1.0 if error == 0 else None),
        psnr_db=10 * math.log10(peak**2 / error) if error and peak else None,
        max_abs=of.greatest,
        lost=of.lost(),
    )


def _chunks(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Both arrays in double precision, some thousand elements a time: whole ones fill pages without end."""
    import numpy as np

    for ours, theirs in pairs:
        a, b = np.ravel(ours), np.ravel(theirs)
        for start in range(0, max(a.size, b.size), CHUNK):
            part = slice(start, start + CHUNK)
            yield a[part].astype(np.float64), b[part].astype(np.float64)


def top1_agreement(ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> float | None:
    """Share of samples (rows of the first output, N x classes) with the same arg-max."""
    import numpy as np

    first = [(np.asarray(a[0]), np.asarray(b[0])) for a, b in zip(ours, theirs, strict=True)]
    if not first or any(a.ndim != 2 for a, _ in first):
        return None
    return float(np.mean(np.concatenate([a.argmax(axis=1) == b.argmax(axis=1) for a, b in first])))


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
