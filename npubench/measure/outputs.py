"""Outputs of a prepared model against the reference on the same inputs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from npubench.domain.figures import Accuracy, NoAccuracy, WorstSlice
from npubench.domain.notes import Note, NoteCode, note_of
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
    ours: Sequence[Sequence[Any]],
    theirs: Sequence[Sequence[Any]],
    reference: Any,
    samples: Sequence[dict[str, Any]],
    classification: bool,
) -> Similarity:
    """The outputs for all samples, `theirs` those of the session `reference`."""
    agreement = top1_agreement(ours, theirs) if classification else None
    rounded: list[Any] = []
    if any(map(_is_whole, theirs[0])):
        rounded = [reference.run(None, sample) for sample in rounded_to_8_bits(samples)]
    names = [output.name for output in reference.get_outputs()]
    return with_samples(similarity(ours, theirs, rounded, names), agreement, len(samples))


def with_samples(found: Similarity, agreement: float | None, samples: int) -> Similarity:
    """What is known of all outputs together."""
    if found.figures is None:
        return found
    return replace(found, figures={**found.figures, "top1_agreement": agreement, "samples": samples})


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
    found = [Output(names[index] if index < len(names) else f"output {index}") for index in measured]
    for index, output in zip(measured, found, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            output.add(a[index], b[index])
            if output.broken:
                return Similarity(wrong=f"{output.name} holds NaN or infinity where FP32's holds none")
    if told := [f"{one.name}: {why}" for one in found if (why := one.incomparable())]:
        return _none("; ".join(told))
    shares = {"equal": equal_share(ours, theirs), "equal_rounded": equal_share(rounded, theirs)}
    if not found and shares["equal"] is None:
        return _none("the model gives nothing to compare")
    lost = {one.name: how for one in found if (how := one.lost())}
    figures = {**_worst(found), **shares, **_slices(found)}
    if not lost:
        blank = ", ".join(one.name for one in found if one.cosine() is None)
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


def _worst(outputs: "Sequence[Output]") -> dict[str, Any]:
    """A cosine that one output does not have is none of all: the others say nothing of that one."""
    cosines = [cosine for one in outputs if (cosine := one.cosine()) is not None]
    ratios = [ratio for one in outputs if (ratio := one.psnr_db()) is not None]
    return {
        "cosine": min(cosines) if cosines and len(cosines) == len(outputs) else None,
        "psnr_db": min(ratios, default=None),
        "max_abs": max((one.greatest for one in outputs), default=None),
    }


def _slices(outputs: "Sequence[Output]") -> dict[str, Any]:
    found = [one.slices() for one in outputs if one.axes]
    worst = min((one for one, _ in found if one), key=lambda one: one["cosine"], default=None)
    return {"worst_slice": worst, "dead_slices": sum(dead for _, dead in found) if found else None}


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


@dataclass(slots=True)
class _Sums:
    """Of every slice along an axis: sums of products and squares, and extremes of both sides."""

    sums: "Array"
    least: "Array"
    most: "Array"

    def add(self, at: slice, sums: "Array", least: "Array", most: "Array") -> None:
        """Count in what lies at some places of the axis."""
        import numpy as np

        self.sums[:, at] += sums
        self.least[:, at] = np.minimum(self.least[:, at], least)
        self.most[:, at] = np.maximum(self.most[:, at], most)

    def magnitudes(self) -> "Array":
        """The greatest absolute number of each slice of the reference; 0 where none is finite."""
        import numpy as np

        least, most = self.least[1], self.most[1]
        return np.where(least <= most, np.maximum(np.abs(least), np.abs(most)), 0.0)

    def cosines(self) -> "Array":
        """Of each slice; 0 where one side is zero."""
        import numpy as np

        norms = np.sqrt(self.sums[1]) * np.sqrt(self.sums[2])
        found: Array = np.divide(self.sums[0], norms, out=np.zeros_like(norms), where=norms > 0)
        return np.minimum(found, 1.0)


def _empty(size: int) -> _Sums:
    import numpy as np

    return _Sums(np.zeros((3, size)), np.full((2, size), math.inf), np.full((2, size), -math.inf))


@dataclass(slots=True)
class Output:
    """One output over all samples, as a whole and by slices along axes of 2 to 512 entries.

    Where the reference is not finite, entries do not count; `broken`: ours holds NaN or infinity elsewhere.
    A slice that is zero in the reference has no direction and does not count; one of zeros alone in place of
    numbers has the cosine 0. Dead is a slice that varies in the reference and is constant in ours. Samples of
    several shapes have no common slices.
    """

    name: str
    whole: _Sums = field(default_factory=lambda: _empty(1))
    axes: dict[int, _Sums] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    matching: bool = True
    broken: bool = False
    seen: int = 0
    count: int = 0
    error: float = 0.0
    greatest: float = 0.0

    def add(self, ours: Any, theirs: Any) -> None:
        """Count a sample in."""
        import numpy as np

        ours, theirs = np.atleast_1d(ours), np.atleast_1d(theirs)
        if self.shape is None:
            self.shape = shape = theirs.shape
            self.axes = {at: _empty(size) for at, size in enumerate(shape) if _is_cut(shape, at)}
        self.matching = self.matching and ours.size == theirs.size
        self.seen += theirs.size
        if not ours.shape == theirs.shape == self.shape:
            self.axes, ours, theirs = {}, ours.ravel(), theirs.ravel()
        for block in _blocks(theirs.shape) if self.matching and theirs.size else ():
            self._count(block, ours[block], theirs[block])

    def _count(self, block: tuple[slice, ...], ours: "Array", theirs: "Array") -> None:
        import numpy as np

        x, y = ours.astype(np.float64), theirs.astype(np.float64)
        least = most = np.stack([x, y])
        known = np.isfinite(y)
        if not known.all():
            least, most = np.where(known, least, math.inf), np.where(known, most, -math.inf)
            x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
        self.broken = self.broken or not np.isfinite(x).all()
        self.count += int(np.count_nonzero(known))
        with np.errstate(over="ignore", invalid="ignore"):
            difference = x - y
            self.error += float(np.vdot(difference, difference))
            self.greatest = max(self.greatest, float(np.abs(difference).max()))
            sums = np.stack([x * y, x * x, y * y])
            # From the last axis on: what is left after each is that axis smaller.
            for axis in range(x.ndim - 1, -1, -1):
                if x.shape[axis] < NARROW:
                    sums, least, most = (_turned(one) for one in (sums, least, most))
                    lead, last = tuple(range(2, axis + 2)), 1
                else:
                    lead, last = tuple(range(1, axis + 1)), -1
                if of := self.axes.get(axis):
                    of.add(block[axis], sums.sum(axis=lead), least.min(axis=lead), most.max(axis=lead))
                sums, least, most = sums.sum(axis=last), least.min(axis=last), most.max(axis=last)
            self.whole.add(slice(0, 1), sums[:, None], least[:, None], most[:, None])

    def incomparable(self) -> str:
        """Why there are no figures; empty where there are."""
        if not self.matching:
            return "another number of elements than FP32's"
        if not self.count:
            return "FP32 gives no finite number" if self.seen else "it is empty"
        # Squares of doubles may be beyond doubles.
        finite = math.isfinite(self.error + float(self.whole.sums[1:].sum()))
        return "" if finite else "its squares are beyond what 64 bits hold"

    def cosine(self) -> float | None:
        """None where one side alone is zero."""
        if (self.whole.sums[1:] > 0).all():
            return float(self.whole.cosines()[0])
        return 1.0 if self.error == 0 else None

    def psnr_db(self) -> float | None:
        """The peak is the range of the reference; None where that is none, or nothing differs."""
        peak = float(self.whole.most[1, 0] - self.whole.least[1, 0])
        return 10 * math.log10(peak**2 * self.count / self.error) if self.error and peak else None

    def lost(self) -> NoAccuracy | None:
        """How ours is all one number where the reference's is not."""
        (ours, varies), squares = (self.whole.least != self.whole.most)[:, 0], self.whole.sums[1:, 0]
        if ours:
            return None
        if squares[0] == 0 and squares[1] > 0:
            return NoAccuracy.ALL_ZEROS
        return NoAccuracy.CONSTANT if varies else None

    def slices(self) -> tuple[dict[str, Any] | None, int]:
        """The fields of `records.WorstSlice` and how many slices are dead."""
        import numpy as np

        greatest = max(float(of.magnitudes().max()) for of in self.axes.values())
        found: list[tuple[float, int, int]] = []
        dead = 0
        for axis, of in self.axes.items():
            magnitudes, cosines = of.magnitudes(), of.cosines()
            there = magnitudes > NOTHING * greatest
            varies = of.most[1] - of.least[1] > NOTHING * magnitudes
            dead += int(np.count_nonzero(there & varies & (of.most[0] == of.least[0])))
            found += [(float(cosines[index]), axis, int(index)) for index in np.flatnonzero(there)]
        if not found:
            return None, dead
        cosine, axis, index = min(found)
        return {"output": self.name, "axis": axis, "index": index, "cosine": cosine}, dead


def _is_cut(shape: Sequence[int], axis: int) -> bool:
    entries = math.prod(shape[:axis]) * math.prod(shape[axis + 1 :])
    return 2 <= shape[axis] <= MOST_SLICES and entries >= LEAST_ENTRIES


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cuts of a C-ordered array, each contiguous and of about `CHUNK` elements at most."""
    inner, axis = 1, len(shape)
    while axis and inner * shape[axis - 1] <= CHUNK:
        axis -= 1
        inner *= shape[axis]
    # Whole rows of the axis before, as many as fit; all of it where nothing stands before.
    rest = tuple(slice(0, size) for size in shape[axis:])
    if not axis:
        yield rest
        return
    step = max(1, CHUNK // inner)
    for head in product(*(range(size) for size in shape[: axis - 1])):
        for start in range(0, shape[axis - 1], step):
            part = slice(start, min(start + step, shape[axis - 1]))
            yield (*(slice(at, at + 1) for at in head), part, *rest)


def _turned(array: "Array") -> "Array":
    """With the last axis in the second place, in order of memory."""
    import numpy as np

    return np.ascontiguousarray(np.moveaxis(array, -1, 1))
