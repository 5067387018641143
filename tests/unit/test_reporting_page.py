import html
import re
from dataclasses import replace

from npubench.domain.records import Figures, Kind, Latency, Verdict
from npubench.reporting.page.page import PageContext, render
from npubench.storage.ledger import Export
from tests import sample_results

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --board local", "0.1.0", "out")


def page(results, **changes):
    return render(results, replace(CONTEXT, **changes))


def test_every_case_failure_and_reason_is_on_the_page():
    results = sample_results.everything()
    text = html.unescape(page(results))
    for result in results:
        assert f"<bdi>{result.case}</bdi>" in text
        assert (result.onnx_sha256 or "") in text
        assert result.failure is None or result.failure.message in text
        assert result.skip_reason is None or result.skip_reason in text
        assert all(warning in text for warning in result.warnings)
        assert result.log_sha256 in text


def test_no_name_becomes_markup():
    text = page(sample_results.hostile(), title=sample_results.HOSTILE[0], command=sample_results.HOSTILE[1])
    for name in sample_results.HOSTILE:
        assert not re.search(r"[<>\"]", name) or name not in text
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    text.encode("utf-8")


def test_nothing_is_loaded_from_anywhere():
    text = page(sample_results.everything())
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", text)
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|https?://", text)
    assert text.count("<script>") == 1
    assert " style=" not in text


def test_emulated_rows_are_marked_and_left_out_of_the_summary():
    assert page(sample_results.models()).count('class="badge emulated"') == 0
    text = page(sample_results.emulated())
    assert text.count('class="badge emulated"') >= 4 * 2 + 2 + 1
    assert "Lowest INT8 cosine" not in text
    assert "Lowest INT8 cosine" in page(sample_results.models())


def test_kinds_have_their_own_marks():
    text = page(sample_results.everything())
    for kind in (Kind.MEASURED, Kind.SIMULATED):
        assert (
            f'<th colspan="{10 if kind is Kind.MEASURED else 4}" scope="colgroup" class="first"><span class="kind k-{kind}">'
            in text
        )
    published = replace(sample_results.result(), figures=Figures(Kind.PUBLISHED, Latency(1, 6948.0)))
    assert re.search(r'<td class="?pu\b', page([published]))
    assert not re.search(r'<td class="?me\b', page([published]))


def test_a_row_without_a_verdict_says_so():
    text = page([sample_results.result(verdict=None, warnings=("hot",))])
    assert "no verdict" in text
    assert 'class="badge v-None"' not in text
    assert 'class="badge v-invalid"' in page([sample_results.result(verdict=Verdict.INVALID)])


def test_an_empty_workspace_gets_an_honest_page():
    text = page([])
    assert "Nothing has been measured yet." in text
    assert "<table" not in text
    assert "None" not in text


def test_coverage_says_what_was_exported_and_why_the_rest_was_not():
    exports = {
        "good": Export("good", "mmpretrain", 2.0, sha256="0" * 64),
        "bad": Export("bad", "mmpretrain", 1.0, "missing_package", "it needs <mmcv>"),
    }
    text = page(sample_results.everything(), exports=exports)
    section = text.partition('<section id="coverage">')[2].partition("</section>")[0]
    assert "<code>missing_package</code>" in section
    assert "it needs &lt;mmcv&gt;" in section
    assert re.search(r"<bdi>mmpretrain</bdi></th>.*data-v=\"0.5\">50.0 %", section)
    assert re.search(r"<bdi>DeformConv</bdi></code></th><td class=\"s-no\"><bdi>unsupported</bdi>", section)
    assert "1 <code>hang</code>" in section
    assert '<section id="coverage">' not in page([])


def test_the_order_of_rows_does_not_matter():
    results = sample_results.models()
    assert page(results) == page(results[::-1])
