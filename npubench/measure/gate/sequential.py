"""The sequential test: evidence for a change over no change, of pairs of launches of learnt noise.

A pair is a launch of the baseline and one of the candidate, one right after the other in random order; its
figure is d = log(candidate / baseline). The model is d ~ N(m, s^2), with s^2 of a scaled inverse chi-squared
distribution that the board's history gives (`noise`): v degrees of freedom, scale q. With s^2 integrated
out, n pairs have the likelihood (Gelman et al., Bayesian Data Analysis, 3rd ed., section 3.3)

    p(d | m) proportional to (v q + sum (d_i - m)^2) ^ (-(v + n) / 2)

Evidence E is the likelihood of a change over that of none: of +c or -c, half each, for the most part, and
of 2, 4, 8 ... times that for the rest (`SIZES`), lest a change far beyond c pass for noise. Without a change
E is a martingale that begins at 1, so the probability that it ever reaches 1 / a is at most a, at whichever
pair one looks (Ville's inequality; Wald, Sequential Analysis, 1947; Ramdas et al., Game-theoretic statistics
and safe anytime-valid inference, Statistical Science 38, 2023). With a change of c the probability that its
evidence ever falls to b is at most b, for the same reason. Both hold for noise as the history has it; what
other noise does is counted on simulated boards (generated/gate.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npubench.measure.gate.design import GateDesign
from npubench.measure.gate.noise import PairNoise

Numbers = NDArray[np.float64]
CONFIDENCE = 0.95
SIZES = ((1.0, 0.75), *((2.0**power, 0.25 / 6) for power in range(1, 7)))
"""Changes that evidence is for, in multiples of the one that is asked for, and the weight of each."""

_TODAY_DEGREES = 10.0
"""A suite that is noisier today than its board's history has to show it by more than so many pairs would."""


@dataclass(frozen=True, slots=True)
class PairSums:
    """What the test needs of the pairs so far: arrays of one shape, the last axis the cases of a suite."""

    count: Numbers  # pairs
    total: Numbers  # sum of d
    squares: Numbers  # sum of d^2

    @property
    def residual(self) -> Numbers:
        """Sum of squared distances from the mean; 0 of fewer than two pairs."""
        inside = self.squares - self.total**2 / np.maximum(self.count, 1)
        return np.where(self.count >= 2, np.maximum(inside, 0.0), 0.0)


def sums_of(log_ratios: Numbers) -> PairSums:
    """The sums of pairs along the last axis."""
    count = np.full(log_ratios.shape[:-1], float(log_ratios.shape[-1]))
    return PairSums(count, log_ratios.sum(-1), (log_ratios**2).sum(-1))


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the pairs so far allow to say, an element a case."""

    slower: NDArray[np.bool_]  # a change upward is proven
    faster: NDArray[np.bool_]  # a change downward is proven
    unchanged: NDArray[np.bool_]  # a change of the size that is asked for is refuted, both ways

    @property
    def open(self) -> NDArray[np.bool_]:
        """Neither."""
        return ~(self.slower | self.faster | self.unchanged)


def noise_today(sums: PairSums, noise: PairNoise) -> Numbers:
    """The factor, at least 1, by which the suite's pairs scatter more than the board's history says.

    One for the whole suite, of the squared distances of all its cases' pairs from their means: a board that
    is busier today is so for all of them.
    """
    spare = np.maximum(sums.count - 1, 0.0).sum(-1, keepdims=True)
    excess = (sums.residual / noise.variance).sum(-1, keepdims=True)
    factor: Numbers = np.maximum(1.0, (_TODAY_DEGREES + excess) / (_TODAY_DEGREES + spare))
    return factor


def log_evidence(sums: PairSums, noise: PairNoise, change: float) -> Numbers:
    """Logarithm of the likelihood of a mean of `change` (a difference of logarithms) over that of 0."""
    base = noise.degrees * noise.variance * noise_today(sums, noise)
    shifted = sums.squares - 2 * change * sums.total + sums.count * change**2
    evidence: Numbers = (noise.degrees + sums.count) / 2 * np.log((base + sums.squares) / (base + shifted))
    return evidence


def decide(sums: PairSums, noise: PairNoise, design: GateDesign) -> Decisions:
    """Which cases are decided by the pairs so far."""
    nearest = [log_evidence(sums, noise, sign * design.step) for sign in (1, -1)]
    up, down = (
        np.logaddexp.reduce(
            [np.log(weight) + log_evidence(sums, noise, sign * size * design.step) for size, weight in SIZES]
        )
        for sign in (1, -1)
    )
    enough = sums.count >= design.least_pairs
    proven = enough & (np.logaddexp(up, down) - np.log(2) >= -np.log(design.false_alarm))
    refuted = enough & (np.maximum(*nearest) <= np.log(design.miss))
    return Decisions(proven & (up > down), proven & (up <= down), refuted & ~proven)


def interval(sums: PairSums, noise: PairNoise, error: float) -> tuple[Numbers, Numbers]:
    """The mean of d with confidence 1 - `error` after every pair at once: what pairs do not refute.

    A mean m is refuted when the evidence for means of N(m, s^2) over it reaches 1 / error: Robbins's mixture
    with the same noise (Lai, On confidence sequences, Annals of Statistics 4, 1976; Howard et al., 2021),
    solved for m. Without end both ways where there are too few pairs.
    """
    count, degrees = sums.count, noise.degrees
    inside = degrees * noise.variance * noise_today(sums, noise) + sums.residual
    spread = 1.0 + count
    reached = (np.sqrt(spread) / error) ** (2.0 / (degrees + count))
    with np.errstate(divide="ignore", invalid="ignore"):
        square = np.where(reached < spread, inside * (reached - 1) / (1 - reached / spread), np.inf)
        half = np.sqrt(square / count)
    mean = sums.total / np.maximum(count, 1)
    return mean - half, mean + half


def scale(sums: PairSums, noise: PairNoise) -> Numbers:
    """Standard deviation of one pair, by history and pairs together."""
    base = noise.degrees * noise.variance * noise_today(sums, noise)
    found: Numbers = np.sqrt((base + sums.residual) / (noise.degrees + np.maximum(sums.count - 1, 0.0)))
    return found
