"""What the benchmark of streams makes of service times, and that its pipelines do what they are said to do."""

import threading
from pathlib import Path

import pytest

from benchmarks.streams import END, START, Mix, _medians, predicted_fps, write
from benchmarks.streams_pipeline import Line, Part, Pool, Stage, _repeated, run, whole


def stage(name: str) -> Stage:
    return Stage(name, lambda: lambda value: (value or 0) + 1)


def mix(*lines: tuple[int, ...]) -> Mix:
    """A pool of so many threads a number."""
    return Mix("mix", tuple(tuple(Pool(threads, (Part(stage("s")),)) for threads in line) for line in lines))


def test_the_slowest_pool_or_the_cores_bound_the_rate() -> None:
    assert predicted_fps(mix((2,)), [[0.01]], 2) == pytest.approx(200, rel=0.01)
    assert predicted_fps(mix((4,)), [[0.01]], 2) == pytest.approx(200, rel=0.01)
    assert predicted_fps(mix((1, 1)), [[0.001, 0.02]], 2) == pytest.approx(50, rel=0.01)
    assert predicted_fps(mix((1,), (1,)), [[0.01], [0.02]], 2) == pytest.approx(150, rel=0.01)
    # Three threads of 10 ms each on two cores: 30 ms of work a frame, 2 s a second.
    assert predicted_fps(mix((1, 1, 1)), [[0.01, 0.01, 0.01]], 2) == pytest.approx(2 / 0.03, rel=0.02)


def test_medians_are_of_each_pool() -> None:
    rounds = [((1.0, 9.0), (5.0,)), ((3.0, 7.0), (4.0,)), ((2.0, 8.0), (6.0,))]
    assert _medians(rounds) == [[2.0, 8.0], [5.0]]


def test_every_third_frame_and_crops_run_as_often_as_said() -> None:
    calls: list[int] = []
    for runs, times in ((1 / 3, 3), (4, 36), (1, 9)):
        calls.clear()
        work = _repeated(lambda value: calls.append(1) or value, runs)
        for _ in range(9):
            assert work("frame") == "frame"
        assert len(calls) == times


def test_a_whole_model_gives_the_frame_on() -> None:
    assert whole("model", stage("a"), stage("b")).make()(5) == 5


def test_a_line_counts_frames_and_work_of_each_pool_and_ends() -> None:
    before = threading.active_count()
    pools = [Pool(1, (Part(stage("a")),)), Pool(2, (Part(stage("b")),))]
    found = run([Line(pools, 2, threading.Semaphore(2)), Line(pools[:1], 2)], 0.05, 0.01)
    assert found.fps > 0
    assert [len(line) for line in found.seconds_a_frame] == [2, 1]
    assert threading.active_count() == before


def test_only_the_part_between_the_marks_is_replaced(tmp_path: Path) -> None:
    document = tmp_path / "streams.md"
    document.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    write(document, "new")
    assert document.read_text() == f"before\n{START}\n\nnew\n\n{END}\nafter\n"
    document.write_text("no marks")
    with pytest.raises(ValueError, match="has no part between"):
        write(document, "new")
