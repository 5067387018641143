"""A bound is a bound: in words, tables, charts, comparisons and requirements."""

import csv
import io
import json
from dataclasses import replace

import pytest

from npubench.cli.listeners import sentence
from npubench.domain.figures import part_of_npu
from npubench.domain.records import Bound, BoundReason, Bounds, Figures, Kind, Latency
from npubench.domain.specs import Precision
from npubench.domain.text import columns_of
from npubench.measure.reliability import assess_stability
from npubench.reporting.charts.board_charts import latency_charts
from npubench.reporting.charts.latency_charts import model_charts
from npubench.reporting.compare import formats as compared
from npubench.reporting.compare.change import Outcome, RegressionPolicy
from npubench.reporting.compare.comparison import compare
from npubench.reporting.compare.pairing import Side
from npubench.reporting.data import figures as words
from npubench.reporting.data.figures import pairs, speedup
from npubench.reporting.data.frames import frame
from npubench.reporting.data.published_comparison import compare_with_published
from npubench.reporting.data.rows import row_of
from npubench.reporting.data.summary import summarise
from npubench.reporting.data.table import to_csv
from npubench.reporting.data.tables import case_tables
from npubench.reporting.terminal.results import to_text
from npubench.storage.details import typed
from tests.sample_results import result

NOT_COUNTED = Bounds(Bound.LOWER, BoundReason.LAYERS_NOT_COUNTED, 18, 93)
ON_CPU = Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU, 3, 12)
HALF = Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=0.5)
TEXT = ">= 30.7 ms (18 of 93 layers not counted)"
IN_US = ">= 30700 (18 of 93 layers not counted)"


def simulated(us, bounds=NOT_COUNTED, **changes):
    return Figures(Kind.SIMULATED, Latency(1, us), bounds=bounds, **changes)


def row(us=30_700.0, bounds=NOT_COUNTED, precision=Precision.INT8, fps=None, **changes):
    figures = simulated(us, bounds, throughput_fps=fps)
    return result(precision=precision, **{"figures": figures, "verdict": None, "chip": "RK3566", **changes})


def test_words():
    assert words.latency_text(simulated(30_700.0), 30_700.0) == TEXT
    assert words.latency_text(simulated(30_700.0, None), 30_700.0) == "30.7 ms"
    assert words.why(ON_CPU) == "3 of 12 layers not counted: left to the CPU"
    assert words.latency_text(simulated(4_200.0, HALF), 4_200.0) == "<= 4.20 ms (half of the NPU)"
    third = Bounds(Bound.UPPER, BoundReason.PART_OF_NPU, share=1 / 3)
    assert words.why(third) == "0.33 of the NPU"
    assert words.why(Bounds(Bound.LOWER, BoundReason.LAYERS_ON_CPU)) == "layers on the CPU not counted"


@pytest.mark.parametrize(
    ("over", "under", "ratio"),
    [
        (None, None, Bound.EXACT),
        (Bound.EXACT, None, Bound.EXACT),
        (Bound.LOWER, None, Bound.LOWER),
        (None, Bound.LOWER, Bound.UPPER),
        (Bound.LOWER, Bound.UPPER, Bound.LOWER),
        (Bound.LOWER, Bound.LOWER, None),
        (Bound.UPPER, Bound.UPPER, None),
    ],
)
def test_ratios_of_bounds(over, under, ratio):
    bounds = [one and Bounds(one, BoundReason.LAYERS_ON_CPU) for one in (over, under)]
    assert words.ratio_bound(*bounds) is ratio


def test_rows_of_older_versions_said_it_in_their_details_alone():
    layers = [{"target": "NPU", "cycles_total": 7}, {"target": "CPU", "cycles_total": None}]
    counted = {"statistic": "total cycles over 900 MHz, a lower bound: the tool", "layers": layers}
    left = {
        "statistic": "Vela's model; 1 of 2 rows are left to the CPU and take no time in it",
        "layers": layers,
    }
    found = [words.bounds_of(typed(simulated(1.0, None, details=one))) for one in (counted, left)]
    assert [(one.reason, one.left_out, one.layers) for one in found] == [
        (BoundReason.LAYERS_NOT_COUNTED, 1, 2),
        (BoundReason.LAYERS_ON_CPU, 1, 2),
    ]
    assert words.bounds_of(typed(simulated(1.0, None, details={"npu_mode": "111"}))) == HALF


@pytest.mark.parametrize(
    ("mode", "family", "share"),
    [("111", "", 0.5), ("112", "", 0.5), ("0", "", None), ("NPU1", "AX650", 1 / 3), ("NPU1", "AX620E", 0.5),
     ("NPU2", "AX620E", None), ("NPU3", "AX650", None), ("NPU1", "another", None), (None, "AX650", None)],
)  # fmt: skip
def test_parts_of_an_npu(mode, family, share):
    found = part_of_npu(mode, family)
    assert (found.share if found else None) == (pytest.approx(share) if share else None)


def test_tables_csv_and_json_say_it():
    told = row_of(row(fps=32.6))
    assert told["latency"] == TEXT
    assert told["bounds"] == {
        **{"bound": "lower", "reason": "layers_not_counted"},
        **{"left_out": 18, "layers": 93, "share": None},
    }
    text = to_text([told], 200)
    assert IN_US in text
    assert "<= 32.6" in text
    (line,) = csv.DictReader(io.StringIO(to_csv([told]), newline=""))
    assert (line["latency"], line["bounds.bound"], line["bounds.left_out"]) == (TEXT, "lower", "18")
    exact = row_of(row(bounds=None))
    assert exact["bounds"]["bound"] == "exact"
    assert ">=" not in to_text([exact], 200)
    json.dumps([told, exact], allow_nan=False)


def test_a_narrow_terminal_keeps_the_mark():
    lines = to_text([row_of(row())], 80).splitlines()
    assert all(columns_of(line) <= 80 for line in lines)
    assert ">= 30700" in lines[1]


def test_a_narrow_terminal_says_below_the_table_what_makes_it_a_bound():
    several = [row_of(replace(row(), case=f"network_{number}")) for number in range(7)]
    lines = to_text(several, 54).splitlines()
    assert all(columns_of(line) <= 54 for line in lines)
    assert f"network_4: {IN_US}".replace("\u202f", "") in [line.replace("\u202f", "") for line in lines]
    assert lines[-2].startswith("... 2 more bounds")
    assert IN_US not in "\n".join(lines[:8])


def test_an_empty_median_makes_room_where_there_is_a_mean():
    assert "p50 us" not in to_text([row_of(row())], 200)
    assert "p50 us" in to_text([row_of(row(figures=None))], 200)


def test_an_estimate_beside_a_measurement_says_it_too():
    measured = Figures(Kind.MEASURED, Latency(99, 40_000.0, p50=40_000.0))
    told = row_of(row(figures=measured, estimate=simulated(30_700.0)))
    assert told["estimate"]["latency"] == TEXT
    assert told["bounds"]["bound"] == "exact"
    assert IN_US in to_text([told], 220)


def test_the_run_line_and_the_verdicts_notes():
    assert f"mean {TEXT} (simulated)" in sentence(row()).replace("\u202f", "")
    _, warnings = assess_stability(None, None, simulated(1.0))
    assert tuple(map(str, warnings)) == ("the time is a lower bound: 18 of 93 layers are not counted",)
    assert assess_stability(None, None, simulated(1.0, HALF))[1] == ()


def test_the_page_says_it_in_its_table():
    (table,) = case_tables([row(fps=32.6)])
    data = json.loads(str(table.packed).replace("\\u003c", "<"))
    asides = [[data["names"][at] for at in pair] for one in data["asides"] for pair in one.values()]
    assert ["≥ ", ""] in asides
    assert ["≤ ", ""] in asides
    assert [data["names"][at] for at in data["notes"]["0"]][1:] == [
        "only a bound: 18 of 93 layers not counted"
    ]
    texts = [column.text(0) for column in table.columns]
    assert "≥ 30.7" in texts
    assert "≤ 32.6" in texts


def test_charts_mark_them():
    rows = [row(), row(20_000.0, None, board="other")]
    labels = [mark.label for chart in model_charts(rows, [Kind.SIMULATED]) for one in chart.rows
              for mark in one.marks]  # fmt: skip
    assert sorted(labels) == ["20.0 ms", "≥ 30.7 ms"]
    assert any("18 of 93" in chart.warning for chart in model_charts(rows, [Kind.SIMULATED]))
    (chart,) = latency_charts(rows, [Kind.SIMULATED])
    marks = {mark.label: mark.title for one in chart.rows for mark in one.marks}
    assert TEXT.replace(">=", "≥") in marks["≥"]
    assert "18 of 93" in chart.warning


def test_speed_ups_of_bounds_are_bounds_or_none():
    exact = row(60_000.0, None, Precision.FP32)
    (pair,) = pairs([exact, row(30_000.0)])
    assert (speedup(pair, Kind.SIMULATED).factor, speedup(pair, Kind.SIMULATED).bound) == (2.0, Bound.UPPER)
    (pair,) = pairs([row(60_000.0, ON_CPU, Precision.FP32), row(30_000.0)])
    assert speedup(pair, Kind.SIMULATED) is None
    measured = [replace(one, figures=replace(one.figures, kind=Kind.MEASURED)) for one in (exact, row())]
    assert summarise(measured).gain is None
    assert frame([row()])["simulated_bound"].tolist() == ["lower"]


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        # What both leave out alike is no matter; a bound that differs makes the ratio a bound.
        ((10.0, NOT_COUNTED), (20.0, NOT_COUNTED), Outcome.SLOWER),
        ((10.0, None), (20.0, NOT_COUNTED), Outcome.SLOWER),
        ((20.0, None), (10.0, NOT_COUNTED), Outcome.UNDECIDED),
        ((10.0, None), (10.0, NOT_COUNTED), Outcome.UNDECIDED),
        ((20.0, NOT_COUNTED), (10.0, None), Outcome.FASTER),
        ((10.0, NOT_COUNTED), (20.0, None), Outcome.UNDECIDED),
        ((10.0, NOT_COUNTED), (20.0, ON_CPU), Outcome.NOT_COMPARABLE),
    ],
)
def test_comparisons_are_sure_of_no_more_than_bounds_allow(before, after, outcome):
    found = compare(Side("A", (row(*before),)), Side("B", (row(*after),)), RegressionPolicy())
    (change,) = found.changes
    assert change.outcome is outcome
    assert any("bound" in note for note in change.notes)
    assert bool(found.means) is (before[1] == after[1])
    assert any(">= " in cell for cell in compared.cells(change))


def test_a_line_up_takes_no_mean_of_bounds():
    figures = simulated(1e6 / 46.45)
    case = "resnet18_8xb32_in1k"
    from npubench import published

    own = result(case, Precision.INT8, board="axera-pi", chip="AX620A", backend="pulsar", figures=figures)
    (found,) = compare_with_published([own], published.results())
    assert found.lines[0].bound is Bound.LOWER
    assert found.ratio is None
    assert "ratios that are only bounds, left out of both means: 1" in found.notes
