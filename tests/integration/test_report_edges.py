"""Pages of result sets at the edge, in a real headless Chromium: one row, boards with nothing in common."""

import os
import re
from dataclasses import replace

import pytest

from npubench.domain.records import Kind
from npubench.domain.specs import Precision
from npubench.reporting.page.page import PageContext, render
from npubench.storage.hashing import digest
from tests import gateway, sample_results

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --board local", "0.1.0", "out")


def single(name):
    return {
        "timed": [sample_results.result()],
        "failed": [sample_results.failed("yolox_s", operators=("TopK",))],
        "skipped": [sample_results.skipped()],
        "operator": sample_results.operators()[:1],
        "without figures": [sample_results.result(figures=None, verdict=None)],
    }[name]


def strangers():
    """Two boards, another chip, tool, precision and kind of figure each; no case is on both."""
    other = replace(
        sample_results.result("yolox_s", Precision.INT8, board="rk", chip="RK3588", backend="rknn"),
        **{"tools": {"rknn": "2.3"}, "onnx_sha256": digest("yolox_s"), "board_before": None},
        **{"board_after": None, "verdict": None, "figures": sample_results.figures(9_100.0, Kind.SIMULATED)},
    )
    return [sample_results.result("resnet18"), other, *sample_results.operators(1)[:1]]


def opened(tab, tmp_path, rows, context=CONTEXT):
    page = tmp_path / "report.html"
    page.write_text(render(rows, context), encoding="utf-8")
    tab.open(page)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.complaints == []
    text = tab.evaluate("document.body.innerText")
    assert re.findall(r"\b(?:NaN|undefined|None|nan|inf|Infinity)\b", text) == []
    return text


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["timed", "failed", "skipped", "operator", "without figures"])
def test_one_row_makes_a_whole_page(tab, tmp_path, name, language):
    (row,) = single(name)
    text = opened(tab, tmp_path, [row], replace(CONTEXT, language=language))
    assert row.case in text
    assert row.onnx_sha256 in tab.evaluate("document.getElementById('r0').textContent")
    told = row.failure.message if row.failure else row.skip_reason
    if (name, language) == ("skipped", "zh"):
        told = "pulsar 没有仿真器：请不带 --simulate 在板卡上运行"
    assert told is None or told in text
    assert tab.evaluate("[...document.querySelectorAll('section > .scroll table[data-table]')].length") >= 1
    # A lone figure has nothing beside it to be compared with.
    assert tab.evaluate("document.querySelectorAll('#overview figure.k-simulated').length") == 0


def test_one_row_has_an_axis_with_room(tab, tmp_path):
    opened(tab, tmp_path, single("timed"))
    ticks = tab.evaluate(
        "[...document.querySelectorAll('#model svg.plot.wide > text:not([class])')].map(t => t.textContent)"
    )
    assert len(ticks) >= 2
    assert len(set(ticks)) == len(ticks)


def test_boards_with_nothing_in_common_are_not_compared(tab, tmp_path):
    text = opened(tab, tmp_path, strangers())
    assert "RK3588" in text
    charts = tab.evaluate("[...document.querySelectorAll('figure.chart')].map(f => f.textContent)")
    shown = [{board for board in ("local", "rk") if re.search(rf"\b{board}\b", chart)} for chart in charts]
    assert {"local"} in shown
    assert {"rk"} in shown
    assert {"local", "rk"} not in shown
    # No speed-up, for no case stands in both precisions.
    assert "INT8 speed-up" not in text
    rows = tab.evaluate("[...document.querySelectorAll('#model tbody tr')].map(r => r.innerText)")
    assert len(rows) == 2


def test_a_selection_over_boards_with_nothing_in_common_passes_none(tab, tmp_path):
    rows = strangers()
    opened(tab, tmp_path, rows, gateway.context(tmp_path, rows))
    outcomes = tab.evaluate(
        "[...document.querySelectorAll('#verdict table')[0].tBodies[0].rows].map(row => row.dataset.outcome)"
    )
    assert len(outcomes) >= 2
    assert "pass" not in outcomes
