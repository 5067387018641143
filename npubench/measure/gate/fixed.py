"""Designs of a fixed number of launches: what stored runs lack, and a yardstick of the gate."""

import math

from scipy.stats import norm

MOST_LAUNCHES = 1_000
"""More launches than anybody makes: a noise that asks for them is told as `more than` this."""


def launches_needed(share: float, change: float, false_alarm: float, power: float) -> int:
    """Launches a side with which a change is found, where the deviation of a launch is known to be `share`.

    The two-sided normal test of a mean of pairs: n = ((z of 1 - a/2 + z of the power) s / c)^2, with s^2
    twice the variance of a launch (Montgomery, Design and Analysis of Experiments, ch. 2). At least 2; at
    most `MOST_LAUNCHES` + 1, which means more than that.
    """
    distance = float(norm.isf(false_alarm / 2) + norm.ppf(power))
    needed = (distance * math.sqrt(2) * share / math.log1p(change)) ** 2
    return min(max(2, math.ceil(needed)), MOST_LAUNCHES + 1)


def chance_of(ratio: float, share: float) -> float:
    """Probability of a ratio this far from 1 and further, of one launch a side and no change."""
    if share <= 0:
        return 0.0 if ratio != 1 else 1.0
    return float(2 * norm.sf(abs(math.log(ratio)) / (math.sqrt(2) * share)))
