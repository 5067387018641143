"""Where a figure changed over runs."""

import numpy as np
import pytest

from npubench.measure.change_points import LEAST_RUNS, change_points


def histories(count, runs, noise, seed=3, **steps):
    """Histories of this noise; `steps` are shares by which the level changes, by `atN` the run."""
    random = np.random.default_rng(seed)
    levels = np.zeros(runs)
    for at, share in steps.items():
        levels[int(at.removeprefix("at")) :] += np.log1p(share)
    return np.exp(levels + random.normal(0, noise, (count, runs)))


@pytest.mark.parametrize("runs", [10, 60, 1000])
@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_noise_alone_changes_hardly_ever(runs, noise):
    found = [change_points(one) for one in histories(400 if runs < 1000 else 100, runs, noise)]
    assert sum(map(bool, found)) <= 0.02 * len(found)


def test_a_change_is_found_where_it_is():
    found = [change_points(one) for one in histories(200, 60, 0.02, at30=0.08)]
    right = [one for one in found if len(one) == 1 and abs(one[0] - 30) <= 3]
    assert len(right) >= 0.95 * len(found)


def test_several_changes_are_found():
    found = [change_points(one) for one in histories(100, 200, 0.01, at50=0.1, at90=-0.1, at150=0.05)]
    right = [one for one in found if len(one) == 3 and np.abs(np.subtract(one, [50, 90, 150])).max() <= 3]
    assert len(right) >= 0.95 * len(found)


def test_one_odd_run_is_no_change():
    times = histories(1, 40, 0.01)[0]
    times[20] *= 3
    assert change_points(times) == []


def test_figures_without_noise_change_where_they_change():
    assert change_points(np.array([100.0] * 5 + [103.0] * 5)) == [5]
    assert change_points(np.array([100.0] * 5 + [100.5] * 5)) == []


@pytest.mark.parametrize("runs", range(2 * LEAST_RUNS))
def test_few_runs_tell_nothing(runs):
    assert change_points(np.array([100.0, 300.0] * runs)[:runs]) == []
