import math
import statistics
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.measure import onnx_session
from npubench.measure.statistics import latency, least_samples, rounds_outside, spread_of, trend_of

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


@pytest.mark.parametrize(
    ("count", "outside"), [(2, 0), (3, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5)]
)
def test_the_rounds_outside_of_the_interval_are_those_of_the_sign_test(count, outside):
    """Of 15 rounds 3 a side: 2 (1 + 15 + 105 + 455) / 2^15 = 3.5 %, with the next one 11.8 %."""
    assert rounds_outside(count) == outside


def test_up_to_eight_rounds_the_spread_is_from_the_smallest_to_the_largest():
    assert spread_of([100.0]) is None
    assert spread_of([100.0, 103.0, 101.0]) == pytest.approx(3 / 101)
    assert spread_of([90.0, *[100.0] * 6, 110.0]) == pytest.approx(0.2)


def test_of_many_rounds_a_few_that_were_disturbed_do_not_make_the_spread():
    """Of 15 the fourth and the twelfth count: 99 and 101 of a median of 100."""
    rounds = [50.0, 98.0, 98.5, 99.0, *[100.0] * 7, 101.0, 300.0, 400.0, 500.0]
    assert spread_of(rounds) == pytest.approx(0.02)
    assert spread_of([*rounds[:11], 120.0, *rounds[12:]]) == pytest.approx(0.21)
    assert latency([[value] for value in rounds]).spread == pytest.approx(0.02)


@given(st.lists(st.floats(1.0, 1e6), min_size=2, max_size=30))
def test_the_spread_is_of_no_order_and_of_no_unit(values):
    found = spread_of(values)
    assert found == spread_of(values[::-1])
    assert found == pytest.approx(spread_of([value * 1024 for value in values]))
    assert 0 <= found <= (max(values) - min(values)) / statistics.median(values)


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ((1, 2), 0),
        ((1, 2, 3), 1),
        ((3, 2, 1), -1),
        ((1, 3, 2), 0),
        ((1, 2, 3, 5, 4), 0),
        # 15 rounds: S of 49 and more (z = 48 / 20.2 = 2.38 no, S = 54: 53 / 20.2 = 2.62 yes).
        ((*range(15),), 1),
        ((*range(15, 0, -1),), -1),
        ((7, 1, 6, 2, 8, 3, 9, 1, 7, 2, 6, 3, 8, 1, 9), 0),
        ((5,) * 15, 0),
        # Rises with one step back: 15 - 2 of 15 pairs, 12 / 5.32 = 2.26 < 2.576.
        ((1, 2, 3, 4, 6, 5), 0),
        ((1, 2, 3, 4, 5, 6), 1),
    ],
)
def test_a_trend_is_more_than_chance(values, trend):
    assert trend_of(values) == trend


class Worked:
    """A run of 100 us that the processor worked for as long as it is told."""

    def __init__(self, worked_us):
        self.worked = iter(worked_us)
        self.wall = self.own = 0

    def run(self, outputs, feeds):
        self.wall += 100_000
        self.own += next(self.worked) * 1000


def rounds_of(monkeypatch, worked_us, repeat, watched=True, rounds=1):
    session = Worked(worked_us)
    clock = SimpleNamespace(perf_counter_ns=lambda: session.wall, thread_time_ns=lambda: session.own)
    monkeypatch.setattr(onnx_session, "time", clock)
    timing = {"rounds": rounds, "min_duration_s": 0.0, "repeat": repeat}
    return onnx_session.timed_rounds(session, {}, timing, watched=watched)


def test_a_run_that_the_processor_did_not_work_for_all_along_does_not_count(monkeypatch):
    """5 us may be lost, or a hundredth; a round goes on until as many as asked were let alone."""
    (found,) = rounds_of(monkeypatch, [100, 94, 95, 30, 100], repeat=3)
    assert (found.counted, found.interrupted) == ([100_000] * 3, [100_000] * 2)
    assert onnx_session.interrupted_share([found]) == pytest.approx(0.4)


def test_a_round_does_not_wait_for_ever_to_be_let_alone(monkeypatch):
    (found,) = rounds_of(monkeypatch, [10] * 100, repeat=3)
    assert (len(found.counted), len(found.interrupted)) == (0, 6)


def test_nothing_is_told_apart_where_nobody_watches(monkeypatch):
    (found,) = rounds_of(monkeypatch, [10] * 100, repeat=3, watched=False)
    assert (len(found.counted), len(found.interrupted)) == (3, 0)


def test_all_runs_count_where_too_few_were_let_alone():
    few = [onnx_session.Timed([1] * 5, [9] * 3), onnx_session.Timed([1] * 5, [])]
    assert onnx_session.settled(few) == ([[1] * 5 + [9] * 3, [1] * 5], [])
    enough = [onnx_session.Timed([1] * 11, [9]), onnx_session.Timed([], [9, 9])]
    assert onnx_session.settled(enough) == ([[1] * 11], [[9], [9, 9]])


def test_others_have_their_turn_between_two_rounds_and_runs_after_it_do_not_count():
    session, seen = CountingSession(), []
    timing = {"rounds": 3, "min_duration_s": 0.0, "repeat": 2}
    found = onnx_session.timed_rounds(session, {}, timing, lambda: seen.append(session.runs))
    assert len(seen) == 2
    assert [len(one.counted) for one in found] == [2, 2, 2]
    assert session.runs > 6, "at least one run wakes the caches after each turn"
