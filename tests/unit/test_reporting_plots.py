"""Charts of rows and scatter plots over whatever figures and names there may be: nothing meets, nothing is cut."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Kind
from npubench.reporting.charts.placing import MARK_PX, Wish, place_names
from npubench.reporting.charts.plots import ROW_LIMIT, Band, Entry, Subject, Value, draw_rows, row_chart
from npubench.reporting.charts.scatter import Corner, Point, scatter
from npubench.reporting.charts.texts import Anchor, Box, meeting
from npubench.reporting.data.formatting import significant
from npubench.reporting.select.pareto import pareto
from tests import gateway

NAMES = st.one_of(
    st.sampled_from(
        (
            *("resnet18", "yolov8n-seg.onnx", "mobilenet_v2_1.0_224_quant", "x"),
            *("目标检测模型_中文名称_很长很长的名字", "検出モデル", "W" * 90, "人" * 60, "", "a\nb"),
        )
    ),
    st.text(max_size=50),
)
FIGURES = st.one_of(
    st.floats(1e-3, 1e9), st.floats(1.0, 3.0), st.sampled_from((1.0, 1.0001, 2.0, 1000.0, 1e6))
)
SUBJECT = Subject("x", "Title", "about", Kind.MEASURED, unit="latency", band="rounds")


def whole(drawing, texts, height):
    """No text meets another, none leaves the picture."""
    picture = Box(0, 0, drawing.layout.width, height)
    assert meeting(texts) == []
    assert [one for one in texts if one.text and not picture.holds(one.box)] == []


def free_of(texts, places, half):
    boxes = [Box(x - half, y - half, x + half, y + half) for x, y in places]
    assert [(text, box) for text in texts for box in boxes if text.text and text.box.meets(box)] == []


@st.composite
def banded(draw):
    """Rows as the charts of models and of operators have them."""
    linked = draw(st.booleans())
    bands = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=8)):
        values = draw(st.lists(FIGURES, min_size=1, max_size=2 if linked else 6))
        entries = [
            Entry(
                *(value, at % 2, f"s{at}", "title"),
                label=draw(st.sampled_from(("12.3 ms", ">= 1.23 ms", "", "9 ns"))),
                side=draw(st.sampled_from((Anchor.START, Anchor.END))),
                lane=0 if linked else draw(st.integers(0, 1)),
                band=draw(st.sampled_from((None, (value * 0.9, value * 1.4)))),
            )
            for at, value in enumerate(values)
        ]
        note = draw(st.sampled_from(("", "2.3× faster", "6 cases", "快 12 倍")))
        bands.append(Band(name, tuple(entries), linked=linked, note=note))
    return bands


@given(banded(), st.booleans())
def test_texts_of_rows_stay_whole_and_apart(bands, bars):
    for drawing in draw_rows(replace(SUBJECT, bars=bars), bands):
        whole(drawing, drawing.texts, drawing.height)
        for row in drawing.rows:
            assert all(0 <= mark.x <= drawing.layout.width for mark in row.marks)
            free_of([row.label, *row.texts], [(mark.x, mark.y) for mark in row.marks], 4.0)


@given(st.lists(st.tuples(NAMES, st.lists(st.tuples(NAMES, FIGURES), min_size=1, max_size=10)), max_size=60))
def test_every_row_and_series_is_drawn_or_counted(rows):
    named = [(f"{at} {name}", [Value(s, v, "text") for s, v in own]) for at, (name, own) in enumerate(rows)]
    chart = row_chart(SUBJECT, named)
    if not rows:
        assert chart is None
        return
    series = {value.series for _, own in named for value in own}
    assert len(chart.rows) + chart.left_out <= len(rows)
    assert len(chart.keys) + chart.series_left_out == len(series)
    assert len(chart.rows) <= ROW_LIMIT
    for drawing in chart.drawings:
        whole(drawing, drawing.texts, drawing.height)


POINTS = st.lists(st.builds(Point, FIGURES, FIGURES, st.sampled_from("ab"), NAMES, NAMES), max_size=70)


@given(POINTS, st.lists(st.tuples(FIGURES, FIGURES), min_size=2, max_size=2) | st.none())
def test_names_of_dots_stay_whole_and_apart(points, line):
    corners = [Corner(tuple(line), "roof", None, "peak 600 GMAC/s")] if line else []
    plot = scatter(replace(SUBJECT, show=significant), ("MAC a byte", "GMAC/s"), points, corners)
    if not points:
        assert plot is None
        return
    for drawing in plot.drawings:
        whole(drawing, drawing.texts, drawing.height)
        names = [text for text in drawing.texts if text.style == "value"]
        free_of(names, [(dot.x, dot.y) for dot in drawing.dots], MARK_PX - 0.1)
        wished = sum(bool(point.label) for point in points)
        # What a line is stands below the plot, too.
        assert wished <= len(names) + drawing.unnamed <= wished + len(corners)
        assert {str(number) for number, _ in drawing.key} <= {text.text for text in names}


@given(st.lists(st.builds(Wish, st.floats(10, 300), st.floats(10, 200), NAMES), max_size=40))
def test_a_name_is_placed_or_numbered_or_counted_and_no_leader_runs_through_one(wishes):
    area = Box(0, 0, 330, 220)
    found = place_names(wishes, area, [(one.x, one.y) for one in wishes])
    assert len(found.texts) + found.unnamed == len(wishes)
    assert [number for number, _ in found.key] == list(range(1, len(found.key) + 1))
    assert meeting(found.texts) == []
    assert [one for one in found.texts if one.text and not area.holds(one.box)] == []
    for leader in found.leaders:
        for step in range(1, 20):
            x = leader.x1 + (leader.x2 - leader.x1) * step / 20
            y = leader.y1 + (leader.y2 - leader.y1) * step / 20
            crossed = [
                text
                for text in found.texts
                if text.text and text.box.meets(Box(x - 0.1, y - 0.1, x + 0.1, y + 0.1))
            ]
            # Its own name alone, which it may touch with its end.
            assert len(crossed) <= 1, (leader, crossed)


@pytest.mark.parametrize("count", [1, 1000])
def test_one_dot_or_a_thousand(count):
    points = [Point(1.0 + at % 37, 1.0 + at % 101, "a", f"p{at}", f"network_{at}") for at in range(count)]
    plot = scatter(replace(SUBJECT, show=significant), ("x", "y"), points, [])
    for drawing in plot.drawings:
        assert len(drawing.dots) == count
        whole(drawing, drawing.texts, drawing.height)
        names = [text for text in drawing.texts if text.style == "value"]
        assert len(names) + drawing.unnamed == count


def test_an_outlier_of_a_thousand_times_makes_a_logarithmic_axis_that_says_so():
    rows = [(f"m{at}", [Value("a", 1.0 + at / 10, "t")]) for at in range(9)]
    plain = row_chart(SUBJECT, rows)
    far = row_chart(SUBJECT, [*rows, ("far", [Value("a", 1900.0, "t")])])
    assert (plain.axis.logarithmic, plain.axis.low, far.axis.logarithmic) == (False, 0.0, True)
    titles = [
        next(text.text for text in chart.drawings[0].labels if text.style == "axis") for chart in (plain, far)
    ]
    assert titles == ["latency", "latency, logarithmic"]
    places = [row.marks[0].x for row in far.rows]
    # Every other row is still told apart from its neighbour.
    assert len(set(places)) == len(places)


def test_bars_begin_at_zero():
    chart = row_chart(
        replace(SUBJECT, bars=True, logarithmic=False),
        [("a", [Value("s", 900.0, "t")]), ("b", [Value("s", 1000.0, "t")])],
    )
    assert chart.axis.low == 0.0
    lengths = [row.marks[0].x - chart.axis.start for row in chart.rows]
    assert lengths[0] / lengths[1] == pytest.approx(0.9, abs=0.001)


def test_a_band_is_drawn_where_its_mark_does_not_hide_it():
    rows = [
        ("wide", [Value("a", 10.0, "t", band=(8.0, 12.0))]),
        ("hidden", [Value("a", 10.0, "t", band=(9.99, 10.01))]),
    ]
    chart = row_chart(SUBJECT, rows)
    (wide,), (hidden,) = (row.marks for row in chart.rows)
    assert wide.band[0] < wide.x < wide.band[1]
    assert hidden.band is None
    assert chart.banded
    assert not row_chart(SUBJECT, rows[1:]).banded


def test_a_job_s_band_stands_on_its_head_in_how_often_it_fits(tmp_path):
    rows = gateway.rows()
    decision = gateway.context(tmp_path, rows).decision
    drawn = [one for one in decision.verdicts if one.price_usd and one.jobs]
    plot = pareto([replace(one, load_band=(one.load / 2, one.load * 4)) for one in drawn])
    assert plot.banded
    for one, point in zip(
        sorted(drawn, key=lambda one: one.jobs), sorted(plot.points, key=lambda one: one.y), strict=True
    ):
        assert point.band == pytest.approx((one.jobs / 4, one.jobs * 2))
        assert point.band[0] < point.y < point.band[1]
    for dot in plot.drawings[0].dots:
        assert dot.band[0] > dot.y > dot.band[1]
    assert not pareto([replace(one, load_band=None) for one in drawn]).banded
