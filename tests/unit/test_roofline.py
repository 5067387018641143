"""Where cases stand below the roof: their MACs a byte, and the peak and memory of the board's facts."""

import re
from dataclasses import replace

import pytest

from npubench.domain.records import Kind
from npubench.domain.specs import Fact, Precision
from npubench.reporting.charts.roofline import rooflines
from tests import fakes, sample_results

MACS, ELEMENTS, PARAMETERS = 1_814_073_344, 3 * 224 * 224 + 1000, 11_689_512
FACTS = {"npu_tops_int8": "4", "memory_bandwidth_GBps": "8"}


def plots(*rows, **facts):
    told = tuple(Fact(name, text, "a page") for name, text in {**FACTS, **facts}.items() if text)
    return found(*rows, facts=told).plots


def found(*rows, facts=()):
    return rooflines(rows, [Kind.MEASURED], [fakes.board("local", chip="cpu", facts=facts)])


def intensity(row):
    (plot,) = plots(row)
    (point,) = plot.points
    return float(re.search(r": ([\d.]+) MAC/B", point.text.replace("\u202f", ""))[1])


@pytest.mark.parametrize(("precision", "element_bytes"), [(Precision.FP32, 4), (Precision.INT8, 1)])
def test_the_least_traffic_is_inputs_outputs_and_weights_once_in_the_row_s_precision(
    precision, element_bytes
):
    row = sample_results.result(precision=precision)
    assert intensity(row) == pytest.approx(MACS / (element_bytes * (ELEMENTS + PARAMETERS)), rel=0.01)
    assert intensity(replace(row, parameters=None)) == pytest.approx(
        MACS / (element_bytes * ELEMENTS), rel=0.01
    )


def test_the_traffic_that_a_tool_reports_counts_instead():
    figures = sample_results.figures(10_000.0, io_bytes=10**7)
    assert intensity(sample_results.result(figures=figures)) == pytest.approx(MACS / 1e7, rel=0.01)


def test_an_operation_of_the_peak_is_half_a_mac_and_the_ridge_is_where_the_memory_feeds_it():
    (plot,) = plots(sample_results.result(precision=Precision.INT8))
    slope, roof = plot.lines
    assert slope.text == "8.00 GB/s"
    assert roof.text == "peak 2\u202f000 GMAC/s"
    # Both meet at 2000 / 8 MAC a byte, right of the case's 152: the slope ends where the roof begins.
    numbers = [[float(n) for n in re.findall(r"[-\d.]+", line.path)] for line in (slope, roof)]
    assert numbers[0][-2:] == pytest.approx(numbers[1][:2], abs=0.2)


def test_emulated_boards_and_rows_without_macs_have_no_plot():
    assert plots(sample_results.result(emulated=True)) == ()
    assert plots(sample_results.result(macs=None)) == ()


def test_without_a_peak_there_is_no_roofline_and_without_a_bandwidth_no_slope():
    bandwidth = Fact("memory_bandwidth_GBps", "8", "a page")
    for facts in ((), (bandwidth,)):
        none = found(sample_results.result(), facts=facts)
        assert (none.plots, none.roofless) == ((), ("local",))
    assert found(sample_results.result(macs=None)).roofless == ()
    (plot,) = plots(sample_results.result(), memory_bandwidth_GBps="")
    assert [line.text for line in plot.lines] == ["peak 2\u202f000 GMAC/s"]
