"""What a gate is designed for: the change that counts, errors and launches that it may make."""

import math
from dataclasses import dataclass

SUITE_FALSE_ALARM = 0.005
"""Of a suite without any change: the probability that one of its cases is called slower or faster."""

CASE_FALSE_ALARM = 0.0005
"""The same of one case, and so a suite of up to ten may be judged at no more than that a case."""

MISS = 0.1
"""The bound of how often a case that changed by `change` is called unchanged; it is seldom reached."""

LEAST_PAIRS = 3
MOST_PAIRS = 40


@dataclass(frozen=True, slots=True)
class GateDesign:
    """ "No change" against a change of `change` either way, for a suite of `cases`."""

    change: float = 0.05  # that the gate is to find, as a share of the time; 0.05: 5 %
    cases: int = 1  # that are judged together
    miss: float = MISS  # probability that such a change is called none
    least_pairs: int = LEAST_PAIRS  # launches a side before anything is said
    most_pairs: int = MOST_PAIRS  # launches a side after which the rest is undecided

    def __post_init__(self) -> None:
        if not 0 < self.change < 1 or self.cases < 1 or not 0 < self.miss < 1:
            raise ValueError(f"not a design of a gate: {self}")
        if not 1 <= self.least_pairs <= self.most_pairs:
            raise ValueError(f"{self.least_pairs} to {self.most_pairs} launches a side are no range")

    @property
    def step(self) -> float:
        """The change as a difference of logarithms: of one size for slower and faster."""
        return math.log1p(self.change)

    @property
    def false_alarm(self) -> float:
        """Of one case, both directions together: Bonferroni's share of the suite's, where that is less."""
        return min(CASE_FALSE_ALARM, SUITE_FALSE_ALARM / self.cases)
