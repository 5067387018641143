import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.compare.statistics import (
    Interval,
    geometric_mean,
    rank_correlation,
    ratio_of_medians,
)

ROUNDS = st.lists(st.floats(1.0, 1e6), min_size=2, max_size=8)


@given(ROUNDS, ROUNDS)
def test_the_interval_holds_the_ratio_and_lies_within_the_extremes(before, after):
    found = ratio_of_medians(before, after)
    assert found.value == pytest.approx(statistics.median(after) / statistics.median(before))
    assert found.low <= found.value * (1 + 1e-12)
    assert found.high >= found.value * (1 - 1e-12)
    assert min(after) / max(before) <= found.low * (1 + 1e-12)
    assert found.high <= max(after) / min(before) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1.0, 2.0, 4.0], [1.0, 3.0, 9.0, 27.0]),
        ([1.0, 1.0, 2.0], [3.0, 5.0]),
        ([2.0, 3.0], [2.0, 3.0, 5.0, 7.0]),
    ],
)
def test_the_interval_is_that_of_all_resamples(before, after):
    one, other = (
        [statistics.median(picked) for picked in itertools.product(rounds, repeat=len(rounds))]
        for rounds in (before, after)
    )
    ratios = sorted(b / a for a in one for b in other)
    found = ratio_of_medians(before, after)
    assert found.low == pytest.approx(ratios[math.ceil(0.025 * len(ratios)) - 1])
    assert found.high == pytest.approx(ratios[math.ceil(0.975 * len(ratios)) - 1])
    assert "all resamples" in found.method


def test_rounds_that_agree_give_a_narrow_interval():
    found = ratio_of_medians([100.0, 101.0, 100.5], [120.0, 121.0, 120.4])
    assert 1.18 < found.low < found.value < found.high < 1.22
    assert found.method == "bootstrap over rounds (3 and 3; all resamples), 95 %"


def test_many_rounds_are_drawn_and_drawn_alike_each_time():
    before, after = [100.0 + i % 7 for i in range(30)], [100.0 + i % 5 for i in range(30)]
    assert ratio_of_medians(before, after) == ratio_of_medians(before, after)
    assert "10000 draws, seed 0" in ratio_of_medians(before, after).method


def test_one_round_has_no_interval():
    with pytest.raises(ValueError, match="two rounds"):
        ratio_of_medians([1.0], [1.0, 2.0])


def test_geometric_mean():
    found = geometric_mean([0.5, 2.0, 1.0])
    assert isinstance(found, Interval)
    assert found.value == pytest.approx(1.0)
    # 27 resamples of three logs: the lowest 2.5 % hold those that are 1/2 three times.
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(2.0))
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([]) is None


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [10, 200, 3000]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # Spearman's rho with ties, by hand: ranks 1 2.5 2.5 4 and 1 2 3 4.
    assert rank_correlation([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
