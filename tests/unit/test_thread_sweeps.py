"""Published rates by threads: found, paired with one core's own figure, and simulated within a stated error."""

from dataclasses import replace

import pytest

from benchmarks import streams_sweep
from npubench.domain.figures import Kind
from npubench.published.atlas import PublishedFigure
from npubench.published.thread_sweeps import (
    SweepPoint,
    ThreadSweep,
    npu_slowdown,
    shipped_sweeps,
    thread_sweeps,
)

ALONE, WITH_OTHERS = 0.15, 0.025
"""Bounds of the errors that docs/streams.md states of the shipped sweep."""


def figure(
    mode: str, fps: float, source: str = "https://a.example/x", chip: str = "RK3588"
) -> PublishedFigure:
    return PublishedFigure(
        *("table", 1, chip, mode, "made-up-net", "640", "int8", "throughput", fps, str(fps), "fps"),
        *("", "", source, Kind.MEASURED),
    )


def test_the_published_sweep_is_simulated_within_its_stated_error() -> None:
    (sweep,) = (one for one in shipped_sweeps() if one.chip == "RK3588")
    assert len(sweep.points) >= 4
    for point in streams_sweep.points(sweep):
        alone, others = point.errors
        assert abs(alone) <= ALONE
        assert others is not None
        assert abs(others) <= WITH_OTHERS


def test_a_sweep_takes_its_own_single_figure_before_anothers() -> None:
    rows = [
        figure("single core", 70.0, "https://b.example/y"),
        figure("1 core, 1 thread", 60.0),
        figure("3 cores, 3 threads", 150.0),
        figure("3 cores, 6 threads", 160.0),
    ]
    (sweep,) = thread_sweeps(rows)
    assert (sweep.cores, sweep.single_fps, sweep.single_source) == (3, 60.0, "https://a.example/x")
    assert sweep.points == (SweepPoint(3, 150.0), SweepPoint(6, 160.0))
    assert sweep.slowdown == pytest.approx(3 * 60 / 160)
    (sweep,) = thread_sweeps([rows[0], *rows[2:]])
    assert (sweep.single_fps, sweep.single_source) == (70.0, "https://b.example/y")


def test_what_is_no_sweep_is_none() -> None:
    assert thread_sweeps([figure("3 cores, 3 threads", 150.0), figure("3 cores, 6 threads", 160.0)]) == ()
    assert thread_sweeps([figure("single core", 70.0), figure("3 cores, 6 threads", 160.0)]) == ()
    rows = [
        figure("single core", 70.0),
        figure("3 cores, 3 threads", 150.0),
        figure("3 cores, 6 threads", 160.0),
    ]
    assert (
        thread_sweeps([replace(row, chip="RK3576") if at == 0 else row for at, row in enumerate(rows)]) == ()
    )


def test_threads_beyond_the_cores_hide_what_is_outside_the_npu() -> None:
    # 10 ms alone, all three cores busy 1.2 times slower, 3 ms outside: 3 / (12 + 3) ms, then 3 / 12 ms.
    sweep = ThreadSweep("chip", "net", 3, "a", 100.0, "a", (SweepPoint(3, 200.0), SweepPoint(6, 250.0)))
    slowdown, host_s = streams_sweep.told_by(sweep, sweep.points)
    assert slowdown == pytest.approx(1.2)
    assert host_s == pytest.approx(0.003)
    assert streams_sweep.simulated_fps(sweep, 6, slowdown, host_s) == pytest.approx(250, rel=0.01)
    # While one thread is outside, the two others are a little faster: a bit more than the formula says.
    assert streams_sweep.simulated_fps(sweep, 3, slowdown, host_s) == pytest.approx(200, rel=0.05)
    assert streams_sweep.simulated_fps(sweep, 3, 1.0, 0.0) == pytest.approx(300, rel=0.01)


def test_a_chips_factor_is_linear_between_one_core_and_all() -> None:
    factors, source = npu_slowdown("rk3588", 3)
    assert factors[0] == 1
    assert factors[1] - factors[0] == pytest.approx(factors[2] - factors[1])
    assert source.startswith("https://")
    assert npu_slowdown("RK3588", 2) == ((), "")
    assert npu_slowdown("no such chip", 3) == ((), "")
