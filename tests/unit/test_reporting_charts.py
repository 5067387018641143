from dataclasses import replace

from npubench.domain.records import Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.reporting.charts import board_charts, latency_charts
from npubench.reporting.data.op_support import missing_operators
from tests import sample_results

KINDS = list(Kind)


def test_a_chart_has_one_board_and_one_kind():
    found = latency_charts.model_charts(sample_results.everything(), KINDS)
    about = [(*one.subject.about.partition(", ")[::2], one.subject.kind, one.emulated) for one in found]
    told = "{}; {} of one inference; left is faster; {} axis"
    assert about == [
        ("local", told.format("onnxruntime", "median", "logarithmic"), Kind.MEASURED, False),
        ("virtual-a7", told.format("pulsar", "mean", "linear"), Kind.MEASURED, True),
        ("virtual-a7", told.format("pulsar", "mean", "linear"), Kind.SIMULATED, True),
    ]
    assert found[0].subject.title == "FP32 against INT8 latency"
    assert found[1].subject.title == "INT8 latency"
    assert [key[2] for key in found[0].keys] == ["FP32", "INT8"]


def test_rows_go_from_slow_to_fast_and_say_the_gain():
    (chart,) = latency_charts.model_charts(sample_results.models(), KINDS)
    assert [row.name for row in chart.rows][:2] == ["vit_base_p16_224", "densenet121"]
    notes = {row.name: row.note for row in chart.rows}
    assert notes["resnet18"] == "2.3× faster"
    assert notes["shufflenet_v2"] == "1.2× slower"


def test_faster_lies_left():
    (chart,) = latency_charts.model_charts(sample_results.models(), KINDS)
    for row in chart.rows:
        places = {mark.style: mark.x for mark in row.marks}
        assert (places["mark int8"] < places["mark fp32"]) is ("faster" in row.note)


def test_more_rows_than_room_are_counted():
    rows = [sample_results.result(f"model{i}") for i in range(latency_charts.ROW_LIMIT + 7)]
    (chart,) = latency_charts.model_charts(rows, KINDS)
    assert len(chart.rows) == latency_charts.ROW_LIMIT
    assert chart.left_out == 7


def test_operators_of_a_type_share_a_row():
    (chart,) = latency_charts.operator_charts(sample_results.operators(), KINDS)
    assert len(chart.rows) == len(sample_results.OPERATORS)
    assert {row.note for row in chart.rows} == {"6 cases"}
    assert all(len(row.marks) == 12 and len(row.medians) == 2 for row in chart.rows)


def test_many_operators_are_drawn_as_medians_alone(monkeypatch):
    monkeypatch.setattr(latency_charts, "MARK_LIMIT", 30)
    (chart,) = latency_charts.operator_charts(sample_results.operators(30), KINDS)
    assert all(not row.marks and len(row.medians) == 2 for row in chart.rows)


def test_rows_without_a_positive_time_have_no_chart():
    nothing = Figures(Kind.MEASURED, Latency(10, 0.0))
    rows = [sample_results.result(figures=nothing), *sample_results.failures()]
    assert latency_charts.model_charts(rows, KINDS) == []
    assert latency_charts.operator_charts([], KINDS) == []


def test_what_is_counted_has_whole_numbers_on_its_axis():
    counted = (
        board_charts.missing_chart(missing_operators(sample_results.failures())),
        board_charts.codec_chart([sample_results.codec()]),
    )
    labels = [[tick.label for tick in chart.axis.ticks if tick.label] for chart in counted]
    assert labels == [["0", "1", "2"], ["0", "2", "4", "6", "8", "10"]]


def rings(chart):
    return {
        (row.name, mark.title.rpartition("; ")[2]) for row in chart.rows for mark in row.marks if mark.doubted
    }


def test_what_is_not_to_be_relied_on_is_ringed_and_says_why():
    rows = sample_results.models()
    noisy = next(row for row in rows if row.case == "resnet18")
    (chart,) = latency_charts.model_charts(rows, KINDS, {noisy.key: "noisy"})
    assert rings(chart) == {("resnet18", "noisy")}
    assert chart.doubted
    assert not latency_charts.model_charts(rows, KINDS)[0].doubted


def test_an_unsteady_time_casts_no_doubt_on_outputs():
    rows = [
        row for row in sample_results.models() if row.case == "resnet18" and row.precision is Precision.INT8
    ]

    def of(word):
        found = board_charts.charts_over_boards(rows, KINDS, [], {rows[0].key: word})
        return [rings(chart) for chart in found if chart.subject.name == "accuracy"]

    assert of("noisy") == [set()]
    assert of("doubtful") == [{("resnet18", "doubtful")}]


def test_failed_cases_of_a_drawn_board_are_named_with_the_chart():
    rows = [sample_results.result("resnet18"), sample_results.failed("yolox_s", operators=("TopK",))]
    elsewhere = replace(sample_results.failed("swin"), board="other")
    (chart,) = latency_charts.model_charts([*rows, elsewhere], KINDS)
    assert [one.split(" ")[0] for one in chart.absent] == ["yolox_s"]
    assert rows[1].failure.failure_class.value in chart.absent[0]
