"""The queueing simulation against closed forms, and the search for the most cameras by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npubench.streams.capacity import Asked, capacity, confidence, holds, most_cameras, percentile, trial
from npubench.streams.pipeline import (
    Cores,
    Overflow,
    Pipeline,
    Queue,
    ServiceTime,
    Spread,
    Station,
    Step,
    Stream,
    bottleneck,
    loads,
    log_normal,
)
from npubench.streams.simulate import Run, simulate

FRAMES = 40_000
RANDOM = Spread.EXPONENTIAL
WITHIN = 0.03
"""Four standard errors of the mean sojourn of so many frames, about; the seed is fixed."""


def one_station(
    rate: float, service: ServiceTime, arrivals: Spread, station: Station, cores: tuple[Cores, ...] = ()
) -> Run:
    stream = Stream("camera", 1, rate, (Step("s", service),), arrivals)
    return simulate(Pipeline((station,), (stream,), cores), 7, FRAMES / rate, 200 / rate)


def mean_sojourn(run: Run) -> float:
    return sum(run.latencies_s) / len(run.latencies_s)


def test_m_m_1_waits_as_long_as_the_formula_says() -> None:
    # W = 1 / (mu - lambda) = 1 / (1 - 0.5) = 2
    run = one_station(0.5, ServiceTime(1, RANDOM), RANDOM, Station("s", 1))
    assert mean_sojourn(run) == pytest.approx(2, rel=WITHIN)
    assert run.busy["s"] == pytest.approx(0.5, rel=WITHIN)


def test_m_m_1_percentiles_are_exponential() -> None:
    # The sojourn is exponential of mean 2: p99 = 2 ln 100 = 9.21.
    run = one_station(0.5, ServiceTime(1, RANDOM), RANDOM, Station("s", 1))
    assert percentile(run.latencies_s, 0.99) == pytest.approx(2 * math.log(100), rel=0.08)


def test_m_d_1_waits_half_as_long() -> None:
    # Pollaczek-Khinchine: W = 1 + rho / (2 (1 - rho)) = 1 + 0.6 / 0.8 = 1.75
    run = one_station(0.6, ServiceTime(1), RANDOM, Station("s", 1))
    assert mean_sojourn(run) == pytest.approx(1.75, rel=WITHIN)


def test_d_d_1_waits_never() -> None:
    run = one_station(0.99, ServiceTime(1), Spread.FIXED, Station("s", 1))
    assert max(run.latencies_s) == pytest.approx(1)
    assert run.busy["s"] == pytest.approx(0.99, rel=1e-3)


def test_m_m_2_waits_as_erlang_c_says() -> None:
    # a = 1, c = 2: a^c / c! * c / (c - a) = 1, Erlang C = 1 / (1 + 1 + 1); W = 1 + C / (c - a) = 4/3
    run = one_station(1, ServiceTime(1, RANDOM), RANDOM, Station("s", 2))
    assert mean_sojourn(run) == pytest.approx(4 / 3, rel=WITHIN)


@pytest.mark.parametrize("overflow", [Overflow.NEWEST, Overflow.OLDEST])
def test_a_finite_queue_loses_what_the_formula_says(overflow: Overflow) -> None:
    # M/M/1 with 3 places at rho = 1: all four states are equally likely, so a quarter is lost.
    station = Station("s", 1, queue=Queue(2, overflow))
    (camera,) = one_station(1, ServiceTime(1, RANDOM), RANDOM, station).cameras
    assert camera.dropped / camera.asked == pytest.approx(0.25, rel=0.04)
    assert len(camera.latencies_s) == camera.asked - camera.dropped


def test_the_newest_frame_waits_less_where_the_oldest_goes() -> None:
    queues = (Queue(2, overflow) for overflow in (Overflow.NEWEST, Overflow.OLDEST))
    newest, oldest = (
        mean_sojourn(one_station(1, ServiceTime(1, RANDOM), RANDOM, Station("s", 1, queue=queue)))
        for queue in queues
    )
    assert newest == pytest.approx(2, rel=WITHIN)  # (1 + 2 + 3) / 3: as many before it as the state says
    assert oldest < newest - 0.3


def test_shared_cores_share_the_processor() -> None:
    # M/G/1 with processor sharing: W = s / (1 - rho) = 1 / (1 - 0.5), whatever the service times.
    run = one_station(0.5, ServiceTime(1), RANDOM, Station("s", 500, "cpu"), (Cores("cpu", 1),))
    assert mean_sojourn(run) == pytest.approx(2, rel=WITHIN)
    assert run.busy["cpu"] == pytest.approx(0.5, rel=WITHIN)


def test_a_measured_slowdown_takes_throughput() -> None:
    # Three cores, each 1.25 times slower when all are busy: 3 / 1.25 = 2.4 frames a second.
    stream = Stream("camera", 1, None, (Step("npu", ServiceTime(1)),))
    cores = Cores("cores", 3, (1.0, 1.1, 1.25))
    run = simulate(Pipeline((Station("npu", 3, "cores"),), (stream,), (cores,)), 1, 500, 20)
    assert run.throughput_fps == pytest.approx(2.4, rel=0.01)
    assert cores.capacity == pytest.approx(2.4)


def test_a_full_queue_that_waits_keeps_the_server_before() -> None:
    # 0.1 s feeds 1 s: the first server has its frame in hand for all of the slower one's time.
    stations = (Station("a", 1), Station("b", 1, queue=Queue(1, Overflow.WAIT)))
    steps = (Step("a", ServiceTime(0.1)), Step("b", ServiceTime(1)))
    run = simulate(Pipeline(stations, (Stream("x", 1, None, steps),)), 1, 100, 10)
    assert run.throughput_fps == pytest.approx(1, abs=0.011)
    assert run.busy["a"] == pytest.approx(1, abs=0.02)
    assert sum(one.dropped for one in run.cameras) == 0


def test_a_queue_without_room_hands_over_when_the_server_is_free() -> None:
    stations = (Station("a", 1), Station("b", 1, queue=Queue(0, Overflow.WAIT)))
    steps = (Step("a", ServiceTime(0.5)), Step("b", ServiceTime(1)))
    run = simulate(Pipeline(stations, (Stream("x", 1, None, steps),)), 1, 100, 10)
    assert run.throughput_fps == pytest.approx(1, abs=0.011)
    assert max(run.latencies_s) == pytest.approx(2)  # ready after 0.5 s, taken after 1 s


def test_callers_that_wait_are_never_more_than_there_are() -> None:
    # Two callers, a second outside and a second on the one server: a frame a second, never both at once.
    stations = (Station("outside", 2), Station("server", 1))
    steps = (Step("outside", ServiceTime(1)), Step("server", ServiceTime(1)))
    one, two = (
        simulate(Pipeline(stations, (Stream("x", 1, None, steps, on_way=count),)), 1, 100, 10)
        for count in (1, 2)
    )
    assert one.throughput_fps == pytest.approx(0.5, abs=0.011)
    assert two.throughput_fps == pytest.approx(1, abs=0.011)


def test_a_server_takes_a_batch_in_the_time_of_one() -> None:
    stream = Stream("x", 8, 1.0, (Step("npu", ServiceTime(1)),))
    station = Station("npu", 1, batch=8)
    pipeline = Pipeline((station,), (stream,))
    assert loads(pipeline)["npu"] == pytest.approx(1)
    assert simulate(pipeline, 1, 100, 10).throughput_fps == pytest.approx(8, rel=0.02)


def test_a_delay_is_waited_for_but_keeps_no_server() -> None:
    stream = Stream("x", 1, 1.0, (Step("npu", ServiceTime(0.9, delay_s=2.0)),))
    run = simulate(Pipeline((Station("npu", 1),), (stream,)), 1, 50)
    assert run.latencies_s == pytest.approx([2.9] * 50)


def test_every_third_frame_and_four_crops() -> None:
    third, crops = Step("s", ServiceTime(1), 1 / 3), Step("s", ServiceTime(1), 4)
    assert [third.runs_of(frame) for frame in range(7)] == [0, 0, 1, 0, 0, 1, 0]
    assert [crops.runs_of(frame) for frame in range(3)] == [4, 4, 4]
    assert sum(Step("s", ServiceTime(1), 0.4).runs_of(frame) for frame in range(1000)) == 400


def test_crops_of_a_frame_run_beside_each_other_and_are_waited_for() -> None:
    # The frame's own second, then four crops of 0.1 s on two servers: two rounds.
    stations = (Station("detector", 1), Station("crops", 2, queue=Queue(1, of_each_camera=True)))
    steps = (Step("detector", ServiceTime(0.5)), Step("crops", ServiceTime(0.1), 4))
    run = simulate(Pipeline(stations, (Stream("x", 1, 1.0, steps),)), 1, 20)
    assert run.latencies_s == pytest.approx([0.7] * 20)


def test_frames_that_no_model_answers_are_not_asked_for() -> None:
    steps = (Step("decode", ServiceTime(0.01), model=False), Step("npu", ServiceTime(0.1), 0.2))
    pipeline = Pipeline((Station("decode", 1), Station("npu", 1)), (Stream("x", 1, 10.0, steps),))
    (camera,) = simulate(pipeline, 1, 100).cameras
    assert camera.asked == pytest.approx(200, abs=1)
    assert max(camera.latencies_s) == pytest.approx(0.11)


def gateway(cameras: int, npu_s: float = 0.04, band: float = 1.0) -> Pipeline:
    """Decoder 10 ms, NPU as told, 10 frames a second; a server each."""
    service = ServiceTime(npu_s, low_s=npu_s / band, high_s=npu_s * band) if band > 1 else ServiceTime(npu_s)
    stations = (Station("decode", 1), Station("npu", 1))
    steps = (Step("decode", ServiceTime(0.01), model=False), Step("npu", service))
    return Pipeline(stations, (Stream("camera", cameras, 10.0, steps),))


def test_loads_are_rate_times_time() -> None:
    assert loads(gateway(2)) == pytest.approx({"decode": 0.2, "npu": 0.8})
    assert bottleneck(gateway(2)) == "npu"


def test_the_search_ends_at_the_last_number_that_holds() -> None:
    # 10 frames a second of 40 ms: two cameras are 80 %, three are 120 %.
    assert most_cameras(gateway(1), Asked()) == 2
    assert most_cameras(gateway(7), Asked()) == 2
    # Two at once wait 50 + 40 ms at worst (the decoder keeps them 10 ms apart at least): no two in 60 ms.
    assert most_cameras(gateway(1), Asked(0.055)) == 1
    assert most_cameras(gateway(1), Asked(0.049)) == 0
    assert most_cameras(gateway(1, 0.001), Asked()) == 10  # the decoder's ten


def test_too_many_cameras_do_not_hold_and_the_trial_says_what_is_late() -> None:
    found = capacity(gateway(3), Asked(0.2))
    assert (found.most, found.confidence) == (2, 0.0)
    assert found.trial.bottleneck == "npu"
    assert not found.trial.all_hold
    assert found.trial.busy["npu"] > 0.95


def test_a_trial_repeats_to_the_last_digit_and_has_an_interval_about_its_p99() -> None:
    first, second = (trial(gateway(2), Asked(0.2)) for _ in range(2))
    assert first == second
    assert first.p99_interval_s is not None
    assert first.p99_s is not None
    low, high = first.p99_interval_s
    assert low <= first.p99_s <= high
    assert first.p50_s == pytest.approx(0.05, abs=0.04)


def test_a_band_becomes_a_confidence() -> None:
    # One camera holds up to 100 ms a frame. A 90 % band of 80 ms * or / 1.25: ln 1.25 = 1.645 sigma, so 100 ms
    # is the 95 % quantile.
    assert confidence(gateway(1, 0.08, 1.25), Asked()) == pytest.approx(0.95, abs=0.015)
    assert confidence(gateway(1, 0.08), Asked()) == 1.0
    assert not holds(gateway(1, 0.12), Asked())


def test_cameras_are_shared_among_streams() -> None:
    steps = (Step("npu", ServiceTime(0.001)),)
    pipeline = Pipeline((Station("npu", 1),), (Stream("a", 3, 1.0, steps), Stream("b", 1, 1.0, steps)))
    assert [one.count for one in pipeline.with_cameras(8).streams] == [6, 2]
    assert [one.name for one in pipeline.with_cameras(1).streams] == ["a"]


def test_a_log_normal_has_its_mean_and_its_percentiles() -> None:
    service = log_normal(1.0, 2.0, 1.05)
    run = one_station(0.001, service, Spread.FIXED, Station("s", 1))
    assert mean_sojourn(run) == pytest.approx(1.05, rel=0.01)
    p50, p99 = (percentile(run.latencies_s, share) or 0.0 for share in (0.5, 0.99))
    assert p99 / p50 == pytest.approx(2, rel=0.03)


queues = st.builds(
    Queue, st.none() | st.integers(0, 3), st.sampled_from(Overflow), of_each_camera=st.booleans()
)


@given(
    queues=st.lists(queues, min_size=3, max_size=3),
    servers=st.tuples(*[st.integers(1, 3)] * 3),
    batch=st.integers(1, 3),
    runs=st.tuples(*[st.sampled_from([0.4, 1.0, 2.5])] * 3),
    times=st.tuples(*[st.floats(0.01, 3)] * 3),
    counts=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    delay=st.sampled_from([0.0, 0.7]),
)
@settings(max_examples=80, deadline=None)
def test_every_frame_that_is_asked_is_answered_or_dropped(
    queues: list[Queue],
    servers: tuple[int, ...],
    batch: int,
    runs: tuple[float, ...],
    times: tuple[float, ...],
    counts: tuple[int, int],
    delay: float,
) -> None:
    names, cores = ("a", "b", "c"), ("", "cpu", "cpu")
    stations = tuple(
        Station(name, count, core, queue, batch if name == "b" else 1)
        for name, count, core, queue in zip(names, servers, cores, queues, strict=True)
    )
    steps = tuple(
        Step(name, ServiceTime(seconds, delay_s=delay if name == "b" else 0.0), per_frame)
        for name, seconds, per_frame in zip(names, times, runs, strict=True)
    )
    streams = (Stream("x", counts[0], 1.0, steps), Stream("y", counts[1], 0.7, steps[::2]))
    pipeline = Pipeline(stations, streams, (Cores("cpu", 2, (1.0, 1.1)),))
    run = simulate(pipeline, 3, 20.0, 2.0)
    assert len(run.cameras) == sum(counts)
    for camera in run.cameras:
        assert camera.asked == len(camera.latencies_s) + camera.dropped
        assert camera.dropped == 0 or any(queue.frames is not None for queue in queues)
        # No frame is done before the least that its own steps take.
        assert min(camera.latencies_s, default=math.inf) >= min(times) - 1e-9
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in run.busy.values())


def test_names_and_times_that_are_none_are_refused() -> None:
    step = Step("npu", ServiceTime(0.001))
    with pytest.raises(ValueError, match="no station is called 'npu'"):
        Pipeline((Station("tpu", 1),), (Stream("a", 1, 1.0, (step,)),))
    with pytest.raises(ValueError, match="no cores are called 'cpu'"):
        Pipeline((Station("npu", 1, "cpu"),), (Stream("a", 1, 1.0, (step,)),))
    with pytest.raises(ValueError, match="no time"):
        Pipeline((Station("npu", 1),), (Stream("a", 1, 1.0, (Step("npu", ServiceTime(0)),)),))
