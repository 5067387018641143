"""Layers on the page: which models have room, what stands in their tables, and that names stay text."""

import html
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Kind
from npubench.domain.layers import CPU, NPU, BytesOf, Join, Layer
from npubench.domain.specs import CaseKind
from npubench.domain.text import visible
from npubench.reporting.data.translate import use_language
from npubench.reporting.layers import section
from npubench.reporting.layers.section import layer_section
from npubench.reporting.page.page import PageContext, render
from tests.sample_layers import BOARD, BODY, HEAD, NET, SOFTMAX, STEM, row, table

CONTEXT = PageContext("t", "2026-03-02T09:40:00+00:00", "run", "0.1.0", "w", boards=(BOARD,))
LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def shown(*layers, standing="", **changes):
    found = row(layers[0] if not isinstance(layers[0], Layer) else layers, **changes)
    [one] = layer_section([found], (BOARD,), {found.key: standing}).views
    return one


def columns(view):
    """Cells by the title of their column, texts as they are shown."""
    told = json.loads(view.packed)
    assert [one["number"] for one in told["heads"]] == [one.is_number for one in view.heads]
    return {
        head.title: cells if head.is_number else [told["texts"][at] for at in cells]
        for head, cells in zip(view.heads, told["cells"], strict=True)
    }


def test_a_table_has_every_figure_that_a_designer_asks_for():
    found = columns(shown(*NET))
    assert found["#"] == [1, 2, 3, 4]
    assert found["Layer"][0] == "…/stem/Conv"
    assert found["Latency"] == [400, 500, 80, 20]
    assert found["Share"] == [40, 50, 8, 2]
    assert found["Held up by"] == ["few channels", "products", "products", "CPU"]
    assert found["Unit"] == ["NPU", "NPU", "NPU", "CPU"]
    assert found["Operator"] == ["Conv Relu", "Conv Relu", "Conv", "Softmax"]
    assert found["MMAC"] == [20e6, 100e6, 16e6, None]
    assert found["Traffic"] == [200_000, 500_000, 100_000, None]
    assert found["Rate"] == pytest.approx([50e9, 200e9, 200e9, None])
    assert found["ONNX nodes"][0] == "/net/stem/Conv, /net/stem/Relu"


def test_columns_that_nothing_is_told_of_are_left_out_and_bytes_are_named_for_what_they_are():
    bare = columns(shown(Layer("a", time_us=1.0), Layer("b", time_us=2.0)))
    assert list(bare) == ["#", "Layer", "Latency", "Share"]
    tensors = shown(replace(table(*NET), bytes_of=BytesOf.TENSORS))
    assert "Tensors" in columns(tensors)
    assert "Traffic" not in columns(tensors)


def test_the_ten_heaviest_have_bars_against_the_heaviest():
    layers = [Layer(f"l{at}", unit=NPU, time_us=float(at)) for at in range(15)]
    bars = shown(*layers).heaviest
    assert [one.number for one in bars] == [15, 14, 13, 12, 11, 10, 9, 8, 7, 6]
    assert (bars[0].width, bars[1].width) == (100, 92.86)
    assert (bars[0].text, bars[0].share) == ("14.0 µs", "13 %")


def test_only_what_is_left_to_the_cpu_beside_an_npu_is_marked_so():
    assert [one.left for one in shown(*NET).heaviest] == [False, False, False, True]
    alone = [replace(one, unit=CPU) for one in NET]
    assert not any(one.left for one in shown(*alone).heaviest)


def test_layers_that_take_nothing_have_no_bars():
    assert shown(Layer("a", time_us=0.0), Layer("b", time_us=0.0)).heaviest == ()
    untold = shown(table(Layer("a"), total=None))
    assert (untold.heaviest, untold.total) == ((), "")


def test_nodes_are_cut_like_layers_and_the_page_says_of_what():
    layers = [
        Layer(f"L{at}", nodes=(f"/model/backbone/{at}/Conv",), join=Join.NAMED, time_us=1.0)
        for at in range(4)
    ]
    found = shown(*layers)
    assert found.starts == ("", "/model/backbone/")
    assert columns(found)["ONNX nodes"][1] == "…/1/Conv"
    partly = shown(replace(STEM, join=Join.PARTLY), BODY)
    assert columns(partly)["ONNX nodes"][0].startswith("≈ /net/stem/Conv")


@pytest.mark.parametrize(
    ("join", "why"),
    [(Join.ADDED, "the tool made it"), (Join.END, "an input or output"), (Join.UNKNOWN, "cannot be told")],
)
def test_a_layer_without_nodes_says_why(join, why):
    told = json.loads(shown(replace(STEM, nodes=(), join=join), BODY).packed)
    assert why in told["texts"][told["missing"][0]]
    assert told["texts"][told["missing"][1]] == ""


def test_models_are_shown_and_operators_counted():
    operator = row(NET, key="2", case_kind=CaseKind.OPERATOR)
    found = layer_section([row(NET, key="1"), operator], (), {})
    assert ([one.result.key for one in found.views], found.operators) == (["1"], 1)
    only = layer_section([operator], (), {})
    assert (only.views, only.operators) == ((), 1)
    bare = replace(row(NET), figures=replace(row(NET).figures, layers=None))
    assert layer_section([bare], (), {}) is None


def test_what_has_no_room_is_counted(monkeypatch):
    rows = [row(NET, key=str(at)) for at in range(5)]
    monkeypatch.setattr(section, "MOST_VIEWS", 3)
    found = layer_section(rows, (), {})
    assert (len(found.views), found.left_out, found.opened) == (3, 2, 1)
    monkeypatch.setattr(section, "MOST_LAYERS", 9)
    found = layer_section(rows, (), {})
    assert (len(found.views), found.left_out, found.opened) == (2, 3, 2)
    # One model alone is shown, however many layers it has.
    monkeypatch.setattr(section, "MOST_LAYERS", 1)
    assert len(layer_section(rows, (), {}).views) == 1


def test_kinds_of_one_row_stand_apart():
    simulated = row(NET)
    measured = replace(simulated.figures, kind=Kind.MEASURED, layers=table(*NET, kind=Kind.MEASURED))
    both = replace(simulated, figures=measured, estimate=simulated.figures)
    views = layer_section([both], (), {}).views
    assert [one.kind for one in views] == [Kind.MEASURED, Kind.SIMULATED]
    assert [head.style for one in views for head in one.heads if head.title == "Latency"] == ["me", "si"]


def test_a_row_that_cannot_be_relied_on_is_marked():
    assert shown(*NET, standing="noisy").standing == "noisy"
    rows = [row(NET, emulated=True)]
    page = render(rows, CONTEXT)
    assert 'details class="layers doubted"' in page
    assert "The row&#39;s figures cannot be relied on" in page
    assert 'details class="layers"' in render([row(NET)], CONTEXT)


def test_the_command_that_is_named_is_one_for_a_shell():
    found = shown(*NET, case="my model; rm", board="a board")
    assert found.command == "npubench layers 'my model; rm' --board 'a board' --precision int8"


@LANGUAGES
def test_a_page_without_layers_has_neither_section_nor_script(language):
    bare = replace(row(NET), figures=replace(row(NET).figures, layers=None))
    with_layers, without = (render([one], replace(CONTEXT, language=language)) for one in (row(NET), bare))
    assert ('id="layers"' in with_layers, "LayerRows" in with_layers) == (True, True)
    assert ('id="layers"' in without, "LayerRows" in without) == (False, False)


@LANGUAGES
def test_the_sum_and_the_advice_stand_on_the_page(language):
    page = html.unescape(render([row(NET)], replace(CONTEXT, language=language)))
    if language == "en":
        assert "layers 1.000 ms = 1.000 ms, the tool's total" in page
        assert "the first convolution reads 3 channels" in page
        assert "at most 400 µs of 1.00 ms (40 %)" in page
    else:
        assert "各层 1.000 ms = 1.000 ms，工具的总量" in page
        assert "首个卷积只有 3 个输入通道" in page


def test_where_nothing_stands_out_the_page_says_what_was_looked_for():
    page = html.unescape(render([row((BODY, HEAD))], CONTEXT))
    assert "Nothing stands out. Looked for in vain: operators on the CPU; " in page
    assert "Looked for in vain" not in render([row(NET)], CONTEXT)


HOSTILE = '</script><img src=x onerror=alert(1)>{{ 7 * 7 }}&"\x1b[31m\u202e'


@LANGUAGES
def test_names_stay_text_wherever_they_stand(language):
    layer = Layer(HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,), Join.NAMED, HOSTILE, 5.0)
    on_cpu = replace(SOFTMAX, tool_type=HOSTILE, operators=(HOSTILE,), name=HOSTILE, unit=CPU)
    made = row((layer, BODY, on_cpu), case=HOSTILE)
    page = render([made], replace(CONTEXT, language=language))
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7 * 7 }}" in html.unescape(page)
    start = page.index('id="layers"')
    assert page[start:].count("</script>") == page[start:].count("<script")


@given(
    st.lists(
        st.builds(
            Layer,
            st.text(max_size=30), st.text(max_size=9), unit=st.sampled_from(["NPU", "CPU", "", "<b>"]),
            nodes=st.lists(st.text(max_size=20), max_size=3).map(tuple), join=st.sampled_from(Join),
            time_us=st.none() | st.floats(0, 1e9), graph_macs=st.none() | st.integers(0, 10**15),
            bytes=st.none() | st.integers(0, 10**12),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_every_layer_is_in_the_table_with_its_exact_figures(layers):
    found = shown(*layers)
    told = columns(found)
    assert found.count == len(layers)
    assert told["#"] == list(range(1, len(layers) + 1))
    if "Latency" in told:
        assert told["Latency"] == pytest.approx([one.time_us for one in layers])
    if "MMAC" in told:
        assert told["MMAC"] == [one.graph_macs for one in layers]
    assert [*map(visible, told["Layer"])] == told["Layer"]
    assert "<" not in found.packed
    with use_language("zh"):
        assert len(json.loads(shown(*layers).packed)["cells"]) == len(told)
