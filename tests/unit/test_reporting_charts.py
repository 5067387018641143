from npubench.domain.records import Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.reporting.charts import board_charts, row_chart
from npubench.reporting.data.op_support import missing_operators
from tests import sample_results

KINDS = list(Kind)


def test_a_chart_has_one_board_and_one_kind():
    found = row_chart.model_charts(sample_results.everything(), KINDS)
    assert [(chart.board, chart.kind, chart.emulated) for chart in found] == [
        ("local", Kind.MEASURED, False),
        ("virtual-a7", Kind.MEASURED, True),
        ("virtual-a7", Kind.SIMULATED, True),
    ]
    assert [chart.statistic for chart in found] == ["p50", "mean", "mean"]
    assert found[0].title == "FP32 against INT8 latency"
    assert found[1].title == "INT8 latency"


def test_rows_go_from_slow_to_fast_and_say_the_gain():
    (chart,) = row_chart.model_charts(sample_results.models(), KINDS)
    assert [row.label for row in chart.rows][:2] == ["vit_base_p16_224", "densenet121"]
    notes = {row.label: row.note for row in chart.rows}
    assert notes["resnet18"] == "2.3× faster"
    assert notes["shufflenet_v2"] == "1.2× slower"


def test_faster_lies_left():
    (chart,) = row_chart.model_charts(sample_results.models(), KINDS)
    for row in chart.rows:
        places = {mark.precision: mark.x for mark in row.lanes[0].marks}
        assert (places[Precision.INT8] < places[Precision.FP32]) is ("faster" in row.note)


def test_more_rows_than_room_are_counted():
    rows = [sample_results.result(f"model{i}") for i in range(row_chart.ROW_LIMIT + 7)]
    (chart,) = row_chart.model_charts(rows, KINDS)
    assert len(chart.rows) == row_chart.ROW_LIMIT
    assert chart.left_out == 7


def test_operators_of_a_type_share_a_row():
    (chart,) = row_chart.operator_charts(sample_results.operators(), KINDS)
    assert len(chart.rows) == len(sample_results.OPERATORS)
    assert {row.note for row in chart.rows} == {"6 cases"}
    assert all(len(lane.marks) == 6 and lane.middle for row in chart.rows for lane in row.lanes)


def test_many_operators_are_drawn_as_medians_alone(monkeypatch):
    monkeypatch.setattr(row_chart, "MARK_LIMIT", 30)
    (chart,) = row_chart.operator_charts(sample_results.operators(30), KINDS)
    assert all(not lane.marks and lane.middle for row in chart.rows for lane in row.lanes)


def test_rows_without_a_positive_time_have_no_chart():
    nothing = Figures(Kind.MEASURED, Latency(10, 0.0))
    rows = [sample_results.result(figures=nothing), *sample_results.failures()]
    assert row_chart.model_charts(rows, KINDS) == []
    assert row_chart.operator_charts([], KINDS) == []


def test_what_is_counted_has_whole_numbers_on_its_axis():
    counted = (
        board_charts.missing_chart(missing_operators(sample_results.failures())),
        board_charts.codec_chart([sample_results.codec()]),
    )
    labels = [[tick.label for tick in chart.axis.ticks if tick.label] for chart in counted]
    assert labels == [["0", "1", "2"], ["0", "2", "4", "6", "8", "10"]]
