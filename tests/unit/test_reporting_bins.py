"""Bins of histograms: numpy's rule, and the bin of what lies too far out."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.charts.bins import MOST, OVERFLOW_LEAST, OVERFLOW_SHARE, Overflow, bins_of

TIMES = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=60)


def bell(count, middle=14_800.0, width=90.0, seed=1):
    source = random.Random(seed)
    return [source.gauss(middle, width) for _ in range(count)]


@given(TIMES)
def test_every_time_is_in_a_bin_or_beyond_an_end(times):
    found = bins_of(times)
    beyond = [one for one in (found.below, found.above) if one]
    assert sum(found.counts) + sum(one.count for one in beyond) == len(times)
    assert len(found.edges) == len(found.counts) + 1 <= MOST + 1
    assert list(found.edges) == sorted(found.edges)
    assert all(one.count <= max(OVERFLOW_LEAST, OVERFLOW_SHARE * len(times)) for one in beyond)
    if found.above:
        assert found.above.farthest == max(times) > found.edges[-1]
    if found.below:
        assert found.below.farthest == min(times) < found.edges[0]


@pytest.mark.parametrize("far", [83_000.0, 1e9])
def test_an_outlier_leaves_the_rest_its_bins(far):
    times = bell(300)
    found = bins_of([*times, far])
    assert (found.above, found.below) == (Overflow(1, far), None)
    assert found == bins_of(times).__class__(
        **{f: getattr(bins_of(times), f) for f in ("edges", "counts")}, above=found.above
    )


def test_outliers_of_both_ends_are_told_apart():
    found = bins_of([0.1, 0.2, *bell(300, 20.0, 0.4), *(9000.0 + i for i in range(12))])
    assert (found.below, found.above) == (Overflow(2, 0.1), Overflow(12, 9011.0))
    assert len(found.counts) > 8


def test_bins_are_as_wide_as_numpy_makes_them():
    times = bell(1000)
    found = bins_of(times)
    assert found.edges == pytest.approx(np.histogram_bin_edges(times, "auto"))
    assert found.counts == tuple(np.histogram(times, "auto")[0])


def test_many_samples_have_no_more_bins_than_an_eye_can_tell_apart():
    assert len(np.histogram_bin_edges(bell(100_000), "auto")) > MOST
    assert len(bins_of(bell(100_000)).counts) == MOST


def test_two_modes_both_stay_on_the_axis_however_few_the_second_has():
    for first, second in ((200, 200), (320, 80), (360, 40)):
        found = bins_of([*bell(first, 100.0, 1.0), *bell(second, 200.0, 1.0)])
        assert (found.below, found.above) == (None, None)
        assert found.edges[0] < 103
        assert found.edges[-1] > 197
        assert found.counts.count(0) > len(found.counts) / 3


def test_an_outlier_of_two_modes_squeezes_neither():
    found = bins_of([*bell(80, 10.0, 0.1), *bell(20, 20.0, 0.1), 83_000.0])
    assert found.above == Overflow(1, 83_000.0)
    assert found.edges[-1] < 21


def test_times_of_a_coarse_clock_have_a_bin_a_value():
    found = bins_of([10.0] * 90 + [11.0] * 20 + [13.0] * 3)
    assert found.edges == (9.5, 10.5, 11.5, 12.5, 13.5)
    assert found.counts == (90, 20, 0, 3)


@pytest.mark.parametrize("times", [[900.0], [900.0] * 60, [900.0] * 60 + [900.0000000001]])
def test_what_does_not_spread_is_one_bin_around_its_value(times):
    found = bins_of(times)
    assert found.counts == (len(times),)
    assert found.edges == pytest.approx((895.5, 904.5))


def test_constant_times_with_an_outlier():
    found = bins_of([900.0] * 60 + [83_000.0])
    assert (found.counts, found.above) == ((60,), Overflow(1, 83_000.0))


def test_a_wide_shape_is_binned_by_its_logarithms():
    times = [float(np.exp(x)) for x in bell(500, 7.0, 2.0)]
    found = bins_of(times)
    assert found.logarithmic
    steps = np.diff(np.log10(found.edges))
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert max(found.counts) < 200


def test_a_range_of_ever_so_many_widths_makes_no_more_bins():
    assert (
        len(bins_of([1 + i * 1e-12 for i in range(40)] + [2.0 + i * 1e-3 for i in range(10)]).counts) <= MOST
    )


def test_without_times_there_are_none():
    with pytest.raises(ValueError, match="no times"):
        bins_of([])
