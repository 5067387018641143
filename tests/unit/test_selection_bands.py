"""Sums of uncertain times, worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.select.bands import Uncertain, chance_within, sigma_of, total


def test_a_band_says_how_far_the_logarithm_strays():
    # ln(20 / 5) = 1.386 is 2 x 1.6449 standard deviations wide.
    assert sigma_of(5.0, 20.0) == pytest.approx(math.log(4) / 3.289707)
    assert Uncertain(10.0, sigma_of(5.0, 20.0)).band == pytest.approx((5.0, 20.0))


def test_constants_add_up_and_their_sum_is_within_its_limit_or_not():
    parts = [Uncertain(0.4), Uncertain(0.08)]
    assert (total(parts).median, total(parts).sigma) == (pytest.approx(0.48), 0.0)
    assert (chance_within(parts, 0.481), chance_within(parts, 0.479)) == (1.0, 0.0)


def test_one_uncertain_time_and_a_constant_are_exact():
    # 0.9 - 0.4 = 0.5 is e^0.2 = 1.2214 of 0.40937: one sigma above the median, Phi(1) = 0.8413.
    assert chance_within([Uncertain(0.4), Uncertain(0.5 / math.exp(0.2), 0.2)], 0.9) == pytest.approx(
        0.841345, abs=1e-6
    )
    assert chance_within([Uncertain(1.0, 0.3)], 1.0) == pytest.approx(0.5)
    assert chance_within([Uncertain(1.0), Uncertain(0.1, 0.3)], 1.0) == 0.0


def test_a_sum_has_the_mean_and_the_variance_of_its_parts():
    # Two of median 1 and sigma 0.5: mean e^0.125 = 1.13315 each, variance m^2 (e^0.25 - 1) = 0.36470 each.
    found = total([Uncertain(1.0, 0.5), Uncertain(1.0, 0.5)])
    sigma = math.sqrt(math.log(1 + 2 * 0.364697 / (2 * 1.133148) ** 2))
    assert found.sigma == pytest.approx(sigma, abs=1e-5)
    assert found.median == pytest.approx(2 * 1.133148 * math.exp(-(sigma**2) / 2), abs=1e-5)


def test_errors_in_common_do_not_average_out():
    one = Uncertain(1.0, 0.5, shared=True)
    assert total([one, one]).sigma == pytest.approx(0.5)
    assert total([one, one]).median == pytest.approx(2.0)
    assert total([Uncertain(1.0, 0.5), Uncertain(1.0, 0.5)]).sigma < 0.4


@given(st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(0, 1), st.booleans()), min_size=1, max_size=5))
def test_a_larger_limit_is_never_less_likely(parts):
    sums = [Uncertain(*one) for one in parts]
    chances = [chance_within(sums, limit) for limit in (0.0, 0.1, 1.0, 10.0, 1e4)]
    assert chances == sorted(chances)
    assert all(0 <= one <= 1 for one in chances)
