"""The first screen, failures and doubts of a run report in a real headless Chromium."""

import os
from dataclasses import replace

import pytest

from npubench.domain.records import Verdict
from npubench.reporting.page.page import PageContext, render
from tests import axe, gateway, sample_results

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --board local", "0.1.0", "out")
SERIOUS = ("serious", "critical")
BOTTOM = "document.querySelector('{}').getBoundingClientRect().bottom"
TOP = "document.querySelector('{}').getBoundingClientRect().top"


def noisy():
    return [replace(row, verdict=Verdict.NOISY) for row in sample_results.models()]


PAGES = {
    "boards": gateway.three_hundred,
    "everything": sample_results.everything,
    "failed": sample_results.failures,
    "noisy": noisy,
    "emulated": sample_results.emulated,
    "nothing": list,
}


def opened(tab, tmp_path, rows, width=1440, language="en", **changes):
    page = tmp_path / "report.html"
    context = replace(CONTEXT, language=language, **changes)
    page.write_text(render(rows, context), encoding="utf-8")
    tab.resize(width, 900)
    tab.open(page)
    assert tab.complaints == []


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("name", PAGES)
def test_the_first_screen_holds_the_sentence_how_sure_it_is_and_figures(tab, tmp_path, name, width):
    opened(tab, tmp_path, PAGES[name](), width)
    assert tab.evaluate(BOTTOM.format(".answer")) < tab.evaluate(TOP.format(".trust"))
    assert tab.evaluate(BOTTOM.format(".trust")) < 900
    if tab.evaluate("document.querySelectorAll('td.me, td.si').length"):
        first = ".ranked tbody td[data-v]"
        assert tab.evaluate(BOTTOM.format(".trust")) < tab.evaluate(TOP.format(first))
        assert tab.evaluate(BOTTOM.format(first)) < 900
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_phone_shows_name_precision_time_and_fps_of_a_row_whole(tab, tmp_path, language):
    opened(tab, tmp_path, sample_results.models(), 390, language)
    cells = "[...document.querySelector('.ranked tbody tr').cells]"
    shown = tab.evaluate("document.querySelector('.ranked .scroll').getBoundingClientRect().right")
    fields = tab.evaluate(
        "[...document.querySelectorAll('.ranked thead th')].map((one) => one.dataset.field)"
    )
    rights = tab.evaluate(f"{cells}.map((one) => one.getBoundingClientRect().right)")
    assert fields[:5] == ["rank", "case", "precision", "time", "fps"]
    assert max(rights[:5]) <= shown


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 820, 390])
def test_axe_finds_nothing_serious(tab, tmp_path, width, scheme, language):
    tab.prefer(scheme)
    rows = gateway.rows()
    tails = {row.key: ("compiling", "E no kernel") for row in rows if row.failure}
    opened(tab, tmp_path, rows, width, language, log_tails=tails)
    tab.evaluate("document.querySelectorAll('details:not(.row)').forEach(one => one.open = true)")
    tab.evaluate(axe.source() + "; true")
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
    told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found if one["impact"] in SERIOUS]  # fmt: skip
    assert told == []


def test_a_figure_that_cannot_be_relied_on_is_greyed_and_says_why(tab, tmp_path):
    opened(tab, tmp_path, noisy())
    colours = "[...document.querySelectorAll('.ranked tbody tr')].map(row => getComputedStyle(row.querySelector('td.me')).color)"
    grey = set(tab.evaluate(colours))
    tab.evaluate("true")
    opened(
        tab,
        tmp_path,
        [replace(row, verdict=Verdict.STABLE, warnings=()) for row in sample_results.models()[:4]],
    )
    steady = set(tab.evaluate(colours))
    assert (len(grey), len(steady)) == (1, 1)
    assert grey != steady


def test_rows_of_a_ranking_that_are_asked_for_look_like_the_first(tab, tmp_path):
    rows = gateway.three_hundred()
    opened(tab, tmp_path, rows)
    tab.evaluate("document.querySelectorAll('#ranking .more-rows').forEach(one => one.click())")
    shapes = tab.evaluate(
        "[...document.querySelectorAll('.ranked table')].map(table => [...table.tBodies[0].rows].map("
        "row => [...row.cells].map(cell => cell.tagName + ' ' + cell.className.replace(/none/, '')).join()))"
    )
    # Of the same columns, whoever wrote them; a figure's kind is missing where there is none.
    assert all(len({line.count(",") for line in table}) == 1 for table in shapes)
    assert sum(map(len, shapes)) > 40


def test_what_a_ranking_shows_by_itself_is_what_its_script_draws(tab, tmp_path):
    rows = [*gateway.rows(), *(replace(row, case=f"{row.case}_noisy", key=f"{row.key}n") for row in noisy())]
    cells = (
        "[...document.querySelectorAll('.ranked tbody tr')].map("
        "row => [...row.cells].map(cell => cell.textContent.trim().replace(/\\s+/g, ' ')))"
    )
    opened(tab, tmp_path, rows)
    drawn = tab.evaluate(cells)
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(tmp_path / "report.html")
    assert tab.evaluate(cells) == drawn
    tab.command("Emulation.setScriptExecutionDisabled", value=False)


def test_a_failure_leads_from_the_summary_to_its_log(tab, tmp_path):
    rows = sample_results.failures()
    opened(tab, tmp_path, rows, log_tails={rows[0].key: ("E <b>no kernel</b>",)})
    widths = "[...document.querySelectorAll('#failures article')].map(one => one.clientWidth)"
    assert min(tab.evaluate(widths)) > 1000
    lines = tab.evaluate("[...document.querySelectorAll('.summary a')].map(one => one.innerText)")
    assert len(lines) == 5
    assert all(line.startswith("FAILED ") for line in lines)
    assert tab.evaluate("document.querySelector('.log').innerText.trim()") == "E <b>no kernel</b>"


def test_what_a_long_page_draws_does_not_grow_with_its_rows(tab, tmp_path):
    """What opens a page of 10,000 rows in time: nodes and the script's work are of a part of its rows."""

    def nodes(turns):
        rows = [
            replace(row, case=f"{row.case}_{turn}", key=f"{row.key}{turn}")
            for turn in range(turns)
            for row in sample_results.models()[:4]
        ]
        opened(tab, tmp_path, rows)
        counted = "['#ranking', '#model .scroll', '#provenance'].map(one => document.querySelectorAll(one + ' *').length)"
        return tab.evaluate(counted)

    assert nodes(260) == nodes(520)


def test_on_paper_the_evidence_of_doubts_is_unfolded(tab, tmp_path):
    opened(tab, tmp_path, gateway.three_hundred())
    shown = "[...document.querySelectorAll('.evidence:not([open]) td')].map(one => one.checkVisibility())"
    assert set(tab.evaluate(shown)) == {False}
    tab.prefer("light", "print")
    assert set(tab.evaluate(shown)) == {True}
