import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.reporting.charts.axis import axis, narrow_axis
from npubench.reporting.charts.texts import meeting
from npubench.reporting.data.formatting import duration

TIMES = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=20)


@given(TIMES)
def test_every_value_lies_on_the_axis(values):
    found = axis(values, 100.0, 800.0)
    assert all(99.9 <= found.at(value) <= 800.1 for value in values)


@given(TIMES)
def test_ticks_ascend_end_with_the_axis_and_are_few(values):
    found = axis(values, 100.0, 800.0)
    places = [tick.x for tick in found.ticks]
    assert places == sorted(places)
    assert places[0] == 100.0
    assert places[-1] == 800.0
    assert 1 <= sum(bool(tick.label) for tick in found.ticks) <= 13


def test_a_narrow_range_is_linear_from_zero():
    found = axis([300.0, 700.0], 0.0, 700.0)
    assert not found.logarithmic
    assert [tick.label for tick in found.ticks] == ["0", "200 µs", "400 µs", "600 µs", "800 µs"]
    assert found.at(0.0) == 0.0


def test_a_wide_range_is_logarithmic():
    found = axis([30.0, 9_000.0], 0.0, 700.0)
    assert found.logarithmic
    labels = [tick.label for tick in found.ticks]
    assert labels == ["20 µs", "50 µs", "100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms", "10 ms"]


def test_only_decades_are_labelled_over_many():
    found = axis([1.0, 1e6], 0.0, 700.0)
    assert [tick.label for tick in found.ticks if tick.label] == [
        *("1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s")
    ]


def test_a_duration_of_nothing_has_no_axis():
    with pytest.raises(ValueError, match="positive"):
        axis([0.0, 1.0], 0.0, 1.0)


@given(TIMES, st.floats(40.0, 900.0), st.booleans())
def test_labels_stay_apart_and_in_the_picture_however_little_room_there_is(values, width, upright):
    ends = (width, 40.0) if upright else (40.0, 40.0 + width)
    found = axis(values, *ends, room=(0.0, 80.0 + width))
    labels = found.labels_beside(30.0) if upright else found.labels(20.0)
    assert meeting(labels) == []
    assert labels
    if not upright:
        assert all(one.box.left >= 0 and one.box.right <= 80.0 + width for one in labels)


def test_labels_thin_out_by_their_widths():
    told = [
        [tick.label for tick in axis([1.0, 1e6], 0.0, width).ticks if tick.label] for width in (700.0, 250.0)
    ]
    assert told[1] == ["1 µs", "100 µs", "10 ms", "1 s"]
    assert set(told[1]) < set(told[0])


@given(st.floats(1e-3, 1e9), st.floats(1.00001, 1e3))
def test_a_narrow_axis_tells_its_ticks_apart(low, factor):
    found = narrow_axis(low, low * factor, 0.0, 700.0, duration)
    labels = [tick.label for tick in found.ticks if tick.label]
    assert labels
    assert len(set(labels)) == len(labels)
    assert (found.at(found.low), found.at(found.high)) == (0.0, 700.0)
