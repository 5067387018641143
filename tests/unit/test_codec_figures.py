"""What a found case becomes: figures where its checks hold, else a failure."""

from dataclasses import replace

import pytest

from npubench.benchmarks.codec.cases import BY_NAME, CASES
from npubench.benchmarks.codec.figures import Checked, Found, Streams, Timed, outcome
from npubench.domain.records import Failure, FailureClass, Figures, Kind

CASE = BY_NAME["decode-h264-1080p"]
SAMPLES = tuple(tuple(float(i) for i in range(1000, 1250)) for _ in range(3))
FOUND = Found(
    Checked(50, 50, "ab", "ab", 47.0),
    Timed((250, 250, 250), (1.0, 1.0, 0.5), 750, 2.4, SAMPLES),
    "PyAV",
    Streams(7, {8: False, 7: True}, 1.9),
    threads=1,
    input_sha256="cd",
)


def test_a_case_that_holds_has_one_schema():
    found = outcome(CASE, FOUND)
    assert isinstance(found, Figures)
    assert (found.kind, found.throughput_fps, found.artifact_sha256) == (Kind.MEASURED, 300.0, "cd")
    assert found.latency_us is not None
    assert found.latency_us.n == 750
    assert found.latency_us.p99 is not None
    told = found.codec
    assert (told.streams, told.streams_proven, told.streams_fps) == (7, True, 25.0)
    assert (told.cpu_cores, told.frames, told.frames_checked) == (0.96, 750, 50)
    for case in CASES:
        other = outcome(case, replace(FOUND, streams=None, timed=replace(FOUND.timed, samples_us=())))
        assert isinstance(other, Figures)
        assert other.latency_us is None
        assert other.codec.streams is None


def test_too_few_frames_have_no_p99():
    short = replace(FOUND.timed, samples_us=(SAMPLES[0],))
    found = outcome(CASE, replace(FOUND, timed=short))
    assert isinstance(found, Figures)
    assert found.latency_us is not None
    assert found.latency_us.p50 is not None
    assert found.latency_us.p99 is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"checked": Checked(49, 50, "ab", "ab")}, "49 of 50"),
        ({"checked": Checked(50, 50, "ba", "ab")}, "other frames"),
        ({"checked": Checked(50, 50, None, "ab")}, "nothing"),
        ({"checked": Checked(50, 50, "ab", None, 12.0)}, "12.0 dB"),
        ({"timed": replace(FOUND.timed, frames=(250, 250, 249))}, "749 of 750"),
    ],
)
def test_a_check_that_does_not_hold_is_a_failure(change, word):
    found = outcome(CASE, replace(FOUND, **change))
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.OUTPUT_MISMATCH
    assert word in found.message


def test_no_time_is_no_figure():
    found = outcome(CASE, replace(FOUND, timed=Timed((750,), (0.0,), 750)))
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


def test_a_search_that_ran_out_of_time_says_so():
    assert Streams(3, {3: True, 5: False}).proven is False
    assert Streams(3, {3: True, 4: False}).proven is True
