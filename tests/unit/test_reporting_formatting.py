import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.data.formatting import (
    BYTES,
    COUNTS,
    TIMES,
    closeness,
    common_scale,
    duration,
    significant,
    size,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (14.8163, "14.8"),
        (9.996, "10.0"),
        (999.6, "1000"),
        (0.012345, "0.0123"),
        (1234567.8, "1234568"),
        (-5.678, "-5.68"),
        (1.5e-9, "1.50e-09"),
    ],
)
def test_three_digits_or_the_whole_number(value, text):
    assert significant(value, separator="") == text


def test_thousands_are_set_apart():
    assert significant(17388.2) == "17\u202f388"


@given(st.floats(1e-6, 1e12))
def test_what_is_shown_is_near_what_is(value):
    assert float(significant(value, separator="")) == pytest.approx(value, rel=0.0051)


def test_a_cosine_is_one_only_when_it_is():
    assert closeness(1.0) == "1.00000"
    assert closeness(0.999999) == ">0.99999"
    assert closeness(0.98127) == "0.98127"
    assert closeness(-0.5) == "-0.50000"


def test_units_follow_the_size():
    assert duration(850) == "850 µs"
    assert duration(12_340) == "12.3 ms"
    assert duration(2.5e6) == "2.50 s"
    assert size(48_300_032) == "46.1 MiB"
    assert common_scale([], TIMES).unit == "µs"
    assert common_scale([1e9, 2e9, 10], COUNTS).unit == "G"
    assert common_scale([3, 3e9, 3], BYTES).unit == "B"
