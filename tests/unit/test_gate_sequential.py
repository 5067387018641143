"""The gate's test: its evidence, its interval, what it learns of a board, and what it says of cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import chi2, norm

from npubench.domain.gates import GateOutcome
from npubench.measure.gate.design import CASE_FALSE_ALARM, GateDesign
from npubench.measure.gate.fixed import MOST_LAUNCHES, chance_of, launches_needed
from npubench.measure.gate.judge import judge
from npubench.measure.gate.noise import MOST_DEGREES, UNKNOWN_SHARE, PairNoise, Scatter, learn, scatter_of
from npubench.measure.gate.sequential import (
    PairSums,
    decide,
    interval,
    log_evidence,
    noise_today,
    sums_of,
)

STEP = math.log1p(0.05)


def known(*shares: float, degrees: float = 12.0) -> PairNoise:
    """Noise of launches with these deviations."""
    return PairNoise(2 * np.array(shares) ** 2, np.full(len(shares), degrees))


def pairs_of(change: float, spread: float, count: int) -> list[float]:
    """Pairs with exactly this mean, alternating around it."""
    return [math.log1p(change) + (spread if at % 2 else -spread) for at in range(count)]


def test_the_evidence_is_the_ratio_of_likelihoods_with_the_noise_integrated_out():
    found, degrees, variance = [0.03, 0.08, 0.01], 7.0, 0.0016
    noise = PairNoise(np.array([variance]), np.array([degrees]))

    def likelihood(mean: float) -> float:
        def with_noise(precision: float) -> float:
            deviation = 1 / math.sqrt(precision)
            # v q / s^2 is chi-squared with v degrees of freedom.
            prior = chi2.pdf(degrees * variance * precision, degrees) * degrees * variance
            return prior * math.prod(norm.pdf(one, mean, deviation) for one in found)

        return integrate.quad(with_noise, 0, 50 / variance, limit=500, points=[1 / variance])[0]

    wanted = math.log(likelihood(STEP) / likelihood(0.0))
    assert noise_today(sums_of(np.array([found])), noise)[0] == 1.0
    assert log_evidence(sums_of(np.array([found])), noise, STEP)[0] == pytest.approx(wanted, rel=1e-6)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=30), st.floats(0.002, 0.1))
def test_slower_and_faster_are_judged_alike(pairs, share):
    noise = known(share)
    (up,), (down,) = (judge([[sign * one for one in pairs]], noise, GateDesign()) for sign in (1, -1))
    opposite = {GateOutcome.SLOWER: GateOutcome.FASTER, GateOutcome.FASTER: GateOutcome.SLOWER}
    assert down.outcome is opposite.get(up.outcome, up.outcome)
    assert down.ratio == pytest.approx(1 / up.ratio)
    assert down.more == up.more


def test_a_clear_change_is_found_and_so_is_that_there_is_none():
    design = GateDesign(cases=4)
    found = judge(
        [
            pairs_of(0.05, 0.01, 6),
            pairs_of(-0.05, 0.01, 6),
            pairs_of(0.0, 0.01, 6),
            pairs_of(0.0256, 0.01, 6),
        ],
        known(*[0.01] * 4),
        design,
    )
    wanted = [GateOutcome.SLOWER, GateOutcome.FASTER, GateOutcome.UNCHANGED, GateOutcome.UNDECIDED]
    assert [one.outcome for one in found] == wanted
    assert found[0].ratio == pytest.approx(1.05)
    assert found[0].low < 1.05 < found[0].high
    assert [one.more > 0 for one in found] == [False, False, False, True]


def test_a_change_below_half_of_what_is_asked_for_is_told_and_fails_nothing():
    (found,) = judge([pairs_of(0.012, 0.002, 30)], known(0.002), GateDesign())
    assert found.outcome is GateOutcome.SMALL
    assert 1.0 < found.low < 1.012 < found.high < 1.025


@pytest.mark.parametrize("count", [0, 1, 2])
def test_nothing_is_decided_by_fewer_than_three_pairs(count):
    (found,) = judge([[0.3] * count], known(0.001), GateDesign())
    assert found.outcome is GateOutcome.UNDECIDED
    assert found.pairs == count


def test_one_outlier_does_not_fail_a_case():
    (found,) = judge([[0.0, 0.6, 0.0, 0.001, -0.001]], known(0.02), GateDesign())
    assert found.outcome is not GateOutcome.SLOWER


def test_many_cases_share_the_false_alarms_of_a_suite():
    assert GateDesign(cases=10).false_alarm == CASE_FALSE_ALARM == GateDesign().false_alarm
    assert GateDesign(cases=100).false_alarm == pytest.approx(CASE_FALSE_ALARM / 10)


def test_a_suite_that_is_noisier_than_its_history_is_judged_by_what_it_shows():
    noise = known(*[0.005] * 10)
    quiet = PairSums(np.full(10, 5.0), np.zeros(10), np.full(10, 4 * 2 * 0.005**2))
    busy = PairSums(quiet.count, quiet.total, 16 * quiet.squares)
    assert noise_today(quiet, noise)[0] == pytest.approx(1.0)
    assert noise_today(busy, noise)[0] > 10
    changed = PairSums(quiet.count, np.full(10, 5 * STEP), quiet.squares + 5 * STEP**2)
    assert decide(changed, noise, GateDesign()).slower.all()
    # The change of all cases is their mean, no noise.
    assert noise_today(changed, noise)[0] == pytest.approx(1.0)


def test_the_interval_holds_the_truth_after_every_pair_at_once():
    random = np.random.default_rng(7)
    suites, most = 2_000, 25
    pairs = random.normal(0.01, 0.02 * math.sqrt(2), (suites, 1, most))
    noise = PairNoise(np.full((suites, 1), 2 * 0.02**2), np.full((suites, 1), 12.0))
    missed = np.zeros(suites, bool)
    for count in range(1, most + 1):
        low, high = interval(sums_of(pairs[..., :count]), noise, 0.05)
        missed |= ((low > 0.01) | (high < 0.01))[:, 0]
    assert missed.mean() <= 0.05


@given(st.integers(0, 3))
def test_too_few_pairs_bound_nothing_where_nothing_is_known(count):
    noise = PairNoise(np.array([0.001]), np.array([0.5]))
    (found,) = judge([[0.01] * count], noise, GateDesign())
    if count == 0:
        assert (found.ratio, found.low, found.high) == (None, None, None)
    assert found.outcome in (GateOutcome.UNDECIDED, GateOutcome.UNCHANGED)


def test_a_board_that_nobody_knows_is_taken_for_a_usual_one():
    found = learn(["a", "b"], {})
    assert found.variance == pytest.approx([2 * UNKNOWN_SHARE**2] * 2)
    assert (found.degrees < 5).all()


def test_a_case_is_known_by_its_own_pairs_first():
    history = {"quiet": [Scatter(30 * 1e-6, 30)], "noisy": [Scatter(30 * 1e-3, 30)]}
    found = learn(["quiet", "noisy", "new"], history)
    assert found.variance[0] < found.variance[2] < found.variance[1]
    assert found.degrees[0] == found.degrees[1] == MOST_DEGREES
    assert found.degrees[2] < MOST_DEGREES


def test_what_changed_between_the_sides_is_no_noise():
    assert scatter_of(pairs_of(0.5, 0.01, 4)).squares == pytest.approx(4 * 0.01**2)
    assert scatter_of([0.1]) == scatter_of([]) == Scatter()


def test_times_that_agree_to_the_last_digit_prove_nothing_by_that():
    noise = learn(["a"], {"a": [Scatter(0.0, 50)]})
    (found,) = judge([[1e-7] * 3], noise, GateDesign())
    assert found.outcome is GateOutcome.UNCHANGED


def test_how_many_launches_a_fixed_design_takes():
    # (3.4808 + 1.6449) * 2 % * sqrt(2) / log(1.05), squared: 8.83.
    assert launches_needed(0.02, 0.05, 0.0005, 0.95) == 9
    assert launches_needed(0.0, 0.05, 0.0005, 0.95) == 2
    assert launches_needed(3.0, 0.05, 0.0005, 0.95) == MOST_LAUNCHES + 1


def test_how_likely_a_ratio_is_without_a_change():
    assert chance_of(math.exp(1.96 * math.sqrt(2) * 0.02), 0.02) == pytest.approx(0.05, abs=0.0005)
    assert chance_of(1 / 1.1, 0.02) == pytest.approx(chance_of(1.1, 0.02))
    assert (chance_of(1.1, 0.0), chance_of(1.0, 0.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    "asked", [{"change": 0.0}, {"change": 1.0}, {"cases": 0}, {"least_pairs": 9, "most_pairs": 8}]
)
def test_a_design_that_is_none_is_refused(asked):
    with pytest.raises(ValueError, match=r"design|range"):
        GateDesign(**asked)


def test_noise_of_other_cases_is_refused():
    with pytest.raises(ValueError, match="2 cases"):
        judge([[], []], known(0.02), GateDesign())
