"""Views of layers: shares, rates, the sum, advice with its evidence, and how a terminal shows them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.domain.figures import Kind
from npubench.domain.layers import (
    CPU,
    DMA,
    NPU,
    ONNX_RUNTIME,
    Beside,
    Besides,
    BytesOf,
    Join,
    Layer,
    LayerTable,
)
from npubench.domain.notes import NoteCode
from npubench.domain.records import Verdict
from npubench.domain.specs import Precision, TensorSpec
from npubench.domain.text import columns_of, printable
from npubench.reporting.data.translate import use_language
from npubench.reporting.layers.advice import AdviceClass, name_of, percent
from npubench.reporting.layers.convolutions import (
    channels_of,
    is_depthwise,
    multiplies,
    orders_data,
    widths_of,
)
from npubench.reporting.layers.export import CSV_COLUMNS, to_csv, to_record
from npubench.reporting.layers.limits import Limit, limits_of, meanings
from npubench.reporting.layers.rules import advise
from npubench.reporting.layers.sums import notes_of, sum_line, sum_of
from npubench.reporting.layers.text import to_text
from npubench.reporting.layers.view import Amount, Order, views_of
from tests.sample_layers import BOARD, BODY, HEAD, NET, SOFTMAX, STEM, row, table


def view(*layers, boards=(BOARD,), **changes):
    return next(views_of(row(layers[0] if isinstance(layers[0], LayerTable) else layers, **changes), boards))


def _turned(made):
    """A weight as RKNN lists those of depthwise convolutions: 1 x C x k x k."""
    return Layer(operators=("Conv",), input_shapes=((1, 8, 9, 9), (1, 8, 3, 3), (8,)), output_shapes=(made,))


def advised(*layers, **changes):
    return {one.advice_class: one for one in advise(view(*layers, **changes)).found}


def test_shares_and_rates_are_of_the_tools_total_and_of_the_layers_macs():
    rows = view(*NET).rows
    assert [one.share for one in rows] == [0.4, 0.5, 0.08, 0.02]
    assert [one.mac_per_s for one in rows] == pytest.approx([50e9, 200e9, 200e9, None])
    assert [one.of_peak for one in rows] == pytest.approx([0.05, 0.2, 0.2, None])
    assert rows[0].bytes_per_s == pytest.approx(0.5e9)


def test_the_peak_is_of_int8_on_the_npu_alone_and_the_tools_own_share_comes_first():
    fp32 = view(*NET, precision=Precision.FP32)
    assert [one.of_peak for one in fp32.rows] == [None] * 4
    by_tool = view(replace(BODY, mac_utilisation=0.7), replace(HEAD, unit=CPU))
    assert [one.of_peak for one in by_tool.rows] == [0.7, None]
    assert [one.of_peak for one in view(*NET, emulated=True).rows] == [None] * 4


def test_rows_are_sorted_with_what_is_not_known_at_the_end():
    found = view(STEM, replace(BODY, time_us=None), HEAD)
    assert [one.number for one in found.sorted(Order.TIME)] == [1, 3, 2]
    assert [one.number for one in found.sorted(Order.MACS)] == [2, 1, 3]
    assert [one.number for one in found.sorted(Order.BYTES)] == [2, 1, 3]
    assert [one.number for one in found.sorted(Order.ORDER)] == [1, 2, 3]
    assert [one.number for one in found.heaviest()] == [1, 3]


def test_a_row_has_a_view_of_each_kind_that_has_layers_and_a_failed_one_none():
    simulated = row(NET)
    measured = replace(simulated.figures, kind=Kind.MEASURED, layers=table(*NET, kind=Kind.MEASURED))
    both = replace(simulated, figures=measured, estimate=simulated.figures)
    assert [one.table.kind for one in views_of(both, ())] == [Kind.MEASURED, Kind.SIMULATED]
    assert not list(views_of(replace(both, status="failed"), ()))


def test_the_sum_line_holds_all_that_stands_beside_layers():
    beside = (Beside(Besides.OVERLAP, -150.0), Beside(Besides.OUTSIDE_OF_LAYERS, 50.0))
    found = view(table(*NET, replace(SOFTMAX, time_us=None), total=900.0, beside=beside))
    assert sum_line(found) == (
        "layers 1.000 ms − units that run at once 150.0 µs + outside of layers 50.00 µs"
        " + 1 layer not counted (no figure) = 900.0 µs, the tool's total"
    )
    assert sum_of(found).adds_up


def test_a_table_that_does_not_add_up_says_by_how_much():
    found = view(table(*NET, total=1250.0))
    assert "≠ 1.250 ms, the tool's total; 250.0 µs (20 %) cannot be told" in sum_line(found)
    rounded = view(table(*NET, total=1005.0))
    assert sum_line(rounded).endswith("= 1.005 ms, the tool's total (0.5 % apart: rounded by the tool)")


def test_without_a_total_or_times_the_sum_says_so():
    assert sum_line(view(table(*NET, total=None))) == "layers 1.000 ms; the tool tells no total"
    bare = view(table(Layer("a"), total=None))
    assert (bare.by, sum_line(bare)) == (None, "the tool tells neither times nor cycles of layers")


def test_a_latency_that_is_not_the_layers_total_is_named_beside_it():
    told = replace(row(NET), figures=replace(row(NET).figures, layers=table(*NET, total=1000.0)))
    slower = replace(told.figures, latency_us=replace(told.figures.latency_us, mean=1500.0))
    noted = next(views_of(replace(told, figures=slower), ()))
    assert "the row's latency is 1.50 ms" in notes_of(noted)
    assert notes_of(next(views_of(told, ()))) == []


def test_a_first_convolution_of_three_channels_that_is_slow_for_its_macs_stands_out():
    found = advised(*NET)[AdviceClass.FEW_CHANNELS]
    assert found.layers == (1,)
    assert found.gain.text == "at most 400 µs of 1.00 ms (40 %)"
    # 20e6 MACs at the 200 MACs a microsecond of the others.
    assert "at that rate 100 µs instead of 400 µs" in found.evidence
    fast = replace(STEM, time_us=100.0)
    assert AdviceClass.FEW_CHANNELS not in advised(fast, BODY, HEAD)


def test_a_first_convolution_that_reads_something_else_than_the_image_is_no_such_layer():
    other = replace(STEM, input_shapes=((1, 48, 8, 8), (64, 48, 3, 3)))
    assert AdviceClass.FEW_CHANNELS not in advised(other, BODY, HEAD)
    no_image = advised(*NET, inputs=(TensorSpec("input", (1, 64, 32, 32)),))
    assert AdviceClass.FEW_CHANNELS not in no_image


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((1, 3, 224, 224), 3), ((1, 224, 224, 3), 3), ((1, 1, 28, 28), 1), ((1, 64, 56, 56), None),
     ((1, 3, 2), None), ((1, 2, 2, 2), None)],
)  # fmt: skip
def test_channels_of_images(shape, channels):
    assert channels_of(shape) == channels


def test_operators_on_the_cpu_stand_out_beside_an_npu_and_nowhere_else():
    found = advised(*NET)[AdviceClass.ON_CPU]
    assert (found.title, found.layers) == ("left to the CPU: Softmax", (4,))
    assert found.gain.text == "at most 20.0 µs of 1.00 ms (2.0 %)"
    everything = [replace(one, unit=CPU) for one in NET]
    assert AdviceClass.ON_CPU not in advised(*everything)
    end = replace(SOFTMAX, join=Join.END)
    assert AdviceClass.ON_CPU not in advised(STEM, BODY, HEAD, end)


def test_what_the_cpu_takes_is_no_gain_where_nothing_counts_it():
    found = advised(STEM, BODY, replace(SOFTMAX, time_us=None))[AdviceClass.ON_CPU]
    assert found.gain is None
    assert "the total lacks what they take" in " ".join(found.evidence)


def test_the_tools_own_cycles_say_what_memory_holds_up_and_what_is_left_to_gain():
    held = replace(BODY, cycles=500_000, memory_cycles=500_000, compute_cycles=200_000)
    free = replace(HEAD, cycles=80_000, memory_cycles=10_000, compute_cycles=80_000)
    found = advised(held, free)[AdviceClass.BY_MEMORY]
    assert found.layers == (1,)
    # 500 us of which 200 are products.
    assert found.gain.text == "at most 300 µs of 580 µs (52 %)"
    assert "memory alone takes 500 µs, its products 200 µs, by the tool" in found.evidence[0]


def test_the_chips_bandwidth_says_it_where_the_tool_does_not():
    # 4 MB at 10 GB/s are 400 of 500 us; 25 MACs a byte, and 100 MACs at the peak take 100 us.
    held = replace(BODY, bytes=4_000_000)
    found = advised(held, HEAD)[AdviceClass.BY_MEMORY]
    assert "take 400 µs of 500 µs; 25.0 MACs a byte, below the 100" in found.evidence[0]
    assert found.gain.text == "at most 400 µs of 580 µs (69 %)"
    assert "10 (chip): a data sheet" in found.evidence[-1]
    # Of tensors that need not leave the chip a bandwidth says nothing.
    tensors = table(held, HEAD, total=580.0)
    assert AdviceClass.BY_MEMORY not in advised(replace(tensors, bytes_of=BytesOf.TENSORS))


def test_without_a_bandwidth_layers_are_compared_and_that_is_said():
    slow = replace(HEAD, graph_macs=1_000_000, bytes=1_000_000)
    found = advise(view(STEM, BODY, slow, boards=()))
    [one] = [one for one in found.found if one.advice_class is AdviceClass.BY_MEMORY]
    assert one.layers == (3,)
    assert "no bandwidth of this board is known: by comparison with the other layers" in one.evidence
    two = advise(view(BODY, HEAD, boards=()))
    assert any("fewer than 3 layers" in text for text in two.not_judged)


def test_depthwise_convolutions_below_the_rate_of_others_stand_out():
    depthwise = replace(
        HEAD, graph_macs=9 * 64 * 256, bytes=100, input_shapes=((1, 64, 16, 16), (64, 1, 3, 3)), name="dw"
    )
    found = advised(BODY, depthwise)[AdviceClass.DEPTHWISE]
    # 147456 MACs in 80 us are 1.8 GMAC/s; at 200 they would take 0.7 us.
    assert "MACs at 1.84 GMAC/s, those of the other layers that multiply at 200 GMAC/s" in found.evidence
    assert found.gain.text == "at most 80.0 µs of 580 µs (14 %)"


@pytest.mark.parametrize(
    ("layer", "depthwise"),
    [
        (Layer(tool_type="DepthwiseConv2D"), True),
        (Layer(operators=("Conv",), input_shapes=((1, 8, 9, 9), (8, 1, 3, 3))), True),
        (Layer(operators=("Conv",), input_shapes=((1, 8, 9, 9), (8, 8, 3, 3))), False),
        (_turned((1, 8, 9, 9)), True),
        (_turned((1, 1, 9, 9)), False),
        (Layer(operators=("Conv",), graph_macs=25 * 32, output_shapes=((1, 8, 2, 2),)), True),
        (Layer(operators=("Conv",), graph_macs=27 * 32, output_shapes=((1, 8, 2, 2),)), False),
        (Layer(operators=("MatMul",), graph_macs=25 * 32, output_shapes=((1, 8, 2, 2),)), False),
    ],
)
def test_depthwise_is_told_by_word_weights_or_macs(layer, depthwise):
    assert is_depthwise(view(layer).rows[0]) is depthwise


def test_layers_that_only_order_data_stand_out_with_who_put_them_in():
    reorder = Layer("reorder", "ReorderInput", join=Join.ADDED, unit=NPU, time_us=100.0)
    transpose = Layer("t", "Transpose", ("Transpose",), ("t",), Join.NAMED, NPU, 50.0)
    found = advised(reorder, transpose, BODY, HEAD)[AdviceClass.CONVERSION]
    assert found.layers == (1, 2)
    assert "1 of 2 were added by the tool" in found.evidence
    assert found.gain.text == "at most 150 µs of 730 µs (21 %)"


def test_numbers_that_become_float_and_integer_again_stand_out():
    back = Layer("d", "DequantizeLinear", unit=CPU, time_us=30.0)
    forth = Layer("q", "QuantizeLinear", unit=CPU, time_us=20.0)
    found = advised(BODY, back, forth, HEAD)[AdviceClass.QUANTISE_PAIR]
    assert (found.layers, found.gain.amount) == ((2, 3), 50.0)
    assert AdviceClass.QUANTISE_PAIR not in advised(BODY, back, HEAD, forth)


def test_layers_without_a_figure_make_the_total_a_lower_bound():
    found = advised(BODY, Layer("pool", "MaxPool", unit=NPU), Layer("in", join=Join.END))
    one = found[AdviceClass.NOT_COUNTED]
    assert (one.layers, one.gain, one.title) == ((2,), None, "layers without a figure: 1 of 2")
    assert "of these types: MaxPool" in one.evidence


def test_where_nothing_stands_out_it_is_said_what_was_looked_for():
    found = advise(view(BODY, HEAD))
    assert found.found == ()
    assert "operators on the CPU" in found.looked_for
    assert "nothing stands out; looked for in vain: operators on the CPU; a slow first" in to_text(
        view(BODY, HEAD), Order.TIME, None, 100
    )


def test_the_largest_gain_stands_first():
    gains = [one.gain.amount for one in advise(view(*NET)).found if one.gain]
    assert gains == sorted(gains, reverse=True)
    assert len(gains) == 2


@given(
    st.lists(
        st.builds(
            Layer,
            st.text(max_size=80), st.text(max_size=9), unit=st.sampled_from(["NPU", "CPU", "", "x" * 9]),
            nodes=st.lists(st.text(max_size=50), max_size=3).map(tuple),
            time_us=st.none() | st.floats(0, 1e9), graph_macs=st.none() | st.integers(0, 10**15),
            bytes=st.none() | st.integers(0, 10**12),
        ),
        min_size=1, max_size=8,
    ),
    st.integers(80, 200),
)  # fmt: skip
def test_every_line_fits_the_terminal_and_steers_nothing(layers, width):
    for order in Order:
        text = to_text(view(*layers), order, None, width)
        assert all(columns_of(line) <= width for line in text.split("\n"))
        assert all(printable(line) == line for line in text.split("\n"))


def test_a_wide_terminal_shows_operators_and_nodes_and_a_narrow_one_names():
    wide, narrow = (to_text(view(*NET), Order.TIME, 2, width) for width in (160, 80))
    assert "/net/stem/Conv, /net/stem/Relu" in wide
    assert "ONNX nodes" not in narrow
    assert "…/stem/Conv" in narrow
    assert "2 more layers: --top 0" in narrow


def test_json_has_units_and_none_for_what_is_not_known():
    told = to_record(view(STEM, replace(BODY, time_us=None)), Order.ORDER, None)
    assert told["layers"][1]["time_us"] is None
    assert told["layers"][0]["nodes"] == ["/net/stem/Conv", "/net/stem/Relu"]
    assert told["sum"]["adds_up"] is True
    assert told["weighed_by"] == Amount.TIME
    assert (told["kind"], told["tool"]) == ("simulated", "RKNN-Toolkit2")


def test_csv_has_a_line_a_layer_and_guards_formulas():
    lines = to_csv([view(replace(STEM, name="=cmd()"), BODY)], Order.ORDER, None).splitlines()
    assert lines[0].split(",") == list(CSV_COLUMNS)
    assert len(lines) == 3
    assert "'=cmd()" in lines[1]


def test_cycles_weigh_layers_where_there_is_no_clock():
    layers = [Layer("a", "Conv", time_us=None, cycles=600, graph_macs=60_000), Layer("b", cycles=400)]
    made = LayerTable(Kind.SIMULATED, "RKNN-Toolkit2", total_cycles=1000).holding(layers)
    found = next(views_of(row(made), ()))
    assert (found.by, [one.share for one in found.rows]) == (Amount.CYCLES, [0.6, 0.4])
    assert sum_line(found) == "layers 1\u202f000 cycles = 1\u202f000 cycles, the tool's total"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (1, "100 %"), (0.0995, "10 %"), (0.0994, "9.9 %"), (0.0004, "<0.1 %")]
)
def test_percents(share, text):
    assert percent(share) == text


def test_each_layer_has_the_word_for_what_holds_it_up():
    transpose = Layer("t", "Transpose", ("Transpose",), join=Join.NAMED, unit=NPU, time_us=5.0)
    softmax = Layer("s", "Softmax", ("Softmax",), unit=NPU, time_us=5.0, graph_macs=0)
    depthwise = replace(HEAD, tool_type="DepthwiseConv2D", graph_macs=1_000_000)
    slow = replace(HEAD, graph_macs=1_000_000, bytes=None)
    missing, nothing = replace(HEAD, time_us=None), replace(HEAD, time_us=0.0)
    told = (*NET, transpose, softmax, depthwise, slow, missing, nothing, Layer("in", join=Join.END))
    words = [
        *(Limit.FEW_CHANNELS, Limit.PRODUCTS, Limit.PRODUCTS, Limit.CPU, Limit.DATA_ORDER, Limit.NO_MACS),
        *(Limit.DEPTHWISE, Limit.LOW_RATE, Limit.NO_FIGURE, None, None),
    ]
    assert list(limits_of(view(*told))) == words
    # Where nothing is told of any layer, a single one without a figure is no news.
    assert limits_of(view(table(Layer("a"), total=None))) == (None,)


def test_the_tools_cycles_go_before_rates():
    held = replace(STEM, cycles=400, memory_cycles=400, compute_cycles=200)
    free = replace(BODY, cycles=500, memory_cycles=100, compute_cycles=500)
    assert limits_of(view(held, free)) == (Limit.MEMORY, Limit.PRODUCTS)


def test_the_words_that_occur_are_explained_and_no_others():
    assert [one for one, _ in meanings(limits_of(view(*NET)))] == [
        Limit.CPU, Limit.FEW_CHANNELS, Limit.PRODUCTS,
    ]  # fmt: skip
    text = to_text(view(*NET), Order.TIME, 1, 100)
    assert "products: multiplies at about the usual rate" in text
    assert "few channels: " not in text


def test_gains_of_a_layer_that_is_named_twice_are_said_not_to_add_up():
    held = replace(STEM, cycles=400_000, memory_cycles=400_000, compute_cycles=200_000)
    assert advise(view(held, BODY, HEAD)).overlap.endswith("their gains do not add up")
    assert "their gains do not add up" in to_text(view(held, BODY, HEAD), Order.TIME, None, 100)
    assert advise(view(*NET)).overlap == ""


def test_a_number_and_its_percent_stay_on_one_line():
    for width in range(60, 120):
        lines = to_text(view(*NET), Order.TIME, None, width).splitlines()
        assert not [line for line in lines if line.strip().startswith("%")]


def test_what_other_programs_took_is_no_share_of_the_model():
    found = view(table(*NET, total=5000.0, beside=(Beside(Besides.INTERRUPTIONS, 4000.0),)))
    assert (found.total, found.own_total) == (5000.0, 1000.0)
    assert [one.share for one in found.rows] == [0.4, 0.5, 0.08, 0.02]
    assert "shares are of 1.000 ms, the total without interruptions" in notes_of(found)
    assert "interruptions by other programs 4.000 ms = 5.000 ms" in sum_line(found)
    gain = advise(found).found[0].gain
    assert gain.text == "at most 400 µs of 1.00 ms (40 %)"
    # A total that nothing but interruptions makes leaves the layers' own sum.
    odd = view(table(*NET, total=1000.0, beside=(Beside(Besides.INTERRUPTIONS, 1000.0),)))
    assert odd.rows[0].share == 0.4


def test_a_measured_row_that_is_not_stable_says_so_beside_its_layers():
    measured = table(*NET, kind=Kind.MEASURED)
    assert "the row is noisy: do not rely on single layers" in notes_of(view(measured, verdict=Verdict.NOISY))
    assert notes_of(view(measured, verdict=Verdict.STABLE)) == []
    assert notes_of(view(table(*NET), verdict=Verdict.NOISY)) == []


def test_what_the_times_are_is_said_in_the_language_of_the_page():
    statistic = NoteCode.FASTEST_OF_PROFILER.text.format(fastest=2, counted=7)
    found = view(table(*NET, statistic=statistic))
    assert notes_of(found)[0].startswith("mean of the fastest 2 of 7 runs")
    with use_language("zh"):
        assert notes_of(found)[0].startswith("与测量分开，用其性能分析器运行 7 次，取最快 2 次")


@pytest.mark.parametrize(
    ("word", "orders"),
    [("NchwToNhwc", True), ("nhwc_to_nchw", True), ("ReorderInput", True), ("Transpose", True),
     ("NhwcMaxPool", False), ("nchwc", False), ("Permute", True), ("MemoryCopy", True)],
)  # fmt: skip
def test_words_of_layers_that_only_order_data(word, orders):
    assert orders_data(view(Layer("a", word, join=Join.NAMED)).rows[0]) is orders


def test_layers_that_multiply_slowly_stand_out_with_their_channels():
    narrow = replace(
        HEAD, graph_macs=4_000_000, bytes=None, input_shapes=((1, 16, 9, 9), (96, 16, 1, 1), (96,))
    )
    wide = replace(BODY, input_shapes=((1, 64, 9, 9), (64, 64, 3, 3)))
    found = advised(wide, narrow)[AdviceClass.LOW_RATE]
    assert found.layers == (2,)
    # 4e6 MACs in 80 us are 50 GMAC/s; at the 200 of the other they would take 20 us.
    assert "MACs at 50.0 GMAC/s, those of the other layers that multiply at 200 GMAC/s" in found.evidence
    assert "at that rate 20.0 µs instead of 80.0 µs" in found.evidence
    assert "#2 Conv:/net/head/Conv: 80.0 µs (14 %), 16 channels to 96" in found.evidence
    assert "the layers at the usual rate read 64 channels and more" in found.evidence
    assert found.gain.text == "at most 80.0 µs of 580 µs (14 %)"
    untold = advised(wide, replace(narrow, input_shapes=()))[AdviceClass.LOW_RATE]
    assert "#2 Conv:/net/head/Conv: 80.0 µs (14 %)" in untold.evidence
    small = replace(narrow, time_us=5.0, graph_macs=100)
    assert AdviceClass.LOW_RATE not in advised(BODY, small)


def test_a_pool_does_not_multiply_though_a_tool_counts_macs_for_it():
    pool = Layer("p", "MaxPool", ("MaxPool",), unit=NPU, time_us=50.0, macs=1000)
    assert limits_of(view(STEM, BODY, pool))[2] is Limit.NO_MACS
    assert AdviceClass.LOW_RATE not in advised(STEM, BODY, pool)
    averaged = replace(pool, tool_type="Mean/DepthwiseConv2D", operators=("GlobalAveragePool",))
    assert limits_of(view(STEM, BODY, averaged))[2] is Limit.DEPTHWISE


def test_a_copy_that_the_tool_put_in_orders_data_though_it_counts_macs_for_it():
    copy = Layer("c", "MirrorPad/MemoryCopy", join=Join.ADDED, unit=NPU, time_us=100.0, macs=1000)
    assert limits_of(view(STEM, BODY, copy))[2] is Limit.DATA_ORDER
    found = advised(STEM, BODY, copy)
    assert found[AdviceClass.CONVERSION].layers == (3,)
    assert AdviceClass.LOW_RATE not in found


def test_slow_depthwise_convolutions_do_not_lower_what_is_usual():
    depthwise = replace(HEAD, tool_type="DepthwiseConv2D", time_us=500.0, graph_macs=1000, bytes=None)
    # 80 MACs a microsecond, of 180 of those that are no depthwise convolutions, and 98 of all.
    slow = replace(HEAD, time_us=100.0, graph_macs=8_000_000, bytes=None)
    found = limits_of(view(replace(BODY, input_shapes=((1, 64, 9, 9),)), depthwise, slow))
    assert found[1:] == (Limit.DEPTHWISE, Limit.LOW_RATE)


def test_a_layer_that_converts_is_no_convolution():
    converts = Layer("c", "ConvertLayout", join=Join.ADDED, unit=NPU, time_us=50.0)
    assert limits_of(view(STEM, BODY, converts))[2] is Limit.DATA_ORDER
    assert not multiplies(view(Layer("f", "Conv2D/Relu", macs=0)).rows[0])
    assert multiplies(view(Layer("f", "Conv2D/Relu")).rows[0])


def test_a_total_that_is_less_than_its_layers_is_no_interruption():
    found = view(table(*NET, total=900.0, beside=(Beside(Besides.INTERRUPTIONS, -100.0),)))
    assert (found.total, found.own_total) == (900.0, 900.0)


def test_memory_that_takes_no_longer_than_products_holds_nothing_up():
    even = replace(BODY, cycles=500, memory_cycles=500, compute_cycles=500)
    assert limits_of(view(even, HEAD)) == (Limit.PRODUCTS, Limit.PRODUCTS)


def test_the_narrowest_layer_at_the_usual_rate_is_named():
    slow = replace(HEAD, graph_macs=4_000_000, bytes=None)
    wide = replace(BODY, input_shapes=((1, 64, 9, 9), (64, 64, 3, 3)))
    narrower = replace(BODY, name="b", input_shapes=((1, 32, 9, 9), (64, 32, 3, 3)))
    found = advised(wide, narrower, slow)[AdviceClass.LOW_RATE]
    assert "the layers at the usual rate read 32 channels and more" in found.evidence


def test_a_first_convolution_that_takes_next_to_nothing_is_not_worth_advice():
    # Slow for its work, and 1 % of the total.
    little = replace(STEM, time_us=6.0, graph_macs=1000)
    assert AdviceClass.FEW_CHANNELS not in advised(little, BODY, HEAD)


def test_weights_in_an_order_of_the_tools_own_leave_it_to_the_macs():
    turned = Layer(
        "dw", "Conv", ("Conv",), unit=NPU, time_us=50.0, graph_macs=9 * 32 * 64,
        input_shapes=((1, 32, 8, 8), (1, 32, 1, 9)), output_shapes=((1, 32, 8, 8),),
    )  # fmt: skip
    found = view(turned, BODY).rows[0]
    assert is_depthwise(found)
    assert widths_of(found.layer) is None
    # A grey image has one channel to convolve, and is no such layer.
    grey = replace(turned, input_shapes=((1, 1, 64, 64), (32, 1, 3, 3)))
    grey = replace(grey, graph_macs=9 * 32 * 64)
    assert widths_of(replace(grey, output_shapes=((1, 32, 8, 8),))) == (1, 32)


def test_what_only_moves_data_is_held_up_by_memory_and_orders_nothing():
    load = Layer("load", "Load", join=Join.ADDED, unit=DMA, time_us=80.0)
    assert not orders_data(view(load, BODY).rows[0])


def not_judged(*layers):
    return {text.partition(": ")[0] for text in advise(view(*layers)).not_judged}


def test_without_macs_it_is_not_said_that_no_layer_multiplies_slowly():
    products = [replace(layer, tool_type="MatMul", operators=("MatMul",)) for layer in (STEM, BODY, HEAD)]
    untold = [replace(layer, graph_macs=None) for layer in products]
    slow = "layers that multiply slowly"
    assert slow in not_judged(*untold)
    assert slow not in advise(view(*untold)).looked_for
    # One of two is not known; of two known ones the answer is given; one alone is compared with none.
    assert slow in not_judged(products[1], untold[2])
    assert slow in advise(view(*products[1:])).looked_for
    assert slow in not_judged(products[1])


def test_a_convolution_of_which_neither_macs_nor_channels_are_told_may_be_depthwise():
    bare = Layer("c", "Conv", time_us=9.0)
    assert "slow depthwise convolutions" in not_judged(bare, BODY)
    assert "slow depthwise convolutions" in advise(view(BODY, HEAD)).looked_for


def test_what_the_model_cannot_have_is_not_looked_for():
    relu = Layer("r", "Relu", ("Relu",), ("r",), Join.NAMED, CPU, 3.0, graph_macs=0)
    told = advise(view(relu))
    spoken = " ".join([*told.looked_for, *told.not_judged])
    assert "conversions of layout" in spoken
    assert not [word for word in ("convolution", "multiply", "on the CPU", "integer again") if word in spoken]
    # A layer of which nothing is told may be any of these.
    unknown = advise(view(relu, Layer("x", time_us=1.0)))
    assert "slow depthwise convolutions" in unknown.looked_for


def test_one_layer_is_one_layer():
    text = to_text(view(BODY), Order.TIME, None, 100)
    assert "1 layer, simulated by" in text
    assert "1 more layer: --top 0" in to_text(view(BODY, HEAD), Order.TIME, 1, 100)
    assert "1 layers" not in text


def test_layers_that_onnx_runtime_calls_after_its_own_tensors_are_called_as_the_model_does():
    layers = [
        Layer("c_nchwc", "Conv", ("Conv", "Relu"), ("stem", "act"), Join.FOLLOWS, CPU, 500.0),
        Layer("MatMul_4", "MatMul", ("MatMul",), ("h1",), Join.NAMED, CPU, 300.0),
        Layer("half", "MatMul", ("MatMul",), ("both",), Join.NAMED, CPU, 200.0),
        Layer("other", "MatMul", ("MatMul",), ("both",), Join.NAMED, CPU, 100.0),
        Layer("part", "Gelu", ("Erf",), ("erf",), Join.PARTLY, CPU, 50.0),
    ]
    made = LayerTable(Kind.MEASURED, ONNX_RUNTIME, total_us=1150.0).holding(layers)
    found = view(made)
    assert [name_of(one) for one in found.rows] == ["stem +1", "h1", "half", "other", "part"]
    assert "c_nchwc" not in to_text(found, Order.TIME, None, 80)
    assert to_record(found, Order.ORDER, None)["layers"][0]["name"] == "c_nchwc"
    # Another tool's layers have the names that stand in its own reports.
    assert name_of(view(replace(made, tool="Vela")).rows[0]) == "c_nchwc"
