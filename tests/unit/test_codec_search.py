"""The search for the number of streams."""

import math

from hypothesis import given
from hypothesis import strategies as st

from npubench.benchmarks.codec.cases import LIMIT, most_held


@given(st.integers(0, LIMIT + 50), st.integers(-5, LIMIT * 2))
def test_it_finds_the_largest_number_from_any_guess(capacity, guess):
    held, tried = most_held(lambda n: n <= capacity, guess)
    assert held == min(capacity, LIMIT)
    assert all(result == (n <= capacity) for n, result in tried.items())
    assert held == LIMIT or tried[held + 1] is False
    assert len(tried) <= 2 * math.log2(LIMIT) + 2


@given(st.integers(1, 200), st.integers(1, 200))
def test_a_good_guess_takes_few_trials(capacity, error):
    _, tried = most_held(lambda n: n <= capacity, capacity)
    assert len(tried) <= 2
    near = max(1, capacity + (error % 3) - 1)
    assert len(most_held(lambda n: n <= capacity, near)[1]) <= 4


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 6))
def test_out_of_time_it_keeps_what_held_and_never_calls_none_what_was_not_tried(capacity, guess, trials):
    left = iter([True] * trials)
    held, tried = most_held(lambda n: n <= capacity, guess, may_go_on=lambda: next(left, False))
    if held:
        assert tried[held]
        assert held <= capacity
    else:
        assert capacity == 0
        assert tried[1] is False
