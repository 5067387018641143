from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.backends.apart.single_times import Call
from npubench.backends.rknn.rknn_benchmark import parse_rknn_benchmark
from npubench.records import Failure, FailureClass

GOLDEN = (Path(__file__).parents[1] / "data/board-tools/rknn_benchmark.txt").read_text()
LINES = GOLDEN.splitlines(keepends=True)
RUNS_US = (12340, 12330, 12360, 12340, 12320, 12350, 12340, 12330, 12350, 12340)


def never_wrong(text):
    call = parse_rknn_benchmark(text, len(RUNS_US))
    if isinstance(call, Failure):
        assert call.failure_class is FailureClass.UNPARSED_OUTPUT
        assert call.detail == text
        return
    assert call.samples_us == RUNS_US
    assert (call.details["mean_ms"], call.details["fps"]) == (12.34, 81.037)


def test_every_run_is_read_and_the_warm_up_is_not():
    call = parse_rknn_benchmark(GOLDEN, 10)
    assert isinstance(call, Call)
    assert call.samples_us == RUNS_US
    assert call.details == {"own_warmup_runs": 5, "mean_ms": 12.34, "fps": 81.037}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("   3: Elapse Time = 12.34ms, FPS = 81.04\n", ""),
        ("   3: Elapse Time = 12.34ms", "   3: Elapse Time = 12.34"),
        ("   3: Elapse Time = 12.34ms, FPS = 81.04", "   3: Elapse Time = 0.00ms, FPS = inf"),
        ("   3: Elapse Time = 12.34ms", "   3: Elapse Time = 2.34ms"),
        ("Begin perf ...\n", ""),
        ("Avg Time 12.34ms", "Avg Time 22.34ms"),
        ("Avg Time 12.34ms", "Avg Time 0.00ms"),
        ("Avg Time", "Average"),
        ("Avg Time 12.34ms, Avg FPS = 81.037\n", "Avg Time 12.34ms, Avg FPS = 81.037\n" * 2),
    ],
)
def test_doubtful_output_is_no_measurement(old, new):
    assert old in GOLDEN
    found = parse_rknn_benchmark(GOLDEN.replace(old, new), 10)
    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.UNPARSED_OUTPUT


def test_fewer_runs_than_were_asked_for_are_no_measurement():
    found = parse_rknn_benchmark(GOLDEN, 11)
    assert "11 runs were asked for, and 10 are listed" in found.message


def test_a_run_that_failed_is_a_failure_though_times_are_printed():
    found = parse_rknn_benchmark(GOLDEN + "rknn run error -1\n", 10)
    assert (found.failure_class, found.message) == (
        FailureClass.TOOL_ERROR,
        "rknn_benchmark: rknn run error -1",
    )


@given(st.integers(0, len(GOLDEN)))
def test_any_cut(end):
    never_wrong(GOLDEN[:end])


@given(st.randoms(use_true_random=False))
def test_any_order_of_lines(random):
    shuffled = LINES.copy()
    random.shuffle(shuffled)
    never_wrong("".join(shuffled))


@given(st.lists(st.sampled_from(LINES), max_size=40))
def test_any_repetition_and_omission_of_lines(lines):
    never_wrong("".join(lines))


@given(st.integers(0, len(GOLDEN) - 1), st.text(st.characters(exclude_categories=["Nd"]), max_size=5))
def test_any_garbage_in_place_of_a_character(at, garbage):
    never_wrong(GOLDEN[:at] + garbage + GOLDEN[at + 1 :] if garbage else GOLDEN[:at])


@given(st.text())
def test_any_text_is_a_failure(text):
    assert isinstance(parse_rknn_benchmark(text, 10), Failure)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_any_times_come_back_as_they_were_printed(hundredths):
    ms = [value / 100 for value in hundredths]
    mean = sum(ms) / len(ms)
    runs = [f"{i:4d}: Elapse Time = {t:.2f}ms, FPS = {1000 / t:.2f}\n" for i, t in enumerate(ms)]
    end = f"Avg Time {mean:.2f}ms, Avg FPS = {1000 / mean:.3f}\n"
    call = parse_rknn_benchmark("Warmup ...\nBegin perf ...\n" + "".join(runs) + end, len(ms))
    assert isinstance(call, Call)
    assert call.samples_us == tuple(value * 10 for value in hundredths)
