"""The histogram of a case's calls as it is drawn: labels in the picture, apart from each other and from lines."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.measure.statistics import latency
from npubench.reporting.charts.distribution import distribution
from npubench.reporting.charts.texts import Box, meeting
from npubench.reporting.data.translate import use_language
from tests import sample_results
from tests.unit.test_reporting_bins import bell


def drawn(times, language="en"):
    row = sample_results.result(figures=replace(sample_results.figures(1.0), latency_us=latency([times])))
    with use_language(language):
        return distribution(row, [times])


def texts(drawing):
    return [one.text for one in drawing.texts]


def hold(drawing):
    picture = Box(0, 0, drawing.layout.width, drawing.height)
    assert meeting(drawing.texts) == []
    assert [one for one in drawing.texts if not picture.holds(one.box)] == []
    assert all(
        bar.x >= 0 and bar.x + bar.width <= drawing.layout.width and bar.y >= 0 for bar in drawing.bars
    )
    named = [one.box for one in drawing.texts if one.style in ("value", "axis")]
    assert not [
        (box, level)
        for box in named
        for level in drawing.levels
        if box.left < level.x < box.right and level.top < box.bottom and box.top < drawing.y.start
    ]


@given(
    st.lists(st.floats(1e-2, 1e8), min_size=1, max_size=40),
    st.integers(1, 30),
    st.sampled_from(["en", "zh"]),
)
def test_labels_stay_in_the_picture_and_clear_of_each_other(times, repeated, language):
    for drawing in drawn(times * repeated, language).drawings:
        hold(drawing)


def test_what_lies_beyond_the_axis_says_how_many_and_how_long():
    found = drawn([*bell(400), *(82_989.0 + i for i in range(12))])
    for drawing in found.drawings:
        assert "+12 calls up to 83.0 ms" in texts(drawing)
        assert [bar.beyond for bar in drawing.bars].count(True) == 1
        assert len(drawing.bars) > 10
    assert "+12 calls up to 83.0 ms" in found.told
    assert "+1 call up to 83.0 ms" in texts(drawn([*bell(400), 83_000.0]).drawings[0])
    assert (
        "另有 12 次调用，最慢 83.0 ms" in drawn([*bell(400), *(82_989.0 + i for i in range(12))], "zh").told
    )


@pytest.mark.parametrize(
    ("count", "named"),
    [(3, []), (60, ["median"]), (300, ["median", "p90"]), (2000, ["median", "p90", "p99"])],
)
def test_a_percentile_is_marked_where_the_samples_tell_it(count, named):
    for drawing in drawn(bell(count)).drawings:
        assert [one.text.split()[0] for one in drawing.texts if one.style == "value"] == named
        assert len(drawing.levels) == len(named)


def test_a_percentile_beyond_the_axis_is_marked_in_the_bin_of_that_end():
    (wide, _) = drawn([*bell(1940), *[83_000.0] * 60]).drawings
    (beyond,) = (bar for bar in wide.bars if bar.beyond)
    assert beyond.x < wide.levels[-1].x < beyond.x + beyond.width


def test_few_calls_are_drawn_and_said_to_be_few():
    assert drawn([900.0]).few
    assert [bar.height > 0 for bar in drawn([900.0]).drawings[0].bars] == [True]
    assert not drawn([900.0] * 16).few


def test_a_call_among_a_hundred_thousand_shows():
    (wide, _) = drawn([*bell(100_000, 10.2, 0.1), 10.9]).drawings
    assert min(bar.height for bar in wide.bars) >= 1.5


def test_times_that_are_none_are_left_out():
    row = sample_results.result()
    assert distribution(row, [[0.0, -1.0, float("inf"), float("nan")]]) is None
    assert distribution(row, [[0.0, *bell(20)], [float("nan")]]).calls == 20
