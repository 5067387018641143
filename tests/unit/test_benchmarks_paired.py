"""The interval that `benchmarks` say of a paired ratio."""

import math

import pytest

from benchmarks.paired import Paired, median_interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    # Ranks of the 95 % interval of a median: Conover, Practical Nonparametric Statistics, table A3 with p = 1/2.
    [(6, 1, 6), (8, 1, 8), (9, 2, 8), (11, 2, 10), (15, 4, 12), (25, 8, 18)],
)
def test_the_median_lies_between_these_ranks(count, low, high):
    assert median_interval([float(rank) for rank in range(count, 0, -1)]) == (low, high)


def test_five_rounds_are_too_few_to_bound_it():
    assert median_interval([1.0] * 5) == (0.0, math.inf)


def test_ratios_are_taken_pair_by_pair():
    paired = Paired((1.0, 20.0, 3.0), (2.0, 10.0, 3.0))
    assert paired.ratio == 1.0
    assert paired.difference_s == 0.0
