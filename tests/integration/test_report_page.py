"""The report in a real headless Chromium."""

import os
import re
from dataclasses import replace
from functools import cache

import pytest

from npubench.reporting.data.tables import case_tables, ordered
from npubench.reporting.data.translate import use_language
from npubench.reporting.page.page import PageContext, render
from tests import chromium, gateway, sample_results

pytestmark = pytest.mark.skipif(
    os.environ.get("NPUBENCH_NO_CHROMIUM") == "1", reason="NPUBENCH_NO_CHROMIUM=1 leaves the browser out"
)

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --board local", "0.1.0", "out")
NAME_OF_ROWS = "[...document.querySelectorAll('#model tbody tr')].map(r => r.cells[0].innerText)"


def written(tmp_path, rows, context=CONTEXT):
    """The page of some rows; where a function makes them, it is drawn once for all tests."""
    page = tmp_path / "report.html"
    page.write_text(drawn(rows) if callable(rows) else render(rows, context), encoding="utf-8")
    return page


@cache
def drawn(rows):
    return render(rows(), CONTEXT)


def column(tab, table, title):
    """Texts of a column's cells, top to bottom."""
    return tab.evaluate(
        f"""(() => {{
          const table = document.querySelector('#{table} table');
          const head = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
          const at = head.findIndex(cell => cell.innerText.startsWith('{title}'));
          return [...table.tBodies[0].rows].map(row => row.cells[at].innerText);
        }})()"""
    )


@pytest.mark.parametrize("rows", [sample_results.everything, sample_results.hostile, list])
def test_the_page_asks_for_nothing_and_complains_of_nothing(tab, tmp_path, rows):
    page = written(tmp_path, rows)
    tab.open(page)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.requests == [page.as_uri()]
    assert tab.complaints == []


def test_hostile_names_stay_text(tab, tmp_path):
    context = PageContext(*(["</title><img src=x onerror=alert(3)>"] * 5))
    tab.open(written(tmp_path, sample_results.hostile(), context))
    assert tab.evaluate("document.querySelectorAll('img, [onerror], [onload], main svg svg').length") == 0
    assert tab.evaluate("document.querySelectorAll('script:not([type]), style').length") == 2
    shown = tab.evaluate("document.body.innerText")
    for name in (
        "<img src=x onerror=alert(1)>",
        "\"><script>alert('x')</script>",
        "{{ 7 * 7 }}{% raw %}",
        "n" * 300,
    ):
        assert name in shown
    assert "\\u202egnp.exe" in shown
    assert "\u202e" not in shown
    assert "\\x1b[31m" in shown
    assert tab.evaluate("document.title").startswith("</title><img")
    assert tab.complaints == []


def test_an_injected_script_would_not_run(tab, tmp_path):
    page = written(tmp_path, [])
    page.write_text(page.read_text().replace("<header>", "<header><script>document.title = 'owned'</script>"))
    tab.open(page)
    assert tab.evaluate("document.title") != "owned"
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_tables_sort_by_the_exact_figure(tab, tmp_path):
    tab.open(written(tmp_path, sample_results.everything))
    button = "[...document.querySelectorAll('#model th button')].find(b => b.innerText.startsWith('p50'))"
    tab.evaluate(f"{button}.click()")
    up = column(tab, "model", "p50")
    known = [float(text) for text in up if text != ""]
    assert known == sorted(known)
    assert len(known) == 16
    assert up[16:] == [""] * (len(up) - 16)
    tab.evaluate(f"{button}.click()")
    down = column(tab, "model", "p50")
    assert [float(text) for text in down[:16]] == known[::-1]
    assert down[16:] == up[16:]
    assert tab.evaluate(f"{button}.parentNode.getAttribute('aria-sort')") == "descending"


def test_sorting_works_by_keyboard(tab, tmp_path):
    tab.open(written(tmp_path, sample_results.models))
    first = tab.evaluate(NAME_OF_ROWS)
    tab.evaluate("document.querySelector('#model th button').focus()")
    tab.press("Enter", 13)
    tab.press("Enter", 13)
    assert tab.evaluate(NAME_OF_ROWS) == sorted(first, reverse=True)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_are_drawn_with_the_texts_of_the_plain_table(tab, tmp_path, language):
    rows = ordered([*sample_results.everything(), *sample_results.hostile(), sample_results.codec()])
    tab.open(written(tmp_path, rows, replace(CONTEXT, language=language)))
    with use_language(language):
        for table in case_tables(rows):
            own = 4 if table.several_boards else 3
            drawn = tab.evaluate(
                f"[...document.querySelectorAll('#{table.kind} tbody tr')]"
                f".map(row => [...row.cells].slice({own}).map(cell => cell.textContent))"
            )
            plain = [[one.text(at) for one in table.columns] for at in range(len(table.rows))]
            # A dash is drawn by the style sheet.
            assert drawn == [[text.replace("–", "") for text in line] for line in plain]


def test_a_long_page_draws_its_rows_part_by_part(tab, tmp_path):
    rows = [
        replace(row, case=f"{row.case}_{turn}", key=f"{row.key}{turn}")
        for turn in range(70)
        for row in sample_results.models()
    ]
    tab.open(written(tmp_path, rows))
    count = "document.querySelectorAll('#model tbody tr').length"
    assert tab.evaluate(count) == 200
    tab.evaluate("document.querySelector('#model .more-rows').click()")
    assert tab.evaluate(count) == 400
    tab.evaluate("document.querySelectorAll('#model tbody a')[300].click()")
    tab.wait_for("document.querySelector('#opened dl')")
    opened = int(tab.evaluate("document.querySelector('#opened details').id").removeprefix("r"))
    assert ordered(rows)[opened].log_sha256 in tab.evaluate(
        "document.querySelector('#opened dl').textContent"
    )
    assert tab.complaints == []


def test_the_filter_leaves_rows_that_match(tab, tmp_path):
    tab.open(written(tmp_path, sample_results.models))
    tab.evaluate(
        "(input => { input.value = 'resnet int8'; input.dispatchEvent(new Event('input')); })"
        "(document.querySelector('#model input'))"
    )
    left = tab.evaluate(
        "[...document.querySelectorAll('#model tbody tr:not([hidden])')].map(r => r.cells[0].innerText)"
    )
    assert left == ["resnet18", "resnet50"]
    assert tab.evaluate("document.querySelector('#model output').textContent") == "2 of 16 rows"


def test_a_name_leads_to_its_unfolded_provenance(tab, tmp_path):
    tab.open(written(tmp_path, sample_results.models))
    answer = tab.evaluate(
        "new Promise(done => { addEventListener('hashchange', () => setTimeout(() =>"
        " done(document.querySelector(location.hash).open)));"
        " document.querySelector('#model tbody a').click(); })"
    )
    assert answer is True
    assert "Model SHA-256" in tab.evaluate("document.querySelector(location.hash).textContent")


def many_operators():
    return [*sample_results.everything(), *sample_results.operators(240)]


@pytest.mark.parametrize("target", ["#r3", "#r200", "#provenance"])
def test_an_address_leads_to_what_it_names_and_stays_there(tab, tmp_path, target):
    tab.resize(1280, 900)
    tab.open(written(tmp_path, many_operators), target, whole=False)
    top = f"document.querySelector('{target}').getBoundingClientRect().top"
    # It scrolls smoothly, and entries above are filled in meanwhile.
    tab.wait_for(
        f"[...document.querySelectorAll('#provenance details')].every(one => one.querySelector('dl')) && {top} >= 0 && {top} < 150"
    )
    tab.evaluate("new Promise(done => requestIdleCallback(() => setTimeout(done, 300))).then(() => null)")
    assert 0 <= tab.evaluate(top) < 150


def test_heads_of_tables_are_not_marked_as_unknown(tab, tmp_path):
    tab.open(written(tmp_path, sample_results.everything))
    marks = (
        "[...document.querySelectorAll('{part} td:empty:not(.why)')]"
        ".map(cell => getComputedStyle(cell, '::before').content)"
    )
    assert set(tab.evaluate(marks.format(part=".figures tbody"))) == {'"–"'}
    assert '"–"' not in tab.evaluate(marks.format(part=".figures thead"))


def test_the_page_is_whole_without_its_script(tab, tmp_path):
    tab.command("Emulation.setScriptExecutionDisabled", value=True)
    tab.open(written(tmp_path, sample_results.everything))
    tab.command("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.evaluate("document.querySelectorAll('button, input').length") == 0
    shown = tab.evaluate("document.body.innerText")
    for text in ("vit_base_p16_224", "unsupported_operator", "Environment", "no such file"):
        assert text in shown
    table = tab.evaluate("document.querySelector('#model noscript pre').textContent")
    assert re.search(r"vit_base_p16_224 +local +FP32 +\S+ ", table)


@pytest.mark.parametrize("rows", [sample_results.everything, sample_results.hostile, list])
@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_only_downwards(tab, tmp_path, rows, width):
    tab.resize(width, 844, phone=True)
    tab.open(written(tmp_path, rows))
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("visualViewport.scale") == 1


def test_on_a_phone_the_latency_is_the_second_column_and_sorts_and_is_seen(tab, tmp_path):
    tab.resize(390, 844, phone=True)
    tab.open(written(tmp_path, sample_results.models))
    heads = "[...document.querySelectorAll('#model thead tr:last-child th')].map(t => t.innerText.trim())"
    assert tab.evaluate(heads)[:2] == ["Model", "p50 ms"]
    cell = "document.querySelector('#model tbody tr').cells[1].getBoundingClientRect()"
    assert tab.evaluate(f"{cell}.right") <= 390
    tab.evaluate("document.querySelectorAll('#model th button')[1].click()")
    shown = tab.evaluate(
        "[...document.querySelectorAll('#model tbody tr')].map(r => [r.cells[0].innerText, r.cells[1].dataset.v])"
    )
    times = [float(time) for _, time in shown]
    assert times == sorted(times)
    told = {round(row.figures.latency_us.p50, 3): row.case for row in sample_results.models()}
    assert [name for name, _ in shown] == [told[round(time, 3)] for time in times]


@pytest.mark.parametrize(("scheme", "light"), [("light", True), ("dark", False)])
def test_it_follows_the_colour_scheme(tab, tmp_path, scheme, light):
    tab.prefer(scheme)
    tab.open(written(tmp_path, sample_results.models))
    paper, ink = (
        sum(map(int, re.findall(r"\d+", tab.evaluate(f"getComputedStyle(document.body).{name}"))[:3]))
        for name in ("backgroundColor", "color")
    )
    assert (paper > ink) is light
    assert tab.screenshot(whole=False).startswith(b"\x89PNG")


def long_names():
    """Names as long as they come, of several scripts, on boards that are compared."""
    words = (
        "目标检测模型_中文名称_很长很长的名字",
        "検出モデル",
        "yolov8n-seg-quantised-per-channel_640x640.onnx",
        "W" * 60,
    )
    rows = [
        replace(row, case=f"{words[at % 4]}_{row.case}") for at, row in enumerate(sample_results.everything())
    ]
    return [*rows, *gateway.rows(), *sample_results.hostile()]


PARTS = """[...document.querySelectorAll('svg.plot')].filter(svg => svg.checkVisibility()).flatMap(svg => {
  const box = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim());
  const own = texts.map(text => text.getBoundingClientRect());
  const told = at => `${svg.closest('figure').id}: ${texts[at].textContent}`;
  const out = own.flatMap((one, at) =>
    one.left < box.left - 0.5 || one.right > box.right + 0.5 || one.bottom > box.bottom + 1 ? [told(at)] : []);
  const meet = own.flatMap((a, at) => own.slice(at + 1).flatMap((b, after) =>
    a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 1 && b.top < a.bottom - 1
      ? [`${told(at)} / ${texts[at + 1 + after].textContent}`] : []));
  return [{count: texts.length, out, meet}];
})"""


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_label_of_a_chart_is_clipped_or_overlaps_as_the_browser_draws_it(tab, tmp_path, width, language):
    tab.resize(width, 900, phone=width < 500)
    rows = long_names()
    tab.open(written(tmp_path, rows, replace(gateway.context(tmp_path, rows, language), decision=None)))
    tab.evaluate(
        "document.querySelectorAll('section').forEach(one => one.style.contentVisibility = 'visible');"
        "document.querySelectorAll('details').forEach(one => one.open = true)"
    )
    found = tab.evaluate(PARTS)
    assert len(found) > 8
    assert sum(one["count"] for one in found) > 200
    assert [text for one in found for text in one["out"]] == []
    assert [pair for one in found for pair in one["meet"]] == []
    narrow = tab.evaluate("[...document.querySelectorAll('svg.narrow')].some(svg => svg.checkVisibility())")
    assert narrow is (width < 750)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_to_pdf_with_every_column_on_paper(tab, tmp_path):
    page = written(tmp_path, sample_results.everything)
    tab.open(page)
    printed = tab.pdf()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) > 3
    # A4 landscape less its margins, in CSS pixels at 96 per inch.
    tab.resize(round((297 - 24) / 25.4 * 96))
    tab.prefer("dark", "print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= round((297 - 24) / 25.4 * 96)
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


EMPTY_HEADINGS = """[...document.querySelectorAll('h2, h3, h4, figcaption, caption')]
  .filter(head => head.checkVisibility())
  .filter(head => {
    const rest = [];
    for (let next = head.nextElementSibling; next && !/^H[1-6]$/.test(next.tagName); next = next.nextElementSibling)
      rest.push(next);
    return !rest.some(one => one.checkVisibility() && one.getBoundingClientRect().height > 1
      && (one.innerText ?? 'drawn').trim());
  }).map(head => head.textContent)"""


@pytest.mark.parametrize("rows", [sample_results.everything, sample_results.failures, long_names, list])
def test_no_heading_is_printed_without_what_it_is_of(tab, tmp_path, rows):
    tab.open(written(tmp_path, rows))
    tab.resize(round((297 - 24) / 25.4 * 96))
    tab.prefer("light", "print")
    assert tab.evaluate(EMPTY_HEADINGS) == []
    # Chromium paints no button in the heads of tables that it repeats on further pages.
    displays = (
        "[...new Set([...document.querySelectorAll('th button')].map(b => getComputedStyle(b).display))]"
    )
    assert tab.evaluate(displays) in (["contents"], [])
    assert not tab.evaluate("[...document.querySelectorAll('svg.narrow')].some(one => one.checkVisibility())")


def test_without_a_browser_it_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="apt-get install chromium"):
        chromium.find()
