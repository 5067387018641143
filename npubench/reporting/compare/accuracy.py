"""The accuracies of two rows, or of two evaluations, that may be compared: of one kind and one measure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from npubench.domain.figures import Figures
from npubench.domain.records import Result
from npubench.reporting.compare.timing import figures_by_kind, of_both
from npubench.reporting.data.accuracy import LEAST_SLICE, WRONG

DEFAULT_FALL = 0.01
COSINE, SLICE, TOP1 = "cosine", "worst slice", "top-1"
UNPAIRED = "Newcombe 1998, 95 %"
PAIRED = "against FP32 on the same samples, 95 %"


@dataclass(frozen=True, slots=True)
class AccuracyChange:
    """Both accuracies and what bounds their difference."""

    kind: str  # of both figures
    measure: str  # cosine, worst slice or top-1
    before: float  # in A, -1..1 or a share
    after: float  # in B
    low: float | None = None  # of before - after with 95 % confidence; None: not known
    high: float | None = None  # the same
    method: str = ""  # how the interval was found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `npubench accuracy` said of one prepared model: top-1 with its interval, and the drop of it."""

    case: str  # name
    board: str  # name
    backend: str  # name
    precision: str  # value
    kind: str  # of the outputs
    value: float  # top-1, 0..1
    low: float  # of its 95 % interval
    high: float  # the same
    lost: float | None  # low end of the drop against FP32 on the same samples; None: not compared
    samples: int  # how many were evaluated


def accuracy_changes(before: Result, after: Result) -> Iterator[AccuracyChange]:
    """Cosines of each kind that both rows have, of whole outputs and of their worst slices.

    Outputs of one number throughout where FP32's differ have a cosine of 0. A worst slice counts only where
    it is low in B: of two that are near 1 it says little which is the nearer.
    """
    for kind, *figures in of_both(before, after):
        for measure, told in ((COSINE, cosine_of), (SLICE, _slice)):
            one, other = map(told, figures)
            if one is None or other is None or (measure == SLICE and min(one, other) >= LEAST_SLICE):
                continue
            yield AccuracyChange(kind, measure, one, other)


def cosine_of(figures: Figures) -> float | None:
    """The cosine of figures, 0 of wrong outputs; None where there is none."""
    if figures.no_accuracy in WRONG:
        return 0.0
    found = figures.accuracy
    if found is not None and found.cosine is None and found.equal is None and found.psnr_db is not None:
        return 0.0
    return found.cosine if found else None


def without_cosine(before: Result, after: Result) -> str | None:
    """A or B, where that row alone of two of one precision has no cosine: nothing says whether it fell."""
    if before.precision is not after.precision:
        return None
    known = [
        any(cosine_of(one) is not None for one in figures_by_kind(row).values()) for row in (before, after)
    ]
    return None if known[0] == known[1] else "AB"[known.index(False)]


def _slice(figures: Figures) -> float | None:
    worst = figures.accuracy.worst_slice if figures.accuracy else None
    return worst.cosine if worst else None


def top1_change(before: Evaluation, after: Evaluation) -> AccuracyChange:
    """Both top-1 with the interval of their difference, of samples that are not known to be the same.

    Where B lost against FP32 and A did not, on each one's own samples, the drop is sure as well.
    """
    low, high = _difference(before, after)
    if low <= 0 < (after.lost or 0.0) and (before.lost or 0.0) <= 0 and after.value < before.value:
        return AccuracyChange(before.kind, TOP1, before.value, after.value, after.lost, high, PAIRED)
    return AccuracyChange(before.kind, TOP1, before.value, after.value, low, high, UNPAIRED)


def _difference(before: Evaluation, after: Evaluation) -> tuple[float, float]:
    """Newcombe, Statistics in Medicine 17, 1998, method 10: from Wilson's intervals of both shares."""
    fall = before.value - after.value
    down = math.hypot(before.value - before.low, after.high - after.value)
    up = math.hypot(before.high - before.value, after.value - after.low)
    return fall - down, fall + up


def evaluation_of(told: Mapping[str, Any]) -> Evaluation | None:
    """An entry of accuracy.json; None of one without a top-1, or of an emulated board."""
    top1, drop = told.get("top1"), told.get("drop_top1")
    if not top1 or told.get("emulated"):
        return None
    names = ("case", "board", "backend", "precision", "kind")
    known: dict[str, Any] = {name: str(told[name]) for name in names}
    known |= {name: float(top1[name]) for name in ("value", "low", "high")}
    return Evaluation(**known, lost=float(drop["low"]) if drop else None, samples=int(told["samples"]))
