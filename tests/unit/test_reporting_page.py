import html
import json
import re
from dataclasses import replace

from npubench.domain.records import Figures, Kind, Latency, Verdict
from npubench.reporting.page.page import PageContext, render
from npubench.storage.ledger import Export
from tests import sample_results

CONTEXT = PageContext("npubench report", "2026-03-02T09:40:00+00:00", "run --board local", "0.1.0", "out")


def page(results, **changes):
    return render(results, replace(CONTEXT, **changes))


def data_of(text):
    """What stands as JSON for the page's script, by the id of its element."""
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', text, re.DOTALL)
    return {name: json.loads(packed) for name, packed in found}


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings_in(inner)


def test_every_case_failure_and_reason_is_on_the_page():
    results = sample_results.everything()
    written = page(results)
    text = "\n".join([html.unescape(written), *strings_in(data_of(written))])
    for result in results:
        assert result.case in text
        assert (result.onnx_sha256 or "") in text
        assert result.failure is None or result.failure.message in text
        assert result.skip_reason is None or str(result.skip_reason) in text
        assert all(str(warning) in text for warning in result.warnings)
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
    assert text.count('class="badge emulated"') >= 4 + 2 + 1
    assert all(row[3] for row in data_of(text)["rows-model"]["rows"])
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
    classes = {head["class"].partition(" ")[0] for head in data_of(page([published]))["rows-model"]["heads"]}
    assert classes == {"n", "pu"}


def test_a_row_without_a_verdict_says_so():
    table = data_of(page([sample_results.result(verdict=None, warnings=("hot",))]))["rows-model"]
    names = [table["names"][at] for at in table["rows"][0][4:]]
    assert names == ["local", "FP32", "v-none", "no verdict"]
    assert [table["names"][at] for at in table["notes"]["0"]] == ["1 note", "hot"]
    other = data_of(page([sample_results.result(verdict=Verdict.INVALID)]))["rows-model"]
    assert "v-invalid" in other["names"]


def test_an_empty_workspace_gets_an_honest_page():
    text = page([])
    assert "Nothing has been measured yet</span>." in text
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
