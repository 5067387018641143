"""What is known of a board's noise before a gate: from launches of earlier gates, never from rounds.

Rounds of one launch share its memory layout, its clock and its mood; only another launch shows what those do.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN_SHARE = 0.02
"""Deviation of a launch on a board without history, as a share: what boards without a fixed clock show."""

UNKNOWN_DEGREES = 3.0
BOARD_DEGREES = 4.0
"""What other cases of a board say of one case counts as so many pairs of its own: cases differ in noise."""

MOST_DEGREES = 12.0
"""However long a history is, it counts as no more: today may be another day."""

_BOARD_LEAST = 5


@dataclass(frozen=True, slots=True)
class PairNoise:
    """Variance of d = log(candidate / baseline), a case each: a scaled inverse chi-squared distribution."""

    variance: NDArray[np.float64]  # scale: of one pair, so twice that of a launch
    degrees: NDArray[np.float64]  # degrees of freedom: how many pairs that knowledge is worth


@dataclass(frozen=True, slots=True)
class Scatter:
    """How far pairs of one gate were from their mean: what changed between the sides is not in it."""

    squares: float = 0.0  # sum of squared distances of log(candidate / baseline)
    pairs: int = 0  # that could differ: one fewer than there were

    def __add__(self, other: "Scatter") -> "Scatter":
        return Scatter(self.squares + other.squares, self.pairs + other.pairs)


def scatter_of(log_ratios: Sequence[float]) -> Scatter:
    """Of the pairs of one case in one gate."""
    if len(log_ratios) < 2:
        return Scatter()
    found = np.asarray(log_ratios, dtype=np.float64)
    return Scatter(float(((found - found.mean()) ** 2).sum()), len(found) - 1)


def learn(cases: Sequence[str], history: Mapping[str, Iterable[Scatter]]) -> PairNoise:
    """The noise of each of `cases`, in their order, from scatters of the board by case.

    A case's own launches count most; where they are few, the median case of the board stands in, and
    where there is none, what is assumed of a board that nobody knows.
    """
    own = {case: sum(found, Scatter()) for case, found in history.items()}
    known = [one.squares / one.pairs for one in own.values() if one.pairs]
    if sum(one.pairs for one in own.values()) >= _BOARD_LEAST:
        # The noisier half of the cases decides: one that is not known may be of them.
        base, weight = float(np.quantile(known, 0.75)), BOARD_DEGREES
    else:
        base, weight = 2 * UNKNOWN_SHARE**2, UNKNOWN_DEGREES
    scatters = [own.get(case, Scatter()) for case in cases]
    squares = np.array([one.squares for one in scatters])
    pairs = np.array([float(one.pairs) for one in scatters])
    # Times to the last digit alike, as of a board that rounds, would make any change a proof.
    variance = np.maximum((weight * base + squares) / (weight + pairs), 1e-10)
    return PairNoise(variance, np.minimum(weight + pairs, MOST_DEGREES))
