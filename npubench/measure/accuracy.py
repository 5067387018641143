"""Top-1 and top-5 of a classifier, what quantisation costs of them, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from npubench.domain.figures import Kind
from npubench.domain.records import Failure, LayerLoss

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Z95 = 1.959964
SHARE_METHOD = "Wilson, 95 %"
DROP_METHOD = "Agresti and Min 2005, same samples, 95 %"


@dataclass(frozen=True, slots=True)
class Share:
    """A share in 0..1 with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassOfData:
    """A class of a data set: its number in the model's outputs, its name, its samples."""

    number: int
    name: str
    samples: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of a data set was not taken, and why; `names` are the first of `count`."""

    why: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataFacts:
    """A data set: samples that calibrated and that were evaluated on, its classes, and what was left out."""

    calibrated: int
    evaluated: int
    classes: tuple[ClassOfData, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One prepared model on the data: shares of samples whose class is first, or among the first five.

    `drop_*` are FP32's share less this one's, on the same samples; None for FP32 itself. top-5 is None
    with five classes or fewer. `losses` are the layers that lose most, worst first.
    """

    case: str
    board: str
    backend: str
    precision: str
    kind: Kind | None
    emulated: bool
    samples: int
    top1: Share | None = None
    top5: Share | None = None
    drop_top1: Share | None = None
    drop_top5: Share | None = None
    losses: tuple[LayerLoss, ...] = ()
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    data: DataFacts | None = None


def hits(outputs: "Array", labels: "Array", k: int) -> "Array":
    """Whether each sample's label is among the `k` largest of its scores (samples x classes).

    A tie counts against the label: a constant output is right about nothing. NaN is never right.
    """
    import numpy as np

    own = outputs[np.arange(len(labels)), labels]
    above = (outputs >= own[:, None]).sum(axis=1) - 1
    found: Array = (above < k) & np.isfinite(outputs).all(axis=1)
    return found


def share(right: "Array") -> Share:
    """Wilson's interval (Wilson 1927) of a share of samples; at least one."""
    count, good = len(right), int(right.sum())
    rate = good / count
    middle = (rate + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = Z95 / (1 + Z95**2 / count) * math.sqrt(rate * (1 - rate) / count + Z95**2 / (4 * count**2))
    return Share(rate, max(0.0, middle - half), min(1.0, middle + half))


def drop(reference: "Array", right: "Array") -> Share:
    """Reference's share less this one's, paired by sample, with the adjusted Wald interval.

    Half a sample is added to each of the four outcomes (Agresti and Min, Statistics in Medicine 24,
    2005), so that no disagreement at all still leaves a doubt that shrinks with the samples.
    """
    count = len(right)
    worse, better = int((reference & ~right).sum()), int((~reference & right).sum())
    lost, won, total = worse + 0.5, better + 0.5, count + 2
    middle = (lost - won) / total
    half = Z95 * math.sqrt(max(0.0, lost + won - (lost - won) ** 2 / total)) / total
    return Share((worse - better) / count, middle - half, middle + half)


def class_scores(outputs: "Array") -> "Array":
    """Outputs without axes of size 1, the samples' apart: N x 3 x 1 x 1 are scores of three classes."""
    if outputs.ndim < 2:
        return outputs
    rest = tuple(size for size in outputs.shape[1:] if size != 1) or (1,)
    return outputs.reshape(len(outputs), *rest)


def at_chance(outputs: "Array", labels: "Array") -> str:
    """What to check where these scores may be no better than guessing; empty where they are.

    Guessing is right in 1 of as many cases as there are classes. It may be that where Wilson's interval of
    top-1 reaches so low; also where one class is the answer to everything, whatever that is worth.
    """
    import numpy as np

    classes = outputs.shape[1]
    found = share(hits(outputs, labels, 1))
    advice = "check labels, preprocessing, range"
    if classes > 1 and found.low <= 1 / classes and found.value < 1:
        return f"top-1 {100 * found.value:.2f} % is not above chance, {100 / classes:.2f} %: {advice}"
    answers = np.unique(outputs.argmax(axis=1))
    if len(answers) == 1 and len(np.unique(labels)) > 1:
        return f"class {answers[0]} is its answer to every sample: {advice}"
    return ""


def problem(outputs: "Array", labels: "Array") -> str:
    """Why these outputs are no scores of these samples; empty when they are."""
    if outputs.ndim != 2 or len(outputs) != len(labels):
        shape = "x".join(map(str, outputs.shape))
        return f"the first output is {shape} for {len(labels)} samples: a classifier gives samples x classes"
    if labels.max() >= outputs.shape[1]:
        return f"label {labels.max()} with {outputs.shape[1]} classes: the data are of another model"
    return ""


def scored(base: Score, outputs: "Array", labels: "Array", reference: "Array | None") -> Score:
    """`base` with its shares, and with what it loses against the `reference` outputs."""
    found: dict[str, Any] = {"samples": len(labels)}
    for k in (1, 5) if outputs.shape[1] > 5 else (1,):
        right = hits(outputs, labels, k)
        found[f"top{k}"] = share(right)
        if reference is not None:
            found[f"drop_top{k}"] = drop(hits(reference, labels, k), right)
    return replace(base, **found)


def worst(losses: Sequence[LayerLoss], count: int) -> tuple[LayerLoss, ...]:
    """The layers with the lowest cosine."""
    return tuple(sorted(losses, key=lambda one: (one.cosine, one.name))[:count])
