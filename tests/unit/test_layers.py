"""Layers of tools: what adds up, what does not, how rows keep them, and rows of earlier versions."""

import json
import sqlite3
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Figures, Kind, Latency, PlacedLayer
from npubench.domain.layers import RKNN, VELA, Beside, Besides, Columns, Join, Layer, LayerTable
from npubench.domain.records import Result
from npubench.reporting.data.rows import row_of
from npubench.storage.details import details_of, typed, upgraded
from npubench.storage.json import decode, encode

STORES = Path(__file__).parents[1] / "data/stores"


def table(*times, total=None, beside=()):
    layers = [Layer(f"layer {number}", time_us=time) for number, time in enumerate(times)]
    return LayerTable(Kind.SIMULATED, VELA, total_us=total, beside=beside).holding(layers)


def test_layers_and_what_is_named_beside_them_are_the_total():
    found = table(5.0, 7.0, total=10.0, beside=(Beside(Besides.OVERLAP, -2.5), Beside(Besides.WAITING, 0.5)))
    assert (found.difference_us, found.adds_up) == (0.0, True)


@pytest.mark.parametrize(("total", "adds_up"), [(100.0, True), (101.0, True), (101.2, False), (98.9, False)])
def test_one_percent_may_be_rounded_and_no_more(total, adds_up):
    found = table(60.0, 40.0, total=total)
    assert found.adds_up is adds_up
    assert found.difference_us == pytest.approx(total - 100)


def test_without_a_total_nothing_says_whether_a_layer_is_missing():
    assert (table(1.0).adds_up, table(1.0).difference_us) == (None, None)


def test_without_times_cycles_are_added():
    layers = [Layer(cycles=600), Layer(cycles=400), Layer()]
    found = LayerTable(Kind.SIMULATED, RKNN, total_cycles=1000).holding(layers)
    assert (found.adds_up, found.difference_cycles, found.difference_us) == (True, 0, None)
    assert found.beside == (Beside(Besides.LAYERS_NOT_COUNTED, None, 0, 1),)
    assert not LayerTable(Kind.SIMULATED, RKNN, total_cycles=1020).holding(layers).adds_up


def test_layers_without_a_time_are_named_once():
    found = table(1.0, None, 2.0, None, total=3.0)
    assert found.beside == (Beside(Besides.LAYERS_NOT_COUNTED, 0.0, None, 2),)
    assert found.holding(found.layers).beside == found.beside


def test_columns_are_those_of_a_layer():
    assert [one.name for one in fields(Columns)] == [one.name for one in fields(Layer)]


LAYERS = st.builds(
    Layer,
    *(st.text(), st.text(), st.lists(st.text()).map(tuple), st.lists(st.text()).map(tuple)),
    *(st.sampled_from(Join), st.text(), st.none() | st.floats(0, 1e9), *[st.none() | st.integers(0)] * 6),
    *(st.none() | st.floats(0, 1), st.lists(st.floats(0, 1)).map(tuple)),
    *[st.lists(st.lists(st.integers(0)).map(tuple)).map(tuple)] * 2,
    *(st.text(), st.integers(1, 9)),
)


@given(st.lists(LAYERS))
def test_a_row_gives_the_layers_back_that_it_was_given(layers):
    found = LayerTable(Kind.MEASURED, "any").holding(layers)
    assert found.layers == tuple(layers)


def test_columns_that_a_newer_version_writes_are_passed_over_and_short_ones_refused():
    figures = Figures(Kind.SIMULATED, layers=table(1.0, 2.0, total=3.0))
    told = json.loads(encode(figures))
    told["layers"]["columns"]["phase_of_the_moon"] = ["new", "full"]
    assert decode(Figures, json.dumps(told)) == figures
    told["layers"]["columns"]["unit"] = ["NPU"]
    with pytest.raises(ValueError, match="the column unit of layers has not 2 entries"):
        decode(Figures, json.dumps(told))


OLD_RKNN = [
    {"name": "InputOperator:x", "type": "InputOperator", "precision": "INT8", "target": "CPU"}
    | {"cycles_total": None, "rw_bytes": 0},
    {"name": "Conv:c", "type": "ConvRelu", "precision": "INT8", "target": "NPU"}
    | {"cycles_total": 3000, "rw_bytes": 1024},
    {"name": "", "type": "Split", "precision": "INT8", "target": "NPU", "cycles_total": None, "rw_bytes": 64},
]
OLD_VELA = [
    {"name": "a", "type": "Conv2D", "target": "NPU", "cycles_total": 500},
    {"name": "b", "type": "None", "target": "NPU", "cycles_total": 0},
    {"name": "c", "type": "ArgMin", "target": "CPU", "cycles_total": 0},
]


def test_layers_of_earlier_rows_become_a_table_and_are_printed_where_they_were():
    placed = (PlacedLayer("Conv:c", ("Conv", "Relu"), "NPU"), PlacedLayer("", ("Split",), "NPU"))
    old = Figures(
        *(Kind.SIMULATED, Latency(1, 3.0)), details={"layers": OLD_RKNN, "cycles_ddr": 7}, layers_on=placed
    )
    found = typed(old)
    ends, conv, split = found.layers.layers
    assert (ends.join, conv.join, split.join) == (Join.END, Join.UNKNOWN, Join.UNKNOWN)
    assert (conv.time_us, conv.cycles, conv.operators, conv.bytes) == (3.0, 3000, ("Conv", "Relu"), 1024)
    assert (found.layers.clock_mhz, found.layers.total_us, found.layers.adds_up) == (1000.0, 3.0, True)
    assert found.layers.beside == (Beside(Besides.LAYERS_NOT_COUNTED, 0.0, None, 2),)
    assert details_of(found) == old.details
    assert found.placed_layers == placed
    assert typed(found) is found


def test_vela_counts_nothing_for_what_it_leaves_to_the_cpu():
    found = typed(Figures(Kind.SIMULATED, Latency(1, 0.5), details={"layers": OLD_VELA}))
    assert [one.time_us for one in found.layers.layers] == [0.5, 0.0, None]
    assert [one.tool_type for one in found.layers.layers] == ["Conv2D", "", "ArgMin"]
    assert details_of(found)["layers"] == OLD_VELA


@pytest.mark.parametrize(
    "told",
    [
        [*OLD_VELA, {"name": "d"}],
        [{**OLD_VELA[0], "cycles_total": 1.5}],
        [{**OLD_VELA[0], "more": 1}],
        ["text"],
        [],
        {"method": "MinMax"},
    ],
)
def test_layers_of_another_form_stay_where_they_are(told):
    figures = Figures(Kind.SIMULATED, Latency(1, 3.0), details={"layers": told})
    assert typed(figures).layers is None
    assert details_of(typed(figures)) == figures.details


def test_every_row_of_the_version_before_keeps_what_it_said():
    connection = sqlite3.connect(":memory:")
    connection.executescript((STORES / "before-typed.sql").read_text())
    tables = 0
    for (text,) in connection.execute("SELECT row FROM results"):
        old, row = json.loads(text), upgraded(decode(Result, text))
        for written, figures in ((old["figures"], row.figures), (old["estimate"], row.estimate)):
            if written is None or figures.layers is None:
                continue
            tables += 1
            shown = row_of(row) if figures is row.figures else row_of(row)["estimate"]
            assert shown["layers_on"] == written["layers_on"]
            assert shown["details"]["layers"] == written["details"]["layers"]
            assert figures.layers.adds_up or figures.latency_us is None
    connection.close()
    assert tables >= 4
