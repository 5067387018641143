"""What is said of each case after the pairs so far: outcome, change with its interval, what it lacks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from npubench.domain.gates import GateOutcome
from npubench.measure.gate.design import GateDesign
from npubench.measure.gate.fixed import MOST_LAUNCHES
from npubench.measure.gate.noise import PairNoise
from npubench.measure.gate.sequential import (
    CONFIDENCE,
    SIZES,
    Decisions,
    Numbers,
    PairSums,
    decide,
    interval,
    scale,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one case; ratios are candidate over baseline, above 1 the candidate is slower."""

    outcome: GateOutcome  # what is said
    pairs: int  # launches a side that it rests on
    ratio: float | None  # geometric mean of the pairs; None of none
    low: float | None  # of its interval, 95 % after every pair at once; None: too few pairs for one
    high: float | None  # the same
    noise: float  # standard deviation of a launch as a share, by history and pairs together
    more: int = 0  # further launches a side that an undecided case would take, if it goes on as it is


def judge(pairs: Sequence[Sequence[float]], noise: PairNoise, design: GateDesign) -> tuple[Judgement, ...]:
    """Every case, in order, by log(candidate / baseline) of its pairs.

    A change that is proven and surely smaller than half of what is asked for is a small one: it is told, and
    fails nothing. Raises ValueError where noise and cases do not agree in number.
    """
    if len(pairs) != len(noise.variance):
        raise ValueError(f"{len(pairs)} cases, and the noise of {len(noise.variance)}")
    sums = PairSums(
        np.array([float(len(one)) for one in pairs]),
        np.array([math.fsum(one) for one in pairs]),
        np.array([math.fsum(value * value for value in one) for one in pairs]),
    )
    decided = decide(sums, noise, design)
    told = interval(sums, noise, 1 - CONFIDENCE)
    proven = interval(sums, noise, design.false_alarm)
    launch = scale(sums, noise) / math.sqrt(2)
    return tuple(_one(at, sums, decided, told, proven, float(launch[at]), design) for at in range(len(pairs)))


def _one(
    at: int,
    sums: PairSums,
    decided: Decisions,
    told: tuple[Numbers, Numbers],
    proven: tuple[Numbers, Numbers],
    launch: float,
    design: GateDesign,
) -> Judgement:
    count = int(sums.count[at])
    mean = float(sums.total[at]) / count if count else None
    low, high = (_ratio(float(end[at])) for end in told)
    outcome = _outcome(at, decided, [float(end[at]) for end in proven], design)
    more = 0
    if outcome is GateOutcome.UNDECIDED:
        more = _more(mean or 0.0, count, launch, design)
    return Judgement(outcome, count, _ratio(mean), low, high, launch, more)


def _outcome(at: int, decided: Decisions, proven: Sequence[float], design: GateDesign) -> GateOutcome:
    if decided.slower[at]:
        return GateOutcome.SLOWER
    if decided.faster[at]:
        return GateOutcome.FASTER
    low, high = proven
    if (low > 0 or high < 0) and max(abs(low), abs(high)) < design.step / 2:
        return GateOutcome.SMALL
    return GateOutcome.UNCHANGED if decided.unchanged[at] else GateOutcome.UNDECIDED


def _ratio(logarithm: float | None) -> float | None:
    return math.exp(logarithm) if logarithm is not None and math.isfinite(logarithm) else None


def _more(mean: float, count: int, launch: float, design: GateDesign) -> int:
    """By the mean growth of the evidence a pair, (m c - c^2 / 2) / s^2, up to what decides (Wald, 1947)."""
    variance = 2 * launch**2
    growth = (abs(mean) * design.step - design.step**2 / 2) / variance
    wanted = math.log(2 / (design.false_alarm * SIZES[0][1])) if growth > 0 else math.log(design.miss)
    needed = wanted / growth if growth else math.inf
    return max(1, math.ceil(min(needed, MOST_LAUNCHES + 1)) - count)
