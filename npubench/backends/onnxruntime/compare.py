"""Outputs of a prepared model against the reference on the same inputs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.backends.onnxruntime.slices import CHUNK, worst_of
from npubench.domain.records import Accuracy, NoAccuracy, WorstSlice
from npubench.measure.calibration import rounded_to_8_bits


@dataclass(frozen=True, slots=True)
class Similarity:
    """`figures` are the fields of `records.Accuracy`, JSON-ready; None where nothing could be compared.

    `lacking` says why there is no cosine, `why` in a sentence. `wrong` is why these outputs cannot be right
    at all: numbers that are none where the reference's are.
    """

    figures: dict[str, Any] | None = None
    lacking: NoAccuracy | None = None
    why: str = ""
    wrong: str = ""

    def told(self) -> dict[str, Any]:
        """For the answer of a worker."""
        return {"accuracy": self.figures, "no_accuracy": self.lacking, "no_accuracy_why": self.why}


def accuracy_of(answer: Mapping[str, Any]) -> Accuracy | None:
    """The accuracy in the answer of a worker."""
    found = answer.get("accuracy")
    if not found:
        return None
    worst = found.get("worst_slice")
    return Accuracy(**{**found, "worst_slice": WorstSlice(**worst) if worst else None})


def lacking_of(answer: Mapping[str, Any]) -> tuple[NoAccuracy | None, str]:
    """Why the answer of a worker has no cosine: the word and the sentence."""
    told = answer.get("no_accuracy")
    if told:
        return NoAccuracy(told), str(answer.get("no_accuracy_why") or "")
    return (None, "") if answer.get("accuracy") else (NoAccuracy.NOT_COMPARED, "nothing was compared")


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
    return Similarity(figures, found.lacking, found.why, found.wrong)


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
