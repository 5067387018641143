"""A graph asked of a board's calibration: a figure with its band, or what of it was never timed there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from npubench.domain.errors import UsageError
from npubench.domain.text import counted as count_of
from npubench.predict.answer import Answer, Basis, LackingOperator, Prediction, Refusal, RefusalKind
from npubench.predict.calibration import BoardModel
from npubench.predict.costs import CostModel, classes_of, shares_of
from npubench.predict.designs import Work
from npubench.predict.fitting import Correction, correct, rest_of
from npubench.predict.kernels import CONVOLUTIONS, Kernel, counted

if TYPE_CHECKING:
    import numpy as np

    from npubench.predict.calibration import Seen

NORMAL_95 = 1.6448536269514722
"""Standard deviations on either side of a band that holds nine of ten (the normal distribution's 95 %)."""

ALIKE = 0.6
"""Likeness from which networks count as one family: compositions nearer than the design's length."""

US_PER_MS = 1e3


@dataclass(frozen=True, slots=True)
class Asked:
    """A graph, and what would settle it where there is no figure."""

    name: str
    kernels: tuple[Kernel, ...]
    command: str = ""
    compiler_us: float | None = None  # what the simulator of the board's compiler says, which the model knows


def ask(model: BoardModel, asked: Asked) -> Answer:
    """Predict the time of a graph. Raises UsageError for a graph without kernels."""
    if not asked.kernels:
        raise UsageError(f"{asked.name}: nothing in the graph takes time: there is nothing to predict")
    design, target = model.design, model.design.targets[-1]
    costs = CostModel(design, classes_of(design, [asked.kernels]), model.weight_bytes)
    lacking = lacking_in(model, asked.kernels, costs)
    unseen = sum(one.share for one in lacking)
    if unseen > design.tolerated:
        return _refusal(lacking, unseen, asked.command)
    import numpy as np

    spent = costs.spent(
        costs.terms([counted(asked.kernels)]), _prices(model, costs), np.array([len(design.targets) - 1])
    )
    parts = costs.parts(spent)
    rest = rest_of(design, asked.name, target, asked.kernels, model.weight_bytes)
    correction = correct(design, model.rests, rest)
    shares = shares_of(parts)
    # What a launch costs is hardly known from networks, in which it is next to nothing.
    of_launch = shares.fixed * design.launch.spread
    deviation = math.hypot(correction.deviation, unseen * design.spreads.unseen, of_launch)
    value = float(parts.total[0]) * math.exp(correction.mean) / US_PER_MS
    spread = math.exp(NORMAL_95 * deviation)
    same = rest.kernels_sha256, target
    known = [one.name for one in model.rests if (one.kernels_sha256, one.target) == same]
    basis = _basis(asked, known, correction)
    return Prediction(
        value=value,
        low=value / spread,
        high=value * spread,
        unit="ms",
        metric="latency",
        basis=basis,
        rests_on=tuple(_rests_on(model, known, correction, lacking)),
        costs=shares,
        data_sha256=model.data_sha256,
    )


def lacking_in(model: BoardModel, kernels: Sequence[Kernel], costs: CostModel) -> tuple[LackingOperator, ...]:
    """What of a graph was never timed on the board, by its share of the time, the greatest first.

    Shares are those of the sum of costs; what has no price there has the one that the design thinks of.
    """
    import numpy as np

    named: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        if why := _unseen(model, kernel):
            named.setdefault(why, []).append(kernel)
    if not named:
        return ()
    groups = [list(kernels), *named.values()]
    targets = np.full(len(groups), len(model.design.targets) - 1)
    parts = costs.parts(
        costs.spent(costs.terms([counted(group) for group in groups]), _prices(model, costs), targets)
    )
    times = parts.compute + parts.memory
    total = float(times[0]) or 1.0
    found = (LackingOperator(name, float(time) / total) for name, time in zip(named, times[1:], strict=True))
    return tuple(sorted(found, key=lambda one: (-one.share, one.operator)))


def _unseen(model: BoardModel, kernel: Kernel) -> str:
    """Why a kernel's price is not known there; empty where it is."""
    design = model.design
    cost = design.class_of(kernel)
    seen: Seen | None = model.seen.get(cost.name)
    if seen is None:
        return cost.name
    if kernel.dilation > seen.dilation:
        return f"{cost.name}, dilation {kernel.dilation}"
    if kernel.operator in CONVOLUTIONS and not seen.taps[0] <= kernel.taps <= seen.taps[-1]:
        return f"{cost.name}, {kernel.taps} taps"
    work = design.work_of(kernel, cost.work)
    if work > design.reach * seen.most_work:
        unit = "elements" if cost.work is Work.ELEMENTS else "MACs"
        return f"{cost.name}, {work / seen.most_work:.0f} x the {unit} of the largest seen"
    return ""


def _prices(model: BoardModel, costs: CostModel) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    import numpy as np

    known: Mapping[str, float] = model.prices
    return np.array([known.get(name, costs.prior[name].median) for name in costs.names])


def _refusal(lacking: Sequence[LackingOperator], unseen: float, command: str) -> Refusal:
    named = ", ".join(f"{one.operator} ({_percent(one.share)})" for one in lacking)
    reason = f"{_percent(unseen)} of its time would go to what was never timed there: {named}"
    return Refusal(RefusalKind.OPERATORS, reason, tuple(lacking), command)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "less than 1 %"


def _basis(asked: Asked, known: Sequence[str], correction: Correction) -> Basis:
    if known:
        return Basis.KNOWN_NETWORK
    if asked.compiler_us is not None:
        return Basis.COMPILER
    return Basis.KNOWN_FAMILY if correction.likeness >= ALIKE else Basis.SEEN_OPERATORS


def _rests_on(
    model: BoardModel, known: Sequence[str], correction: Correction, lacking: Sequence[LackingOperator]
) -> "list[str]":
    told = [f"the very graph was timed there: {', '.join(known)}"] if known else []
    behind = count_of(len(model.networks), "network")
    if model.operators:
        behind = f"{count_of(model.operators, 'operator')} and {behind}"
    told.append(
        f"{behind} timed there in {model.precision}; likeness to the nearest {correction.likeness:.2f}"
    )
    if lacking:
        named = ", ".join(one.operator for one in lacking)
        told.append(
            f"{_percent(sum(one.share for one in lacking))} of the time goes to what was not: {named}"
        )
    return told


def with_hash(answer: Answer, calibration_sha256: str) -> Answer:
    """The same answer with the calibration that gave it."""
    if isinstance(answer, Prediction):
        return replace(answer, calibration_sha256=calibration_sha256)
    return answer
