"""The page's charts against golden pictures that somebody has looked at; `make golden` renews them."""

import base64
import os

import pytest

from npubench.reporting.page.page import render
from tests import gateway, golden, sample_processors, sample_results

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)

CHARTS = (
    *("plot-pareto-1-t", "plot-latency-1-t", "plot-latency-2-t", "plot-price-3-t", "plot-accuracy-5-t"),
    *("plot-cpu-7-t", "plot-codec-8-t", "plot-roofline-1-t", "plot-distribution-t", "plot-missing-1-t"),
    *("chart-model-1", "chart-model-5", "chart-operator-1"),
)
"""One of each kind by the id of its title, and an emulated board's."""

SVG = "document.getElementById('{name}').closest('svg')"


OF_SELECTION = "plot-pareto-1-t"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    rows = [*gateway.rows(), *sample_processors.rows(), sample_results.codec()]
    written = {"report": gateway.report(folder, rows), "selection": gateway.context(folder, rows)}
    for name, context in written.items():
        (folder / f"{name}.html").write_text(render(rows, context), encoding="utf-8")
    return folder


def page_of(chart):
    return "selection.html" if chart == OF_SELECTION else "report.html"


def picture(tab, name):
    box = tab.evaluate(
        f"(b => ({{x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1}}))"
        f"({SVG.format(name=name)}.getBoundingClientRect())"
    )
    shot = tab.command("Page.captureScreenshot", captureBeyondViewport=True, clip=box)
    return base64.b64decode(shot["data"])


@pytest.fixture
def opened(tab, pages):
    tab.prefer("light")
    tab.open(pages / "report.html")
    return tab


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_looks_as_it_did_when_it_was_looked_at(tab, pages, name):
    tab.prefer("light")
    tab.open(pages / page_of(name))
    golden.check(name, picture(tab, name))


NARROW = ("plot-latency-1", "plot-roofline-1", "plot-distribution", "latency-model-3", "latency-operator-1")
"""Charts of a phone, by the ids of their figures."""


@pytest.mark.parametrize("figure", NARROW)
def test_a_chart_of_a_phone_looks_as_it_did_when_it_was_looked_at(tab, pages, figure):
    tab.prefer("light")
    tab.resize(390, 844, phone=True)
    tab.open(pages / "report.html")
    box = tab.evaluate(
        f"(b => ({{x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1}}))"
        f"(document.querySelector('#{figure} svg.narrow').getBoundingClientRect())"
    )
    shot = tab.command("Page.captureScreenshot", captureBeyondViewport=True, clip=box)
    golden.check(f"phone-{figure}", base64.b64decode(shot["data"]))


def test_another_font_makes_no_difference(opened):
    for name in CHARTS:
        if name == OF_SELECTION:
            continue
        before = picture(opened, name)
        opened.evaluate(
            f"{SVG.format(name=name)}.querySelectorAll('text').forEach(t => t.style.fontFamily = 'serif')"
        )
        after = picture(opened, name)
        assert before != after
        assert golden.differing(before, after) <= golden.BLOCKS, name


DAMAGE = {
    "a label is gone": "svg.querySelector('.row .label').remove()",
    "labels are clipped": "svg.querySelectorAll('.row .label').forEach(t => t.setAttribute('x', 60))",
    "all marks are gone": "svg.querySelectorAll('.row .mark, .row circle, .row rect').forEach(m => m.remove())",
    "the axis has no ticks": "svg.querySelectorAll('.grid, svg > text').forEach(g => g.remove())",
    "all is shifted": "[...svg.children].forEach(c => c.setAttribute('transform', 'translate(24 0)'))",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_makes_a_difference(opened, damage):
    name = "chart-model-1"
    before = picture(opened, name)
    opened.evaluate(f"(svg => {{ {DAMAGE[damage]} }})({SVG.format(name=name)})")
    assert golden.differing(before, picture(opened, name)) > golden.BLOCKS


@pytest.mark.parametrize(("selector", "family"), [("h1", "DejaVu Sans"), ("code", "DejaVu Sans Mono")])
def test_no_font_of_the_machine_is_used(opened, selector, family):
    for domain in ("DOM", "CSS"):
        opened.command(f"{domain}.enable")
    # What is folded away has no font: the first that is drawn.
    opened.evaluate(
        f"[...document.querySelectorAll('{selector}')].find(one => one.checkVisibility({{contentVisibilityAuto: true}}))"
        ".setAttribute('data-drawn', '')"
    )
    root = opened.command("DOM.getDocument")["root"]["nodeId"]
    found = opened.command("DOM.querySelector", nodeId=root, selector="[data-drawn]")["nodeId"]
    fonts = opened.command("CSS.getPlatformFontsForNode", nodeId=found)["fonts"]
    assert {font["familyName"] for font in fonts} == {family}
