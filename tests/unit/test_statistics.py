import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.measure import onnx_session
from npubench.measure.statistics import latency, least_samples

TIMES = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=300)


@pytest.mark.parametrize(("percentile", "count"), [(50, 11), (90, 64), (95, 130), (97, 219), (99, 662)])
def test_a_percentile_needs_the_samples_that_mlperf_asks(percentile, count):
    assert least_samples(percentile) == count


@pytest.mark.parametrize(
    ("n", "p50", "p90", "p99"), [(10, 0, 0, 0), (11, 1, 0, 0), (64, 1, 1, 0), (662, 1, 1, 1)]
)
def test_percentiles_without_enough_samples_are_not_there(n, p50, p90, p99):
    found = latency([[float(i) for i in range(n)]])
    assert [found.p50 is not None, found.p90 is not None, found.p99 is not None] == [p50, p90, p99]
    assert found.n == n


def test_percentiles_are_nearest_ranks():
    found = latency([[float(i) for i in range(1, 1001)]])
    assert (found.p50, found.p90, found.p99) == (500.5, 900.0, 990.0)
    assert (found.min, found.max, found.mean) == (1.0, 1000.0, 500.5)


def test_a_rank_between_two_runs_is_the_higher_one():
    assert latency([[float(i) for i in range(1, 102)]]).p90 == 91.0


def test_mean_and_deviation_are_of_a_sample():
    found = latency([[1.0, 2.0, 3.0, 10.0]])
    assert found.mean == 4.0
    # Squares of -3, -2, -1 and 6 are 50, over 4 - 1.
    assert found.std == pytest.approx(math.sqrt(50 / 3))


def test_rounds_keep_their_medians_and_spread():
    found = latency([[1.0] * 5, [1.0] * 5, [1.1] * 5])
    assert found.rounds_p50 == (1.0, 1.0, 1.1)
    assert found.spread == pytest.approx(0.1)
    assert latency([[1.0], [2.0], [3.0]]).spread == 1.0
    assert latency([[1.0, 2.0]]).spread is None


def test_outliers_are_counted_and_kept():
    found = latency([[10.0 + 0.01 * (i % 5) for i in range(100)] + [1000.0]])
    assert found.outliers == 1
    assert found.max == 1000.0
    assert found.n == 101


@pytest.mark.parametrize(("far", "count"), [(21.9, 0), (22.1, 1)])
def test_an_outlier_is_14_826_scaled_deviations_away(far, count):
    """The median deviation is 1: 14.826 / 0.6745 = 21.98."""
    assert latency([[9.0, 10.0, 11.0] * 40 + [10.0 + far]]).outliers == count


def test_nothing_measured_is_no_latency():
    with pytest.raises(ValueError, match="no samples"):
        latency([[], []])


@given(TIMES)
def test_figures_lie_in_their_order(times):
    found = latency([times])
    assert found.min <= found.max
    assert found.min <= statistics.fmean(times) * (1 + 1e-9)
    for value in (found.p50, found.p90, found.p99):
        assert value is None or found.min <= value <= found.max
    known = [v for v in (found.p50, found.p90, found.p99) if v is not None]
    assert known == sorted(known)
    assert 0 <= found.outliers <= found.n


class CountingSession:
    """Stands in for ONNX Runtime's: every call is as quick as the one before."""

    def __init__(self):
        self.runs = 0

    def run(self, outputs, feeds):
        self.runs += 1


@pytest.mark.parametrize("asked", [1, 7])
def test_the_warm_up_that_was_asked_for_is_made_even_when_its_seconds_are_over(monkeypatch, asked):
    monkeypatch.setattr(onnx_session, "WINDOW_NS", 0)
    session = CountingSession()
    told = onnx_session.warm_up(session, {}, {"warmup": asked, "warmup_min_s": 60.0, "warmup_max_s": 0.0})
    assert session.runs == told["warmup_runs"] == asked
    assert told["warmup_settled"] is False


def test_no_warm_up_is_made_where_none_is_asked():
    session = CountingSession()
    told = onnx_session.warm_up(session, {}, {"warmup": 0, "warmup_min_s": 60.0, "warmup_max_s": 60.0})
    assert session.runs == told["warmup_runs"] == 0
