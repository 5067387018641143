"""Layers of the report in a real headless Chromium: unfolding, sorting, finding, phones, long networks."""

import os
from dataclasses import replace

import pytest

from npubench.domain.layers import NPU, Join, Layer
from npubench.reporting.page.page import PageContext, render
from tests.sample_layers import BOARD, NET, row

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run", "0.1.0", "out", boards=(BOARD,))
TABLE = "document.querySelector('#layers-{number} table.all-layers')"


def deep(count):
    """A network of so many layers, each a little heavier than the one before."""
    return [
        Layer(
            f"Conv:/net/block.{at}/Conv", "ConvRelu", ("Conv", "Relu"),
            (f"/net/block.{at}/Conv", f"/net/block.{at}/Relu"), Join.NAMED, NPU, 1.0 + at,
            graph_macs=1000 * (count - at), bytes=2048,
        )
        for at in range(count)
    ]  # fmt: skip


@pytest.fixture
def opened(tab, tmp_path):
    def open_page(*rows, fragment="", **changes):
        page = tmp_path / "report.html"
        page.write_text(render(rows, replace(CONTEXT, **changes)), encoding="utf-8")
        tab.open(page, fragment)
        return tab

    return open_page


def column(tab, title, number=1):
    return tab.evaluate(
        f"""(() => {{
          const table = {TABLE.format(number=number)};
          const at = [...table.tHead.rows[0].cells].findIndex(cell => cell.innerText.startsWith('{title}'));
          return [...table.tBodies[0].rows].map(row => row.cells[at].innerText);
        }})()"""
    )


def click(tab, title, number=1):
    tab.evaluate(
        f"[...{TABLE.format(number=number)}.querySelectorAll('th button')]"
        f".find(one => one.innerText.startsWith('{title}')).click()"
    )


def test_layers_stand_in_the_tools_order_and_sort_by_any_column_the_largest_first(opened):
    tab = opened(row(NET))
    assert column(tab, "#") == ["1", "2", "3", "4"]
    assert column(tab, "Latency") == ["400", "500", "80.0", "20.0"]
    click(tab, "Latency")
    assert column(tab, "#") == ["2", "1", "3", "4"]
    click(tab, "Latency")
    assert column(tab, "#") == ["4", "3", "1", "2"]
    # The CPU's layer has no MACs: what is not known stands last, whichever way.
    click(tab, "MMAC")
    assert column(tab, "#") == ["2", "1", "3", "4"]
    click(tab, "MMAC")
    assert column(tab, "#") == ["3", "1", "2", "4"]
    click(tab, "Unit")
    assert column(tab, "Unit") == ["CPU", "NPU", "NPU", "NPU"]
    assert tab.complaints == []


def test_a_folded_models_table_is_made_when_it_is_unfolded(opened):
    tab = opened(*(row(NET, key=str(at), case=f"net{at}") for at in range(3)))
    assert tab.evaluate("document.querySelectorAll('details.layers[open]').length") == 1
    assert column(tab, "#", 2) == []
    tab.evaluate("document.querySelector('#layers-2 summary').click()")
    tab.wait_for(f"{TABLE.format(number=2)}.tBodies[0].rows.length === 4")
    tab.evaluate("document.querySelector('#layers-2 summary').click()")
    tab.evaluate("document.querySelector('#layers-2 summary').click()")
    assert column(tab, "#", 2) == ["1", "2", "3", "4"]
    assert tab.complaints == []


def test_a_link_to_a_models_layers_unfolds_them(opened):
    tab = opened(*(row(NET, key=str(at), case=f"net{at}") for at in range(3)), fragment="#layers-3")
    tab.wait_for(f"{TABLE.format(number=3)}.tBodies[0].rows.length === 4")


def test_a_network_of_5000_layers_is_drawn_in_parts_and_found_by_its_nodes(opened):
    tab = opened(row(deep(5000)))
    assert len(column(tab, "#")) == 60
    tab.evaluate("document.querySelector('#layers-1 .more-rows').click()")
    assert len(column(tab, "#")) == 560
    click(tab, "Latency")
    assert column(tab, "#")[:2] == ["5000", "4999"]
    tab.evaluate(
        "(() => { const field = document.querySelector('#layers-1 input[type=search]');"
        " field.value = 'block.4711/relu'; field.dispatchEvent(new Event('input')); })()"
    )
    assert column(tab, "#") == ["4712"]
    assert tab.evaluate("document.querySelector('#layers-1 output').textContent") == "1 of 5000 rows"


def test_a_rounded_figure_tells_its_exact_one(opened):
    tab = opened(row([replace(NET[0], time_us=400.123456), *NET[1:]]))
    tab.evaluate(
        f"{TABLE.format(number=1)}.tBodies[0].rows[0].cells[2]"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert tab.evaluate(f"{TABLE.format(number=1)}.tBodies[0].rows[0].cells[2].title") == "400.123456 µs"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_no_name_makes_the_page_wider_than_its_screen(opened, tab, width, language):
    tab.resize(width, phone=width < 500)
    long = replace(NET[0], name="n" * 300, nodes=("m" * 300,), operators=("o" * 99,), unit="u" * 99)
    opened(row([long, *NET[1:]], case="c" * 200), language=language)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.complaints == []


def test_on_a_phone_latency_and_share_of_the_heaviest_are_seen_without_scrolling(opened, tab):
    tab.resize(390, phone=True)
    opened(row(deep(40)))
    ends = tab.evaluate(
        "[...document.querySelectorAll('table.heaviest tbody tr:first-child td')].slice(0, 3)"
        ".map(cell => cell.getBoundingClientRect().right)"
    )
    assert max(ends) <= 390


def test_hostile_names_stay_text(opened):
    hostile = "</script><img src=x onerror=alert(1)>\u202egnp\x1b[31m"
    tab = opened(row([Layer(hostile, hostile, (hostile,), (hostile,), Join.NAMED, hostile, 5.0), *NET]))
    assert tab.evaluate("document.querySelectorAll('img, [onerror]').length") == 0
    assert "<img src=x onerror=alert(1)>" in column(tab, "ONNX nodes")[0]
    shown = tab.evaluate("document.body.innerText")
    assert "\u202e" not in shown
    assert "\\u202egnp\\x1b[31m" in shown
    assert tab.complaints == []


def test_without_its_script_a_page_still_says_what_is_heaviest_and_what_to_do(tab, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render([row(NET)], CONTEXT).replace("<script>", "<script type='text/none'>"))
    tab.open(page)
    shown = tab.evaluate("document.querySelector('#layers').innerText")
    assert "…/body/Conv" in shown
    assert "at most 400 µs of 1.00 ms (40 %)" in shown
    assert "npubench layers net --board desk" in shown


def test_on_paper_stand_all_layers_or_how_many_are_missing(opened):
    tab = opened(row(deep(200)))
    tab.pdf()
    assert len(column(tab, "#")) == 200
    tab = opened(row(deep(5000)))
    tab.pdf()
    assert len(column(tab, "#")) == 560
    tab.prefer("light", media="print")
    button = "document.querySelector('#layers-1 .more-rows')"
    assert tab.evaluate(f"{button}.checkVisibility()") is True
    assert "4440" in tab.evaluate(f"{button}.textContent")
