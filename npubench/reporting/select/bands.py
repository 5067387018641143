"""How sure a sum of times is: log-normal quantities, their sums, and the chance to stay below a limit.

A time with a band is taken for log-normal: its logarithm is normal around that of the median, and a 90 % band
is as wide to either side. Times without a band are constants.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

NORMAL = NormalDist()
Z90 = NORMAL.inv_cdf(0.95)
"""Standard deviations from the median to either end of a 90 % band."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A positive quantity: its median, and the standard deviation of its logarithm."""

    median: float  # in any unit
    sigma: float = 0.0  # of the natural logarithm; 0: a constant
    shared: bool = False  # its error has a cause in common with those of all others that share it

    def times(self, factor: float) -> "Uncertain":
        """The same, multiplied by a constant above 0."""
        return Uncertain(self.median * factor, self.sigma, self.shared)

    @property
    def band(self) -> tuple[float, float]:
        """Ends of the 90 % band."""
        return self.median * math.exp(-Z90 * self.sigma), self.median * math.exp(Z90 * self.sigma)


def sigma_of(low: float, high: float) -> float:
    """The deviation of the logarithm that a 90 % band from `low` to `high` stands for; both above 0."""
    return math.log(high / low) / (2 * Z90)


def total(parts: Sequence[Uncertain]) -> Uncertain:
    """The sum as a log-normal of the same mean and variance (Fenton 1960; Wilkinson), constants added.

    With m_i = median_i exp(s_i^2 / 2) the mean is M = sum m_i, the variance
    V = sum_ij m_i m_j (exp(r_ij s_i s_j) - 1), with r_ij = 1 for i = j and for two that share a cause, else
    0; then sigma^2 = ln(1 + V / M^2) and median = M exp(-sigma^2 / 2). Errors in common do not average out:
    predictions of one chip, which share its column, never make a sum surer than they are themselves.
    The median of a sum with constants is theirs and that of the others together; its sigma is of the whole.
    """
    fixed = sum(part.median for part in parts if part.sigma == 0)
    loose = [part for part in parts if part.sigma > 0]
    if not loose:
        return Uncertain(fixed)
    means = [part.median * math.exp(part.sigma**2 / 2) for part in loose]
    mean = sum(means)
    variance = sum(
        means[i] * means[j] * math.expm1(_correlation(i, j, one, other) * one.sigma * other.sigma)
        for i, one in enumerate(loose)
        for j, other in enumerate(loose)
    )
    squared = math.log1p(variance / mean**2)
    median = mean * math.exp(-squared / 2)
    shared = any(part.shared for part in loose)
    if fixed == 0:
        return Uncertain(median, math.sqrt(squared), shared)
    whole = mean + fixed
    return Uncertain(fixed + median, math.sqrt(math.log1p(variance / whole**2)), shared)


def _correlation(i: int, j: int, one: Uncertain, other: Uncertain) -> float:
    return 1.0 if i == j or (one.shared and other.shared) else 0.0


def chance_within(parts: Sequence[Uncertain], limit: float) -> float:
    """The probability that the sum is at most `limit`; 0 or 1 where all are constants.

    Constants are taken from the limit first, so that the sum of constants and one log-normal is exact.
    """
    left = limit - sum(part.median for part in parts if part.sigma == 0)
    loose = total([part for part in parts if part.sigma > 0])
    if loose.sigma == 0 or left <= 0:
        return 1.0 if left >= loose.median and left >= 0 else 0.0
    return NORMAL.cdf(math.log(left / loose.median) / loose.sigma)
