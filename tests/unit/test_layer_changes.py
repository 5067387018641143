"""Layers from A to B: what is matched with what, what became of it, and that all of it makes the change."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Kind
from npubench.domain.layers import CPU, NPU, VELA, Beside, Besides, Join, Layer, LayerTable
from npubench.domain.text import columns_of, printable
from npubench.reporting.compare.pairing import Side
from npubench.reporting.layers.change_text import MOST_NAMED, markdown, sum_line, to_text
from npubench.reporting.layers.changes import Fate, compare_views, layers_compared
from npubench.reporting.layers.matching import MatchedBy, match
from npubench.reporting.layers.view import Amount, views_of
from tests.sample_layers import BODY, HEAD, NET, SOFTMAX, STEM, row, table


def view(*layers, **changes):
    return next(views_of(row(layers[0] if isinstance(layers[0], LayerTable) else layers, **changes), ()))


def compared(before, after):
    [found], lacking = layers_compared(Side("A", (row(before),)), Side("B", (row(after),)))
    assert lacking == []
    return found


def fates(before, after):
    return {one.fate: one for one in compared(before, after).named}


def test_the_layer_that_changed_is_named_with_its_share_of_the_change():
    found = compared(NET, (replace(STEM, time_us=100.0), BODY, HEAD, SOFTMAX))
    [change] = found.named
    assert (change.fate, change.names_b, change.before, change.after) == (
        Fate.FASTER, ("Conv:/net/stem/Conv",), 400.0, 100.0,
    )  # fmt: skip
    assert (found.difference, change.difference, change.share) == (-300.0, -300.0, 1.0)
    assert (found.others, found.others_difference, found.rest) == (3, 0.0, 0.0)


def test_a_layer_that_moves_to_another_unit_is_named_whatever_it_takes():
    moved = fates(NET, (STEM, BODY, HEAD, replace(SOFTMAX, unit=NPU)))[Fate.MOVED]
    assert (moved.units_a, moved.units_b, moved.difference) == (("CPU",), ("NPU",), 0.0)


def test_layers_are_matched_by_nodes_though_the_tool_names_them_anew():
    renamed = [replace(one, name=f"tile_{at}") for at, one in enumerate(NET)]
    found = compared(NET, renamed)
    assert (found.named, found.others) == ((), 4)


def test_layers_that_the_tool_fuses_or_splits_are_matched_with_all_of_their_nodes():
    conv = replace(STEM, nodes=("/net/stem/Conv",), time_us=300.0)
    relu = replace(STEM, name="relu", nodes=("/net/stem/Relu",), time_us=100.0)
    assert fates((conv, relu, BODY), (STEM, BODY))[Fate.MERGED].names_a == (conv.name, relu.name)
    assert fates((STEM, BODY), (conv, relu, BODY))[Fate.SPLIT].names_b == (conv.name, relu.name)


def test_groups_that_a_layer_joins_hold_the_nodes_of_both():
    before = [Layer("a", nodes=("u",)), Layer("b", nodes=("v", "w"))]
    after = [Layer("c", nodes=("u", "v")), Layer("d", nodes=("w",))]
    [found] = match(view(*before).rows, view(*after).rows)
    assert ([x.layer.name for x in found.before], [x.layer.name for x in found.after]) == (
        ["a", "b"],
        ["c", "d"],
    )


def test_without_nodes_names_match_and_then_forms():
    bare = [replace(one, nodes=(), join=Join.UNKNOWN) for one in (STEM, BODY)]
    found = match(view(*bare).rows, view(*bare).rows)
    assert [one.by for one in found] == [MatchedBy.NAME, MatchedBy.NAME]
    anew = [replace(one, name=f"{one.name}~2") for one in bare]
    assert {one.by for one in match(view(*bare).rows, view(*anew).rows)} == {MatchedBy.FORM}


def test_what_only_one_side_has_is_new_or_gone():
    found = fates((STEM, BODY), (BODY, HEAD))
    assert found[Fate.GONE].difference == -400.0
    assert found[Fate.NEW].difference == 80.0


def test_a_figure_that_one_side_lacks_is_no_faster_layer():
    found = fates(NET, (replace(STEM, time_us=None), BODY, HEAD, SOFTMAX))
    assert set(found) == {Fate.UNCOUNTED}
    assert (found[Fate.UNCOUNTED].before, found[Fate.UNCOUNTED].after) == (400.0, None)


def test_a_layer_without_figures_has_no_share_of_the_change():
    bare = Layer("fold", "SpaceToDepth", unit=CPU)
    found = fates((STEM, BODY), (replace(STEM, time_us=100.0), BODY, bare))
    assert (found[Fate.NEW].share, found[Fate.FASTER].share) == (None, 1.0)


def test_kinds_are_never_compared():
    simulated = row(NET)
    measured = row(table(*NET, kind=Kind.MEASURED))
    found, [lacking] = layers_compared(Side("A", (simulated,)), Side("B", (measured,)))
    assert found == []
    assert lacking.why == "layers are simulated in A and measured in B: kinds are never compared"


def test_a_side_without_layers_says_which():
    bare = replace(row(NET), figures=replace(row(NET).figures, layers=None))
    for a, b, why in ((bare, row(NET), "A has no layers"), (row(NET), bare, "B has no layers")):
        _, [lacking] = layers_compared(Side("A", (a,)), Side("B", (b,)))
        assert lacking.why.startswith(why)
    _, [lacking] = layers_compared(Side("A", (bare,)), Side("B", (bare,)))
    assert to_text([], [lacking], 80) == "1 case without layers on either side"


def test_two_tools_and_two_files_of_one_name_are_noted():
    found = compare_views(
        view(*NET, onnx_sha256="a"), view(replace(table(*NET), tool=VELA), onnx_sha256="b"), Amount.TIME
    )
    assert any("two tools" in note for note in found.notes)
    assert any("the ONNX files differ" in note for note in found.notes)


def test_what_is_beside_layers_is_part_of_the_change():
    before = table(*NET, total=1050.0, beside=(Beside(Besides.OUTSIDE_OF_LAYERS, 50.0),))
    after = table(*NET, total=1200.0, beside=(Beside(Besides.OUTSIDE_OF_LAYERS, 200.0),))
    found = compared(before, after)
    assert sum_line(found) == "change of the total +150 us = outside of layers +150 us"


AMOUNTS = st.none() | st.floats(0, 1e7)
SIDES = st.lists(
    st.builds(
        Layer,
        st.sampled_from(["a", "b", "c", ""]) | st.text(max_size=60), st.text(max_size=9),
        nodes=st.lists(st.sampled_from("uvwxyz"), max_size=3, unique=True).map(tuple),
        unit=st.sampled_from(["NPU", "CPU", "DMA+NPU+a very long unit"]), time_us=AMOUNTS,
        join=st.sampled_from(Join),
    ),
    min_size=1, max_size=9,
)  # fmt: skip


@given(SIDES, SIDES)
def test_every_layer_is_in_exactly_one_match(before, after):
    one, other = view(*before), view(*after)
    found = match(one.rows, other.rows)
    assert sorted(x.number for m in found for x in m.before) == [x.number for x in one.rows]
    assert sorted(x.number for m in found for x in m.after) == [x.number for x in other.rows]


@given(SIDES, SIDES)
def test_named_layers_others_and_what_is_beside_make_the_change(before, after):
    found = compared(before, after)
    told = sum(one.difference for one in (*found.named, *found.beside)) + found.others_difference
    assert told + found.rest == pytest.approx(found.difference, abs=1e-3)
    assert found.rest == pytest.approx(0, abs=1e-3 * max(1, found.total_a, found.total_b) * 1e-3)
    assert len(found.named) + found.others == len(match(view(*before).rows, view(*after).rows))


@given(SIDES, SIDES, st.integers(80, 160))
def test_every_line_fits_the_terminal_and_steers_nothing(before, after, width):
    for line in to_text([compared(before, after)], [], width).split("\n"):
        assert columns_of(line) <= width
        assert printable(line) == line


@given(SIDES, SIDES)
def test_a_name_breaks_out_of_no_table_of_a_pull_request(before, after):
    found = compared(before, after)
    rows = [line for line in markdown([found], []).split("\n") if line.startswith("|")]
    heads = rows[:1]
    assert all(line.count(" | ") >= heads[0].count(" | ") for line in rows[2:])
    assert len(rows) == (2 + min(MOST_NAMED, len(found.named)) if found.named or found.difference else 0)


def test_cycles_are_named_once_above_their_figures():
    layers = [Layer("a", cycles=1000), Layer("b", cycles=500)]
    before = LayerTable(Kind.SIMULATED, "RKNN-Toolkit2", total_cycles=1500).holding(layers)
    after = replace(before, total_cycles=2500).holding([replace(layers[0], cycles=2000), layers[1]])
    text = to_text([compared(before, after)], [], 80)
    assert "change  layer  A cycles  B cycles  difference  of the change" in text
    assert "slower  a          1000      2000       +1000          100 %" in text


def test_names_are_cut_by_what_they_share_and_unchanged_cases_are_counted():
    layers = [replace(STEM, name=f"Conv:/model/backbone/{at}", nodes=(f"n{at}",)) for at in range(4)]
    faster = [replace(one, time_us=100.0) for one in layers]
    text = to_text([compared(layers, faster), compared(layers, layers)], [], 80)
    assert "faster  …/0" in text
    assert "…/ stands for Conv:/model/backbone/" in text
    assert text.endswith("layers unchanged: 1 case")
