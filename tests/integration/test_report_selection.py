"""The page of a selection in a real headless Chromium."""

import json
import os
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from npubench import published
from npubench.reporting.data.translate import use_language
from npubench.reporting.page.page import PageContext, render
from npubench.reporting.select.presentation import to_json
from npubench.reporting.select.terminal import to_text
from tests import axe, gateway, sample_results

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)


def written(folder, rows=None, language="en"):
    """The page of a selection; the gateway's is drawn once for all tests."""
    return saved(folder, drawn(language) if rows is None else drawn_of(folder, rows, language))


def reported(folder, rows=None):
    """The report of the same rows."""
    return saved(folder, report() if rows is None else report_of(folder, rows))


def saved(folder, text):
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    return page


def drawn_of(folder, rows, language):
    return render(rows, gateway.context(folder, rows, language))


def report_of(folder, rows):
    return render(rows, gateway.report(folder, rows))


@cache
def drawn(language):
    with tempfile.TemporaryDirectory() as folder:
        return drawn_of(Path(folder), gateway.rows(), language)


@cache
def report():
    with tempfile.TemporaryDirectory() as folder:
        return report_of(Path(folder), gateway.rows())


ROWS = """[...document.querySelectorAll('.ranking')[0].tBodies[0].rows].map(row => ({
  board: row.dataset.board, outcome: row.dataset.outcome,
  headroom: (cell => cell.dataset.v === undefined ? null : Number(cell.dataset.v))(row.querySelector('.room')), score: (cell => cell.dataset.v === undefined ? null : Number(cell.dataset.v))(
    document.querySelectorAll('#figures td.score')[row.rowIndex - 1]),
}))"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_json_and_text_agree(tab, tmp_path, language):
    rows = gateway.rows()
    tab.open(written(tmp_path, language=language))
    shown = tab.evaluate(ROWS)
    decision = gateway.decision(tmp_path, rows, language)
    told = json.loads(json.dumps(to_json(decision)))["verdicts"]
    assert [one["board"] for one in shown] == [one["board"] for one in told]
    for page, one in zip(shown, told, strict=True):
        assert page["outcome"] == one["outcome"]
        assert page["headroom"] == pytest.approx(one["headroom"])
        assert page["score"] == pytest.approx(one["score"]) if one["score"] else page["score"] is None
    with use_language(language):
        text = to_text(decision, why=True)
    for at, verdict in enumerate(told):
        checks = tab.evaluate(
            f"[...document.querySelectorAll('#v{at} tr[data-check]')].map(r => [r.dataset.check, r.dataset.outcome])"
        )
        assert checks == [[check["name"], check["outcome"]] for check in verdict["checks"]]
        for check in verdict["checks"]:
            assert check["need"] in text
    assert tab.complaints == []


def test_a_score_unfolds_into_its_arithmetic(tab, tmp_path):
    tab.open(written(tmp_path))
    tab.evaluate("document.querySelector('#v0 .score').open = true")
    cells = tab.evaluate(
        "[...document.querySelectorAll('#v0 .score tbody tr')].map(r => [...r.cells].map(c => c.innerText))"
    )
    points = [float(line[4]) for line in cells]
    assert sum(points[:-1]) == pytest.approx(points[-1], abs=0.0016)
    for weight, value, point in ((line[1], line[2], line[4]) for line in cells[:-1]):
        assert float(weight) * float(value) == pytest.approx(float(point), abs=0.0011)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 820), ("light", 390)])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious(tab, tmp_path, scheme, width, language):
    tab.prefer(scheme)
    tab.resize(width, 900, phone=width < 500)
    tab.open(written(tmp_path, language=language))
    tab.evaluate(
        "document.querySelectorAll('#verdict details, #r0, #r1, #s1').forEach(one => one.open = true)"
    )
    tab.evaluate(axe.source() + "; true")
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)")
    serious = [
        (one["id"], one["help"], [node["html"][:150] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_axe_would_find_something(tab, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<!DOCTYPE html><html><title>x</title><body><input><button></button></body></html>")
    tab.open(page)
    tab.evaluate(axe.source() + "; true")
    found = tab.evaluate("axe.run().then(found => found.violations.map(one => one.id))")
    assert "button-name" in found


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_only_downwards(tab, tmp_path, width, language):
    tab.resize(width, 844, phone=True)
    tab.open(written(tmp_path, language=language))
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_ranking_and_matrix_are_whole_at_every_width(tab, tmp_path, width, language):
    tab.resize(width, 900, phone=width < 500)
    tab.open(written(tmp_path, language=language))
    cut = tab.evaluate("""[...document.querySelectorAll('#verdict .scroll')]
      .map(one => one.scrollWidth - one.clientWidth)""")
    assert len(cut) == 2
    assert max(cut) <= 1
    assert tab.evaluate("document.querySelectorAll('.matrix td.m').length") > 20


def test_kinds_have_columns_of_their_own(tab, tmp_path):
    tab.open(written(tmp_path))
    filled = tab.evaluate("""[...document.querySelectorAll('.ranking tbody tr')].map(row =>
      [...row.querySelectorAll('td.load')].map(cell => cell.innerText.trim() !== ''))""")
    assert all(sum(cells) <= 1 for cells in filled)
    assert len(filled[0]) >= 2
    assert all(any(cells[at] for cells in filled) for at in range(len(filled[0])))


def test_copying_takes_the_rows_that_are_shown(tab, tmp_path):
    tab.open(reported(tmp_path))
    tab.evaluate("""(() => {
      window.copied = [];
      Object.defineProperty(navigator, 'clipboard', {value: {writeText: async text => { copied.push(text); }}});
      const input = document.querySelector('#model input');
      input.value = 'resnet50 local';
      input.dispatchEvent(new Event('input'));
      document.querySelector('#model .copy').click();
    })()""")
    lines = [line.split("\t") for line in tab.evaluate("copied[0]").split("\n")]
    assert lines[0][0] == "Model"
    assert [line[:3] for line in lines[1:]] == [["resnet50", "local", "FP32"], ["resnet50", "local", "INT8"]]
    # Figures are copied as exactly as they are known, not as they are rounded.
    assert len(lines[1][5]) > 8
    assert tab.evaluate("document.querySelector('#model .copy').textContent") == "Copied"


def test_a_copied_name_is_no_formula(tab, tmp_path):
    rows = [replace(row, case=f"=cmd|{i}") for i, row in enumerate(sample_results.models())]
    tab.open(reported(tmp_path, rows))
    tab.evaluate("""(() => {
      window.copied = [];
      Object.defineProperty(navigator, 'clipboard', {value: {writeText: async text => { copied.push(text); }}});
      document.querySelector('#model .copy').click();
    })()""")
    assert all(line.startswith("'=") for line in tab.evaluate("copied[0]").split("\n")[1:])


def test_provenance_shows_what_rows_share_when_it_is_opened(tab, tmp_path):
    tab.open(written(tmp_path))
    tab.evaluate(
        "new Promise(done => { const row = document.getElementById('r0'); row.open = true; setTimeout(done, 50); })"
    )
    text = tab.evaluate("document.getElementById('r0').textContent")
    for label in ("Model SHA-256", "Command", "Protocol", "Tools", "Board before", "Log"):
        assert label in text


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(tab, tmp_path):
    page = written(tmp_path)
    tab.open(page)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.requests == [page.as_uri()]
    assert tab.complaints == []


def test_no_label_of_a_plot_is_clipped(tab, tmp_path):
    tab.open(reported(tmp_path))
    outside = tab.evaluate(
        """[...document.querySelectorAll('svg.plot')].flatMap(svg => {
          const box = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].filter(text => {
            const own = text.getBoundingClientRect();
            return own.left < box.left - .5 || own.right > box.right + .5 || own.bottom > box.bottom + .5 || own.top < box.top - .5;
          }).map(text => text.textContent);
        })"""
    )
    assert outside == []
    assert tab.evaluate("document.querySelectorAll('figure.chart').length") > 8


def test_it_prints_with_its_verdict(tab, tmp_path):
    tab.open(written(tmp_path))
    tab.resize(round((297 - 24) / 25.4 * 96))
    tab.prefer("dark", "print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= round((297 - 24) / 25.4 * 96)
    assert tab.pdf().startswith(b"%PDF-")


def test_three_hundred_rows_of_five_boards_stay_below_a_megabyte(tmp_path):
    page = reported(tmp_path, gateway.three_hundred())
    # A seventh below the bound, so that names longer than these have room.
    assert page.stat().st_size < 860_000


def test_what_is_out_of_sight_is_laid_out_when_it_is_wanted(tab, tmp_path):
    """A page opens without the layout of what is below; links, printing and pictures have all of it."""
    tab.open(reported(tmp_path), whole=False)
    assert not tab.evaluate(
        "document.querySelector('#environment dl').checkVisibility({contentVisibilityAuto: true})"
    )
    tab.evaluate("document.querySelector('nav a[href=\"#environment\"]').click()")
    tab.wait_for("document.querySelector('#environment dl').checkVisibility({contentVisibilityAuto: true})")
    tab.wait_for("Math.abs(document.getElementById('environment').getBoundingClientRect().top) < innerHeight")
    tab.prefer("light", "print")
    assert tab.evaluate("getComputedStyle(document.getElementById('model')).contentVisibility") == "visible"
    assert tab.complaints == []


def test_entries_of_the_provenance_can_be_found_without_being_opened(tab, tmp_path):
    tab.open(written(tmp_path), whole=False)
    tab.wait_for(
        "[...document.querySelectorAll('#provenance details')].every(one => one.querySelector('dl'))"
    )
    assert "SHA-256" in tab.evaluate("document.querySelector('#r3 dl').textContent")


def test_the_published_rows_take_little_room_each(tmp_path):
    rows = published.results()
    page = tmp_path / "report.html"
    page.write_text(render(rows, PageContext(*["x"] * 5)), encoding="utf-8")
    assert len(rows) > 370
    assert page.stat().st_size < 2_500 * len(rows)
    assert page.stat().st_size < 1_000_000


def test_kinds_never_share_a_plot_series(tab, tmp_path):
    tab.open(reported(tmp_path))
    figures = tab.evaluate("""[...document.querySelectorAll('#overview figure')].map(figure =>
      [figure.className, [...figure.querySelectorAll('.keys bdi')].map(one => one.innerText)])""")
    simulated = {name for shown, names in figures if "k-simulated" in shown for name in names}
    measured = {name for shown, names in figures if "k-measured" in shown for name in names}
    assert simulated
    assert measured
    assert not {name for name in simulated if name.startswith(("rk", "bm"))} & measured
    warned = tab.evaluate("[...document.querySelectorAll('#overview .warning')].map(one => one.innerText)")
    assert any("rknn, tpu-mlir" in text for text in warned)


@pytest.fixture
def long_page(tmp_path):
    base = [*sample_results.models(), *sample_results.operators()]
    rows = [replace(base[i % len(base)], case=f"{base[i % len(base)].case}_{i:05}") for i in range(3_000)]
    page = tmp_path / "report.html"
    context = PageContext("long", "2026-03-02T09:40:00+00:00", "run", "0.1.0", "out")
    page.write_text(render(rows, context), encoding="utf-8")
    return page, rows


def test_thousands_of_rows_sort_filter_and_open(tab, long_page):
    page, rows = long_page
    tab.open(page)
    assert tab.complaints == []
    shown = "document.querySelectorAll('#operator tbody tr').length"
    assert tab.evaluate(shown) == 200
    tab.evaluate("document.querySelector('#operator .more-rows').click()")
    assert tab.evaluate(shown) == 400
    tab.evaluate(
        "[...document.querySelectorAll('#operator th button')].find(b => b.innerText.startsWith('p50')).click()"
    )
    times = tab.evaluate(
        "[...document.querySelectorAll('#operator tbody tr')].map(r => Number(r.querySelector('td.me').dataset.v))"
    )
    assert times == sorted(times)
    fastest = min(row.figures.latency_us.p50 for row in rows if row.case_kind == "operator")
    assert times[0] == pytest.approx(fastest)
    name = rows[1234].case
    tab.evaluate(f"""(input => {{ input.value = '{name}'; input.dispatchEvent(new Event('input')); }})
      (document.querySelector('#{rows[1234].case_kind} input'))""")
    assert tab.evaluate(f"document.querySelectorAll('#{rows[1234].case_kind} tbody tr').length") == 1
    tab.evaluate(f"""new Promise(done => {{ addEventListener('hashchange', () => setTimeout(done, 50));
      document.querySelector('#{rows[1234].case_kind} tbody a').click(); }})""")
    opened = tab.evaluate("document.getElementById('opened').textContent")
    assert rows[1234].onnx_sha256 in opened
    assert rows[1234].log_path in opened
    assert "Commandnpubench run" in opened


def test_hostile_names_stay_text_in_a_long_page(tab, tmp_path):
    rows = [replace(row, case=f"{row.case} {i}") for i in range(24) for row in sample_results.hostile()]
    assert len(rows) > 1000
    page = tmp_path / "report.html"
    page.write_text(
        render(rows, PageContext("x", "2026-03-02T09:40:00+00:00", "run", "0.1.0", "out")), encoding="utf-8"
    )
    tab.open(page)
    tab.evaluate("location.hash = 'r3'; new Promise(done => setTimeout(done, 100))")
    assert tab.evaluate("document.querySelectorAll('img, [onerror], [onload], main svg svg').length") == 0
    assert "\u202e" not in tab.evaluate("document.body.innerText")
    assert tab.evaluate("document.getElementById('opened').textContent.length") > 100
    assert tab.complaints == []
